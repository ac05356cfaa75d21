from __future__ import annotations

import pytest

from cdcproof.clients.connect.client import Connect, root_cause
from cdcproof.clients.http import ConflictError, NotFoundError, ServiceFailedError
from cdcproof.core.errors import RefusedError, UnexpectedAnswerError, UnreachableError
from cdcproof.core.secrets import scrub
from cdcproof.pipeline.model import HttpService
from tests.canned import EXPANDED, TRACE, Canned, connector, serving

SOURCE = {"name": "source", "connector.class": "io.debezium.connector.postgresql.PostgresConnector"}
SINK = {"name": "sink", "connection.password": "inline-secret-1", "topics": "t"}


def connect(server: Canned) -> Connect:
    return Connect(HttpService(url=server.url))


def test_states_of_connectors_and_tasks_come_from_one_request() -> None:
    answer = {
        "source": connector("source", SOURCE),
        "sink": connector("sink", SINK, tasks=("RUNNING", "FAILED", "UNASSIGNED")),
    }
    with serving({EXPANDED: (200, answer)}) as server:
        found = connect(server).states()
        assert server.requests == [EXPANDED]
    assert found.states == {
        "sink": "RUNNING",
        "sink/0": "RUNNING",
        "sink/1": "FAILED",
        "sink/2": "UNASSIGNED",
        "source": "RUNNING",
        "source/0": "RUNNING",
    }
    assert found.details["sink/0"] == "worker connect-1:8083"
    assert found.details["sink/1"] == (
        'worker connect-1:8083; org.postgresql.util.PSQLException: ERROR: relation "orders" does not exist'
    )
    assert found.traces == {"sink/1": TRACE}
    sink = found.get("sink")
    assert sink
    assert (sink.kind, [task.id for task in sink.tasks]) == ("sink", [0, 1, 2])
    assert found.get("other") is None


def test_tasks_are_told_in_the_order_of_their_ids() -> None:
    told = connector("sink", SINK, tasks=("RUNNING", "PAUSED"))
    told["status"]["tasks"].reverse()
    with serving({EXPANDED: (200, {"sink": told})}) as server:
        sink = connect(server).states().get("sink")
    assert sink
    assert [(task.id, task.state) for task in sink.tasks] == [(0, "RUNNING"), (1, "PAUSED")]


def test_a_password_in_a_configuration_is_scrubbed_from_then_on_and_not_in_the_repr() -> None:
    with serving({EXPANDED: (200, {"sink": connector("sink", SINK)})}) as server:
        found = connect(server).states()
    assert "inline-secret-1" not in scrub("trace says inline-secret-1")
    assert "inline-secret-1" not in repr(found)


def test_no_connectors_is_an_answer() -> None:
    with serving({EXPANDED: (200, {})}) as server:
        assert connect(server).states().states == {}


@pytest.mark.parametrize("answer", [["source"], {"source": {"status": {}}}, {"source": {}}, {"source": None}, "x"])
def test_an_answer_of_another_form_is_unexpected(answer: object) -> None:
    with serving({EXPANDED: (200, answer)}) as server, pytest.raises(UnexpectedAnswerError, match="/connectors"):
        connect(server).states()


def test_version_and_cluster_are_told() -> None:
    with serving({"GET /": (200, {"version": "3.9.2", "commit": "x", "kafka_cluster_id": "abc"})}) as server:
        version = connect(server).version()
    assert (version.version, version.kafka_cluster_id) == ("3.9.2", "abc")


def test_another_service_at_the_address_is_unexpected() -> None:
    elsewhere = serving({"GET /": (200, {"name": "elsewhere"})})
    with elsewhere as server, pytest.raises(UnexpectedAnswerError, match="not as Kafka Connect does"):
        connect(server).version()


def test_plugins_are_told() -> None:
    with serving({"GET /connector-plugins": (200, [{"class": "a.B", "type": "sink", "version": None}])}) as server:
        assert [(p.class_name, p.kind, p.version) for p in connect(server).plugins()] == [("a.B", "sink", "")]


def test_topics_are_told_and_a_worker_that_does_not_track_them_refuses() -> None:
    with serving({"GET /connectors/s/topics": (200, {"s": {"topics": ["b", "a"]}})}) as server:
        assert connect(server).topics("s") == ("a", "b")
    refusing = serving({"GET /connectors/s/topics": (403, {"message": "Topic tracking is disabled."})})
    with refusing as server, pytest.raises(RefusedError, match="tracking is disabled"):
        connect(server).topics("s")


def test_offsets_are_told_and_an_old_connect_is_named_as_such() -> None:
    offset = {"partition": {"server": "w"}, "offset": {"lsn": 5}}
    with serving({"GET /connectors/s/offsets": (200, {"offsets": [offset]})}) as server:
        assert connect(server).offsets("s") == (offset,)
    with serving({}) as server, pytest.raises(UnexpectedAnswerError, match=r"needs Kafka Connect 3\.5"):
        connect(server).offsets("s")
    absent = (404, {"error_code": 404, "message": "Connector s not found"})
    with serving({"GET /connectors/s/offsets": absent}) as server, pytest.raises(NotFoundError, match="s not found"):
        connect(server).offsets("s")


def test_every_order_reaches_its_address() -> None:
    restart = "POST /connectors/a%2Fb/restart?includeTasks=true&onlyFailed=true"
    answers = {
        "PUT /connectors/a%2Fb/config": [(409, {"message": "rebalance"}), (201, {})],
        "PUT /connectors/a%2Fb/pause": (202, b""),
        "PUT /connectors/a%2Fb/resume": (202, b""),
        "PUT /connectors/a%2Fb/stop": (204, b""),
        restart: (202, {}),
        "DELETE /connectors/a%2Fb": (204, b""),
    }
    with serving(dict(answers)) as server:
        client = connect(server)
        client.put_config("a/b", {"k": "v"})
        client.pause("a/b")
        client.resume("a/b")
        client.stop("a/b")
        client.restart("a/b", only_failed=True)
        client.delete("a/b")
        assert server.requests == [*list(answers)[:1], *answers]
        assert server.bodies[1] == {"k": "v"}


def test_a_rejected_configuration_is_told_without_its_password() -> None:
    said = {"message": "invalid:\npassword authentication failed for inline-secret-2"}
    rejecting = serving({"PUT /connectors/s/config": (400, said)})
    with rejecting as server, pytest.raises(UnexpectedAnswerError, match="password authentication failed") as raised:
        connect(server).put_config("s", {"database.password": "inline-secret-2"})
    assert "inline-secret-2" not in str(raised.value)


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (TRACE, 'org.postgresql.util.PSQLException: ERROR: relation "orders" does not exist'),
        ("java.lang.OutOfMemoryError: heap\n\tat x", "java.lang.OutOfMemoryError: heap"),
        ("", ""),
        (
            "E: " + "x" * 1000 + " is no longer available",
            "E: " + "x" * 197 + " … " + "x" * 77 + " is no longer available",
        ),
    ],
)
def test_the_root_cause_is_the_last_cause(trace: str, line: str) -> None:
    assert root_cause(trace) == line


def test_a_worker_that_is_starting_is_unreachable_and_not_without_connectors() -> None:
    starting = serving({EXPANDED: (404, b"<html>HTTP ERROR 404"), "DELETE /connectors/s": (404, b"")})
    with starting as server:
        with pytest.raises(UnreachableError, match="starting"):
            connect(server).states()
        with pytest.raises(UnreachableError, match="starting"):
            connect(server).delete("s")
        with pytest.raises(NotFoundError):
            connect(server).pause("other")  # answered in JSON: Connect itself knows no such connector


def test_without_patience_a_rebalance_is_told_at_once() -> None:
    with serving({"PUT /connectors/s/pause": (409, {"message": "rebalance in progress"})}) as server:
        with pytest.raises(ConflictError, match="rebalance in progress"):
            Connect(HttpService(url=server.url), patience_seconds=0).pause("s")
        assert len(server.requests) == 1


VALIDATE = "PUT /connector-plugins/a.B/config/validate"


def field(name: str, *errors: str) -> dict[str, object]:
    return {"definition": {"name": name}, "value": {"name": name, "value": "x", "errors": list(errors)}}


def test_validation_names_each_field_once_and_no_password() -> None:
    config = {"connector.class": "a.B", "db.password": "inline-secret-3"}
    errors = [
        field("name"),
        field("db.port", "not a number", "not a number"),
        field("db.host", "no\n  inline-secret-3"),
    ]
    with serving({VALIDATE: (200, {"error_count": 2, "configs": errors})}) as server:
        found = connect(server).validate(config)
        assert server.bodies == [config]
    assert [(e.field, e.text) for e in found] == [("db.port", "not a number"), ("db.host", "no [redacted]")]


READ = (
    "name",
    "topics",
    "batch.size",
    "table.include.list",
    "topic.prefix",
    "database.names",
    "key.converter",
    "max.retries",
)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("bacth.size", "is it batch.size?"),
        ("topic", "is it topics?"),
        ("database.server.name", "since Debezium 2 its name is topic.prefix"),
        ("database.dbname", "since Debezium 2 its name is database.names"),
        ("database.history.kafka.topic", "since Debezium 2 its name is schema.history.internal.kafka.topic"),
    ],
)
def test_a_key_that_the_plug_in_does_not_read_is_doubted(key: str, hint: str) -> None:
    config = {"connector.class": "a.B", key: "x"}
    with serving({VALIDATE: (200, {"error_count": 0, "configs": [field(name) for name in READ]})}) as server:
        errors, unread = connect(server).validated(config)
    assert errors == ()
    assert [(one.field, one.text.partition("; ")[2]) for one in unread] == [(key, hint)]


@pytest.mark.parametrize(
    "key",
    [
        "key.converter.schemas.enable", "consumer.override.max.poll.records", "producer.override.batch.size",
        "hibernate.c3p0.acquireRetryDelay", "schema.history.internal.consumer.security.protocol", "driver.encrypt", "batch.size",
    ],
)  # fmt: skip
def test_what_a_plug_in_passes_on_is_not_doubted(key: str) -> None:
    config = {"connector.class": "a.B", key: "x"}
    with serving({VALIDATE: (200, {"error_count": 0, "configs": [field(name) for name in READ]})}) as server:
        assert connect(server).validated(config) == ((), ())


def test_a_worker_of_debezium_1_reads_the_old_names() -> None:
    read = ("database.server.name", "database.dbname", "database.history.kafka.topic")
    with serving({VALIDATE: (200, {"error_count": 0, "configs": [field(name) for name in read]})}) as server:
        assert connect(server).validated({"connector.class": "a.B", **dict.fromkeys(read, "x")}) == ((), ())


def test_a_valid_configuration_has_no_errors() -> None:
    with serving({VALIDATE: (200, {"error_count": 0, "configs": [field("name")]})}) as server:
        assert connect(server).validate({"connector.class": "a.B"}) == ()


def test_a_plug_in_that_is_not_installed_is_an_error_of_its_field() -> None:
    answers = {
        VALIDATE: (500, {"message": "Failed to find any class that implements Connector and which name matches a.B"}),
        "GET /connector-plugins": (200, [{"class": "c.D", "type": "sink"}]),
    }
    with serving(answers) as server:
        [error] = connect(server).validate({"connector.class": "a.B"})
    assert error.field == "connector.class"
    assert "c.D" in error.text


@pytest.mark.parametrize("answer", [{}, {"error_count": 1, "configs": []}, {"error_count": 0, "configs": [{}]}, []])
def test_a_validation_of_another_form_is_never_valid(answer: object) -> None:
    with serving({VALIDATE: (200, answer)}) as server, pytest.raises(UnexpectedAnswerError):
        connect(server).validate({"connector.class": "a.B"})


def test_another_failure_of_a_validation_is_not_an_error_of_a_field() -> None:
    with serving({VALIDATE: (500, {"message": "Request timed out"})}) as server, pytest.raises(ServiceFailedError):
        connect(server).validate({"connector.class": "a.B"})


def test_what_a_worker_can_do_is_asked_and_not_assumed() -> None:
    stop, alter, reset = "PUT /connectors/s/stop", "PATCH /connectors/s/offsets", "DELETE /connectors/s/offsets"
    with serving({stop: (204, b""), alter: (200, {}), reset: (200, {})}) as server:
        assert (connect(server).can_stop("s"), connect(server).can_change_offsets("s")) == (True, True)
        assert server.requests == []  # nothing was ordered to find out
    with serving({stop: (204, b""), "GET /connectors/s/offsets": (200, {})}) as server:  # as 3.5 has it
        assert (connect(server).can_stop("s"), connect(server).can_change_offsets("s")) == (True, False)
    with serving({}) as server:
        assert (connect(server).can_stop("s"), connect(server).can_change_offsets("s")) == (False, False)


def test_offsets_are_altered_and_reset() -> None:
    offsets = [{"partition": {"kafka_topic": "t"}, "offset": {"kafka_offset": 5}}, {"partition": {}, "offset": None}]
    answers = {"PATCH /connectors/s/offsets": (200, {"message": "ok"}), "DELETE /connectors/s/offsets": (200, {})}
    with serving(answers) as server:
        connect(server).alter_offsets("s", offsets)
        connect(server).reset_offsets("s")
        assert server.bodies == [{"offsets": offsets}, None]
        assert server.requests == list(answers)


def test_what_a_starting_worker_leaves_out_is_not_taken_for_absent() -> None:
    config = "GET /connectors/{}/config"
    answers = {EXPANDED: (200, {"source": connector("source", SOURCE)}), config.format("loading"): (200, {"a": "1"})}
    with serving(answers) as server:
        assert connect(server).states(["source", "gone"]).get("gone") is None
        assert server.requests == [EXPANDED, config.format("gone")]
        with pytest.raises(UnreachableError, match="does not report the state of loading yet"):
            connect(server).states(["loading"])


def test_a_connector_of_which_the_log_tells_a_deletion_first_is_left_out_until_it_is_loaded() -> None:
    passing = connector("s", SOURCE) | {"info": None}
    with serving({EXPANDED: (200, {"s": passing}), "GET /connectors/s/config": (200, {"a": "1"})}) as server:
        assert connect(server).states().connectors == ()
        with pytest.raises(UnreachableError, match="does not report the state of s yet"):
            connect(server).states(["s"])


def test_a_connector_is_created_in_a_state_and_one_that_is_there_by_then_is_given_its_configuration() -> None:
    there = {"POST /connectors": (409, {"error_code": 409, "message": "Connector c already exists"})}
    config = {"GET /connectors/c/config": (200, {}), "PUT /connectors/c/config": (200, {})}
    with serving({"POST /connectors": (201, {})}) as server:
        connect(server).create("c", {"a": "1"}, "STOPPED")
        assert server.bodies == [{"name": "c", "config": {"a": "1"}, "initial_state": "STOPPED"}]
    with serving({**there, **config}) as server:
        Connect(HttpService(url=server.url), patience_seconds=0).create("c", {"a": "1"}, "STOPPED")
        assert server.requests[-1] == "PUT /connectors/c/config"
    with serving(there) as server, pytest.raises(ConflictError):
        Connect(HttpService(url=server.url), patience_seconds=0).create("c", {"a": "1"}, "STOPPED")

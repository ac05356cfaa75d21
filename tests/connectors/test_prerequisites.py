"""What the checks marked `connectors` judge, both ways; the sessions that read it have tests of their own."""

from __future__ import annotations

from typing import Any, Self, cast

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.clients.connect.validation import FieldError
from cdcproof.connectors import prerequisites
from cdcproof.connectors.prerequisites import logins, rights, topics
from cdcproof.connectors.settings.accounts import Account, accounts
from cdcproof.core.errors import CouldNotLookError, RefusedError, UnreachableError
from cdcproof.databases.contracts.deployment import CaptureState, Needs, Rights
from cdcproof.databases.names import TableName
from cdcproof.findings import Observation, require
from cdcproof.pipeline.model import Pipeline
from tests.connectors.test_accounts import SINK, SOURCE
from tests.connectors.test_capture import POSTGRES
from tests.pipelines import pipeline_of

PIPELINE = pipeline_of("orders", "customers")


def of(*configs: dict[str, str], pipeline: Pipeline = PIPELINE) -> tuple[Account, ...]:
    return accounts({f"c{number}": config for number, config in enumerate(configs)}, pipeline)


def differences(look: Observation) -> dict[str, str]:
    return {s: look.found.get(s, "absent") for s in look.expected if look.found.get(s) != look.expected[s]}


# ---- logins ----


class Plugin:
    """A Connect whose plug-ins find these errors."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors

    def validate(self, _: object) -> tuple[FieldError, ...]:
        return self.errors


def look_in(
    monkeypatch: pytest.MonkeyPatch, refuses: dict[str, Exception], *configs: dict[str, str], plugin: Plugin
) -> Observation:
    """Logins, at databases that refuse these users."""

    class Session:
        def __init__(self, user: str) -> None:
            self.user = user

        def __enter__(self) -> None:
            if self.user in refuses:
                raise refuses[self.user]

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(prerequisites, "open_database", lambda database, *_: Session(database.user))
    return logins(of(*configs), cast(Connect, plugin))


IN_CLEAR = {**SINK, "connection.password": "prerequisites-sink-pw"}


def test_both_accounts_answer_from_the_worker_and_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    look = look_in(monkeypatch, {}, SOURCE, IN_CLEAR, plugin=Plugin())
    assert (
        look.found
        == look.expected
        == dict.fromkeys(["c0, from the worker", "c0, from here", "c1, from here"], "answers")
    )
    assert look.unknown == {}
    require(look)


def test_a_refused_login_is_a_finding_with_the_words_and_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"sink": RefusedError("password authentication failed"), "cdc": RefusedError("Login failed")}
    look = look_in(monkeypatch, refused, SOURCE, IN_CLEAR, plugin=Plugin(FieldError("database.hostname", "FATAL: no")))
    assert differences(look) == dict.fromkeys(look.expected, "refused")
    assert look.details["c0, from the worker"] == "database.hostname: FATAL: no"
    assert look.details["c1, from here"] == "password authentication failed"
    assert look.action == (
        "sqlcmd -S h,1 -d warehouse_source -U cdc -Q 'SELECT 1'",
        "psql -h h -p 1 -d warehouse_target -U sink -c 'SELECT 1'",
    )


def test_a_database_that_does_not_answer_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError):
        look_in(monkeypatch, {"sink": UnreachableError("gone")}, IN_CLEAR, plugin=Plugin())


def test_a_password_that_only_the_worker_knows_is_not_taken_for_a_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {**SOURCE, "database.password": "${vault:a:b}"}
    look = look_in(monkeypatch, {}, hidden, SINK, plugin=Plugin())
    assert look.found == {"c0, from the worker": "answers"}  # its plug-in has logged in
    with pytest.raises(CouldNotLookError, match="Only the worker knows the password of sink of c1"):
        require(look)
    assert look.rows()[-1]["found"] == "could not be seen"


# ---- topics ----


def topics_of(
    *existing: str, source: dict[str, str] | None = None, sink: dict[str, str] | None = None, makes: bool = False
) -> Observation:
    configs = {"source": SOURCE | (source or {}), "sink": SINK | (sink or {})}
    return topics(configs, PIPELINE, existing, lambda: makes)


def test_topics_that_are_there_are_in_order() -> None:
    look = topics_of("t.orders", "t.customers")
    assert look.found == look.expected == {"t.orders": "present", "t.customers": "present"}
    assert look.concerns == {}


def test_a_topic_that_nothing_will_make_is_a_finding() -> None:
    look = topics_of("t.customers")
    assert differences(look) == {"t.orders": "absent"}
    assert look.action == ("kafka-topics --bootstrap-server kafka:9092 --create --topic t.orders",)


@pytest.mark.parametrize("made_by", [{"makes": True}, {"source": {"topic.creation.default.partitions": "1"}}])
def test_a_topic_that_will_be_made_is_a_warning(made_by: Any) -> None:
    look = topics_of("t.customers", **made_by)
    assert differences(look) == {}
    assert look.concerns == {"t.orders": "absent; it will be made with the first record"}


def test_a_topic_that_a_sink_reads_and_no_source_writes_is_a_finding_whoever_could_make_it() -> None:
    look = topics_of("t.orders", sink={"topics": "t.orders,t.mistyped"}, makes=True)
    assert differences(look) == {"t.mistyped": "absent"}


def test_a_pattern_must_match_a_topic_that_is_or_will_be() -> None:
    def pattern(regex: str) -> Observation:
        config = {key: value for key, value in SINK.items() if key != "topics"} | {"topics.regex": regex}
        return topics({"source": SOURCE, "sink": config}, PIPELINE, [], lambda: True)

    assert differences(pattern(r"t\.(orders|customers)")) == {}
    assert differences(pattern(r"x\..*")) == {"sink topics.regex": "matches no topic"}


# ---- permissions ----


def test_what_is_missing_and_what_is_too_much_are_told_apart_with_their_statements() -> None:
    told = {
        "c0": Rights(missing={"SELECT on dbo.orders": "GRANT SELECT …;"}),
        "c1": Rights(excessive={"superuser": "ALTER ROLE …;"}),
    }
    missing, excessive = rights(of(SOURCE, SINK), lambda account: told[account.connector])
    assert differences(missing) == {"cdc of c0: SELECT on dbo.orders": "missing"}
    assert missing.action == ("sqlcmd -S h,1 -d warehouse_source -Q 'GRANT SELECT …;'   # as an administrator",)
    assert differences(excessive) == {"sink of c1: superuser": "granted"}
    assert excessive.action == ("psql -h h -p 1 -d warehouse_target -c 'ALTER ROLE …;'   # as an administrator",)


def test_accounts_that_are_as_they_should_be_are_something_to_compare() -> None:
    for look in rights(of(SOURCE, SINK), lambda _: Rights()):
        assert look.found == look.expected == {"cdc of c0": "as needed", "sink of c1": "as needed"}


class StepResult:
    """A database that tells rights, and notes what it was asked."""

    asked: list[tuple[str, Needs]]

    def __init__(self) -> None:
        self.asked = []

    def __enter__(self) -> StepResult:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def catalogue(self) -> Self:
        return self

    def tables(self, schema: str) -> frozenset[TableName]:
        return frozenset({TableName(schema, "customers")})

    def rights(self, account: str, needs: Needs) -> Rights:
        self.asked.append((account, needs))
        return Rights()


def test_postgresql_is_asked_by_the_account_of_the_checks_and_sql_server_by_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[tuple[str, bool]] = []
    told = StepResult()

    def open_database(database: Any, password: object = None) -> StepResult:
        opened.append((database.user, password is not None))
        return told

    monkeypatch.setattr(prerequisites, "open_database", open_database)
    monkeypatch.setattr(prerequisites, "connect_to", lambda _: told)
    source, sink = of(SOURCE, SINK)
    prerequisites.rights_of(source, PIPELINE)
    prerequisites.rights_of(sink, PIPELINE)
    assert opened == [("cdc", True), ("u", False)]
    assert [account for account, _ in told.asked] == ["cdc", "sink"]
    assert told.asked[1][1].write == (TableName("public", "customers"),)


ORDERS = TableName("public", "orders")
PARTS = frozenset(TableName("public", f"orders_{number}") for number in (1, 2))
BY_PARTS = CaptureState({}, {}, partitions={ORDERS: PARTS})


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"table.include.list": r"public\.orders_\d"}, sorted(PARTS)),
        ({"table.include.list": r"public\.orders_\d", "publish.via.partition.root": "true"}, []),
        ({"table.include.list": r"public\.orders", "publish.via.partition.root": "true"}, [ORDERS]),
        ({"table.include.list": r"public\.orders_1,public\.customers"}, [*sorted(PARTS)[:1], TableName("public", "customers")]),
    ],
)  # fmt: skip
def test_the_partitions_that_a_connector_reads_are_asked_for_by_their_own_names(
    settings: dict[str, str], read: list[TableName], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Partitioned(StepResult):
        def capture_state(self, publication: str, slot: str) -> CaptureState:
            assert (publication, slot) == ("p", "s")
            return BY_PARTS

    told = Partitioned()
    monkeypatch.setattr(prerequisites, "open_database", lambda *_: told)
    pipeline = pipeline_of("orders", "customers", source_type="postgresql")
    tables = [t.model_copy(update={"source": f"public.{t.name}"}) for t in pipeline.tables]
    pipeline = pipeline.model_copy(update={"tables": tuple(tables)})
    [source] = of({**POSTGRES, "publication.name": "p", "slot.name": "s", **settings}, pipeline=pipeline)
    prerequisites.rights_of(source, pipeline)
    assert list(told.asked[0][1].read) == read


def test_a_sql_server_account_whose_password_is_unknown_is_not_judged() -> None:
    [source] = of({**SOURCE, "database.password": "${vault:a:b}"})
    with pytest.raises(CouldNotLookError, match="only the worker knows its password"):
        prerequisites.rights_of(source, PIPELINE)


def test_of_a_sql_server_account_whose_password_is_unknown_only_its_login_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Seen(StepResult):
        def obstacles(self, account: str, *, writes: bool) -> dict[str, str]:
            return {f"login of {account}, {writes}": "# a new password"}

    monkeypatch.setattr(prerequisites, "open_database", lambda *_: Seen())
    [source] = of({**SOURCE, "database.password": "${vault:a:b}"})
    look, _ = rights([source], lambda account: prerequisites.obstacles_of(account, PIPELINE))
    assert differences(look) == {"cdc of c0: login of cdc, False": "missing"}
    assert look.action == ("# a new password",)

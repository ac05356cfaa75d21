import http.server
import socket
import socketserver
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from cdcproof.core.errors import ConfigError, CouldNotLookError, UnreachableError
from cdcproof.core.secrets import known
from cdcproof.environments import endpoints, greetings
from cdcproof.environments.endpoints import probe
from cdcproof.environments.live import Live
from cdcproof.pipeline.model import Pipeline
from tests.engine import container, engine_with, made_by_compose
from tests.pipelines import pipeline_of
from tests.tds_server import tds_server

pytest_plugins = ["tests.postgres_server"]


@pytest.fixture
def a_short_wait(monkeypatch):
    """For what never answers."""
    monkeypatch.setattr(endpoints, "_STEP_TIMEOUT_SECONDS", 0.3)


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


@contextmanager
def listening():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@contextmanager
def speaking(answer: bytes | None):
    """A server that answers whatever it is sent, or hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            heard.append(self.request.recv(1000))
            if answer:
                self.request.sendall(answer)

    heard: list[bytes] = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], heard
        server.shutdown()


@contextmanager
def answering(status: int, **headers: str):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for header in headers.items():
                self.send_header(*header)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def pipeline_with(*services: dict[str, str], **more: object) -> Pipeline:
    return pipeline_of("customers", services=[{"role": "kafka", **s} for s in services], **more)


def look(*services: dict[str, str]):
    return Live().services(pipeline_with(*services))


def test_a_port_of_which_no_answer_is_known_is_up_and_says_nothing_about_health():
    with listening() as port:
        (found,) = look({"name": "x", "role": "monitoring", "endpoint": f"tcp://127.0.0.1:{port}"})

    assert (found.up, found.healthy, found.verdict) == (True, None, "up")


@pytest.mark.usefixtures("a_short_wait")
@pytest.mark.parametrize("role", ["kafka", "zookeeper", "source", "target", "connect", "registry"])
def test_a_server_that_accepts_and_stands_still_is_not_healthy(role):
    with listening() as port:
        (found,) = look({"name": "x", "role": role, "endpoint": f"tcp://127.0.0.1:{port}"})

    assert (found.up, found.healthy) == (True, False)
    assert "accepts connections, but does not answer" in found.detail


@pytest.mark.parametrize("role", ["kafka", "zookeeper", "source", "target", "connect", "registry"])
@pytest.mark.parametrize(("answer", "healthy"), [(b"N", True), (None, None)])
def test_a_server_that_reacts_is_up_and_healthy_if_it_says_anything(role, answer, healthy):
    with speaking(answer) as (port, heard):
        (found,) = look({"name": "x", "role": role, "endpoint": f"tcp://127.0.0.1:{port}"})

    assert (found.verdict, found.healthy) == ("up", healthy)
    assert len(heard[0]) >= 4


def test_microsofts_protocol_is_answered():
    with tds_server(lambda *_: None) as server:
        assert probe(f"tcp://127.0.0.1:{server.port}", greetings.SQLSERVER).healthy is True


def test_postgresql_answers_and_keeps_it_out_of_its_log(postgres_servers):
    server = postgres_servers.source
    before = server.log.read_text()
    assert probe(f"tcp://127.0.0.1:{server.port}", greetings.POSTGRESQL).healthy is True
    assert server.log.read_text() == before


def test_a_closed_port_is_down():
    with listening() as port:
        pass
    (found,) = look({"name": "kafka", "endpoint": f"tcp://127.0.0.1:{port}"})

    assert found.verdict == "down"
    assert "connection refused" in found.detail


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, "up"), (404, "up"), (401, "up"), (500, "up, unhealthy"), (503, "up, unhealthy")]
)
def test_an_http_answer_below_500_is_healthy(status, verdict):
    with answering(status) as port:
        (found,) = look({"name": "connect", "endpoint": f"http://127.0.0.1:{port}/connectors?x=1"})

    assert found.verdict == verdict
    assert str(status) in found.detail


def test_a_copy_that_a_cache_kept_says_nothing_of_the_service():
    with answering(200, Age="90") as port:
        (found,) = look({"name": "connect", "endpoint": f"http://127.0.0.1:{port}/"})

    assert found.verdict == "up, unhealthy"
    assert found.detail == f"http://127.0.0.1:{port}/ was not asked: a cache before it sent a copy that is 90 s old"


@pytest.mark.usefixtures("a_short_wait")
def test_a_service_that_accepts_and_never_answers_is_down():
    with listening() as port:
        (found,) = look({"name": "connect", "endpoint": f"http://127.0.0.1:{port}/"})

    assert found.verdict == "down"
    assert "no answer in time" in found.detail


def test_something_else_behind_an_http_address_is_unhealthy():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        (found,) = look({"name": "connect", "endpoint": f"http://127.0.0.1:{server.getsockname()[1]}/"})

    assert found.verdict == "up, unhealthy"
    assert "does not speak HTTP" in found.detail


def test_a_name_that_cannot_be_resolved_is_down():
    (found,) = look({"name": "kafka", "endpoint": "tcp://no-such-host.invalid:9092"})

    assert found.verdict == "down"


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:99999", "http://127.0.0.1:99999/", "http://a..b/"])
def test_an_address_that_cannot_be_one_is_down(endpoint):
    (found,) = look({"name": "kafka", "endpoint": endpoint})

    assert found.verdict == "down"
    assert "is no address" in found.detail


@pytest.mark.usefixtures("a_short_wait")
def test_services_are_told_in_the_order_of_the_file():
    with listening() as port:
        found = look(
            {"name": "b", "endpoint": f"tcp://127.0.0.1:{port}"}, {"name": "a", "endpoint": f"tcp://127.0.0.1:{port}"}
        )

    assert [service.name for service in found] == ["b", "a"]


def test_a_service_that_cannot_be_looked_at_is_an_error_in_the_file():
    with pytest.raises(ConfigError, match="zookeeper has neither a container nor an endpoint"):
        look({"name": "zookeeper"})


def test_containers_are_asked_of_the_engine(monkeypatch):
    containers = (
        container("kafka"),
        container("connect", Health={"Status": "unhealthy"}),
        container("registry", Status="exited", ExitCode=137),
    )
    with engine_with(*containers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        found = look(*({"name": name, "container": name} for name in ("kafka", "connect", "registry", "zookeeper")))

    assert [service.verdict for service in found] == ["up", "up, unhealthy", "down", "down"]
    assert "exit status 137" in found[2].detail
    assert found[3].detail == "the container engine knows no container zookeeper"
    assert found[0].restarts_24h is not None
    assert found[0].uptime_seconds > 0
    assert found[2].uptime_seconds is None


@pytest.mark.usefixtures("no_engine", "a_short_wait")
def test_without_an_engine_the_endpoint_decides_and_says_so():
    with listening() as port:
        (found,) = look({"name": "kafka", "container": "kafka", "endpoint": f"tcp://127.0.0.1:{port}"})

    assert found.up
    assert found.restarts_24h is None
    assert "the container engine could not be asked" in found.detail


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_and_an_endpoint_nothing_is_known():
    with pytest.raises(CouldNotLookError, match="kafka could not be looked at"):
        look({"name": "kafka", "container": "kafka"}, {"name": "connect", "endpoint": "tcp://127.0.0.1:1"})


@pytest.mark.usefixtures("no_engine")
def test_a_log_needs_a_container_and_an_engine():
    with pytest.raises(CouldNotLookError, match="names no container") as caught:
        Live().logs(pipeline_with({"name": "kafka", "endpoint": "tcp://k:9092"}), "kafka")
    assert "journalctl -u kafka" in caught.value.remedy

    with pytest.raises(UnreachableError):
        Live().logs(pipeline_with({"name": "kafka", "container": "kafka"}), "kafka")


def test_a_log_is_the_containers_and_redacted(monkeypatch):
    # the engine's framing of a stream: stdout, length 24
    log = b"\x01\x00\x00\x00\x00\x00\x00\x18" + b"password=hunter22-secret"
    with engine_with(container("broker-1"), answers={"/containers/broker-1/logs": log}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        found = Live().logs(pipeline_with({"name": "kafka", "container": "broker-1"}), "kafka")

    assert found == "password=[redacted]"


def test_a_log_is_asked_for_since_a_moment(monkeypatch):
    asked = []

    def answer(query):
        asked.append(query)
        return b"\x01\x00\x00\x00\x00\x00\x00\x08Read me\n"

    with engine_with(container("broker-1"), answers={"/containers/broker-1/logs": answer}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        pipeline = pipeline_with({"name": "kafka", "container": "broker-1"})
        assert Live().logs(pipeline, "kafka", 7, since=1_795_000_000.0) == "Read me"
        assert Live().logs(pipeline, "kafka", 7) == "Read me"

    assert "tail=7" in asked[0]
    assert "since=1795000000" in asked[0]
    assert "since" not in asked[1]


@pytest.mark.parametrize(("status", "printed"), [(0, "Full thread dump"), (127, "jstack: not found")])
def test_threads_are_asked_of_the_containers_own_jstack(monkeypatch, status, printed):
    known(["canary-password"])
    stream = f"{printed} canary-password".encode()
    frame = b"\x01\x00\x00\x00" + len(stream).to_bytes(4, "big") + stream
    answers = {
        "/containers/broker-1/exec": {"Id": "e1"},
        "/exec/e1/start": frame,
        "/exec/e1/json": {"ExitCode": status},
    }
    with engine_with(container("broker-1"), answers=answers) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        pipeline = pipeline_with({"name": "kafka", "container": "broker-1"})
        if status == 0:
            assert Live().thread_dump(pipeline, "kafka") == "Full thread dump [redacted]"
        else:
            with pytest.raises(
                CouldNotLookError, match=r"jstack in container broker-1 failed with status 127: jstack: not"
            ) as raised:
                Live().thread_dump(pipeline, "kafka")
            assert raised.value.remedy.endswith("docker exec broker-1 kill -QUIT 1, and read its log.")


def test_threads_of_a_service_without_a_container_cannot_be_seen_from_here():
    with pytest.raises(CouldNotLookError, match="names no container"):
        Live().thread_dump(pipeline_with({"name": "kafka", "endpoint": "tcp://k:9092"}), "kafka")


def test_commands_name_the_container():
    live = Live()
    live.locate(pipeline_with({"name": "kafka", "container": "broker-1"}))

    assert live.restart_command("kafka") == ("docker logs broker-1 --tail 50", "docker compose restart kafka")


def test_a_service_known_by_its_address_alone_gets_advice_and_no_docker_command():
    live = Live()
    live.locate(pipeline_with({"name": "kafka", "endpoint": "tcp://k:9092"}))

    commands = live.restart_command("kafka")
    assert len(commands) == 2
    assert all(command.startswith("# ") for command in commands)


def test_the_directories_of_the_file_are_measured(tmp_path):
    pipeline = pipeline_with(
        {"name": "kafka", "endpoint": "tcp://k:9092"}, paths={"volumes": [str(tmp_path)], "backups": str(tmp_path)}
    )

    assert [found.path for found in Live().file_systems(pipeline)] == [str(tmp_path)] * 2


def test_nothing_to_measure_is_no_success():
    with pytest.raises(CouldNotLookError, match="no directory"):
        Live().file_systems(pipeline_with({"name": "kafka", "endpoint": "tcp://k:9092"}))


@pytest.mark.usefixtures("no_engine")
def test_mounts_that_cannot_be_reached_are_no_success_unless_directories_are_named(tmp_path):
    service = {"name": "kafka", "container": "kafka"}
    with pytest.raises(UnreachableError):
        Live().file_systems(pipeline_with(service, paths={"backups": str(tmp_path)}))

    named = pipeline_with(service, paths={"volumes": [str(tmp_path)]})
    assert [found.path for found in Live().file_systems(named)] == [str(tmp_path)]


def test_the_volumes_of_a_stopped_container_are_not_passed_over(monkeypatch):
    with engine_with(container("kafka", Status="exited")) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(CouldNotLookError, match="volumes of kafka cannot be measured while it is exited") as caught:
            Live().file_systems(pipeline_with({"name": "kafka", "container": "kafka"}))

    assert str(Path("/nowhere/volumes/data")) in caught.value.remedy


def test_how_services_are_deployed_is_told_by_their_names(monkeypatch):
    kafka = container("kafka-1")
    kafka["Config"]["Image"] = "confluentinc/cp-kafka:7.9.2"
    with engine_with(kafka) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        pipeline = pipeline_with(
            {"name": "kafka", "container": "kafka-1"},
            {"name": "connect", "container": "gone"},
            {"name": "postgres", "endpoint": "tcp://127.0.0.1:1"},
        )
        found = Live().deployment(pipeline)

    assert {service: settings["image"] for service, settings in found.items()} == {
        "kafka": "confluentinc/cp-kafka:7.9.2"
    }


def test_without_containers_no_engine_is_asked(no_engine):
    assert Live().deployment(pipeline_with({"name": "kafka", "endpoint": "tcp://127.0.0.1:1"})) == {}


def test_a_compose_service_is_looked_at_as_the_container_that_it_is(monkeypatch):
    kafka, connect = made_by_compose("kafka", "proj"), container("cdc-kafka-connect")
    connect["Config"]["Labels"]["com.docker.compose.service"] = "kafka-connect"
    once = made_by_compose("kafka", "proj", 2, **{"com.docker.compose.oneoff": "True"})  # of `docker compose run`
    pipeline = pipeline_with({"name": "kafka", "container": "kafka"}, {"name": "connect", "container": "kafka-connect"})
    live = Live()
    with engine_with(
        kafka, connect, once, answers={"/containers/proj-kafka-1/logs": b"\x01\x00\x00\x00\x00\x00\x00\x08Read me\n"}
    ) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        found = live.services(pipeline)
        assert live.compose_services(pipeline) == {"kafka": "kafka", "connect": "kafka-connect"}
        assert sorted(live.deployment(pipeline)) == ["connect", "kafka"]
        assert "Read me" in live.logs(pipeline, "kafka")

    assert [service.verdict for service in found] == ["up", "up"]
    assert found[0].detail == "container proj-kafka-1 is running, health check: healthy"
    assert live.restart_command("kafka") == ("docker logs proj-kafka-1 --tail 50", "docker compose restart kafka")
    assert live.restart_command("connect") == (
        "docker logs cdc-kafka-connect --tail 50",
        "docker compose restart kafka-connect",
    )


def test_a_compose_service_of_several_containers_is_a_wrong_file_that_names_them_and_not_down(monkeypatch):
    with engine_with(made_by_compose("kafka", "a"), made_by_compose("kafka", "b")) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with pytest.raises(ConfigError) as raised:
            look({"name": "kafka", "container": "kafka"})
        (named,) = look({"name": "kafka", "container": "b-kafka-1"})

    assert "no container is called kafka, and the compose service kafka has several: a-kafka-1, b-kafka-1" in str(
        raised.value
    )
    assert named.verdict == "up"

import json
from datetime import datetime
from pathlib import Path

import pytest

from cdcproof.clients.containers.engine import Engine, Mount, parse_df, read_container, restarts_24h
from cdcproof.core.errors import UnexpectedAnswerError, UnreachableError
from tests.engine import container, engine_with
from tests.trickle import bytewise, sending

DAY = 86_400
NOW = datetime.fromisoformat("2026-11-02T20:00:00Z").timestamp()

DF = """Filesystem     1024-blocks      Used Available Capacity Mounted on
/dev/mapper/vg data   264212000  43000000  81000000      35% /var/lib/my data
overlay                   1000         0      1000       0% /
"""


def test_a_container_is_read_as_the_engine_tells_it():
    found = read_container(container("kafka"))

    assert found.name == "kafka"
    assert found.service == "kafka"
    assert found.running
    assert found.healthy is True
    assert found.started_at == datetime.fromisoformat("2026-11-02T08:00:00.5Z").timestamp()
    assert found.finished_at is None
    assert found.mounts == (Mount("/data", Path("/nowhere/volumes/data")),)


def test_a_container_without_a_health_check_is_neither_healthy_nor_not():
    answer = container("kafka")
    del answer["State"]["Health"]

    assert read_container(answer).healthy is None


@pytest.mark.parametrize("state", ["exited", "paused", "restarting", "created", "dead"])
def test_only_a_running_container_is_running(state):
    assert not read_container(container("kafka", Status=state)).running


def test_a_health_check_that_has_not_passed_yet_is_not_healthy():
    assert read_container(container("kafka", Health={"Status": "starting"})).healthy is False


def test_ports_of_a_stopped_container_are_those_it_will_have():
    assert read_container(container("sqlserver", Status="exited")).published == {1433: 21433}


def test_a_port_chosen_by_the_engine_is_the_one_in_force():
    answer = container("sqlserver")
    answer["HostConfig"]["PortBindings"] = {"1433/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    answer["NetworkSettings"]["Ports"] = {"1433/tcp": [{"HostIp": "127.0.0.1", "HostPort": "49153"}], "8081/tcp": None}

    assert read_container(answer).published == {1433: 49153}


def test_a_description_without_a_state_is_not_understood():
    with pytest.raises(UnexpectedAnswerError, match="'State'"):
        read_container({"Name": "/kafka"})


@pytest.mark.parametrize(
    ("created_days_ago", "started_days_ago", "restart_count", "starts_seen", "expected"),
    [
        (9, 8, 5, 0, 0),  # started before the window: nothing happened in it
        (9, 0.5, 0, 0, 1),  # started in it, and the engine has forgotten the event
        (9, 0.5, 0, 3, 3),
        (0.5, 0.4, 4, 0, 4),  # made in the window: every restart by policy was in it
        (0.5, 0.5, 0, 1, 0),  # its first start is no restart
        (0.5, 0.1, 0, 3, 2),
    ],
)
def test_restarts_are_counted_as_far_as_they_are_known(
    created_days_ago, started_days_ago, restart_count, starts_seen, expected
):
    answer = container("kafka")
    answer["RestartCount"] = restart_count
    answer["Created"] = _told(NOW - created_days_ago * DAY)
    answer["State"]["StartedAt"] = _told(NOW - started_days_ago * DAY)

    assert restarts_24h(read_container(answer), starts_seen, NOW) == expected


def test_a_container_that_never_started_has_no_number_of_restarts():
    never = read_container(container("kafka", Status="created", StartedAt="0001-01-01T00:00:00Z"))

    assert restarts_24h(never, 0, NOW) is None


def test_df_is_read_with_blanks_in_names():
    assert parse_df(DF, 2) == ((264212000, 43000000, 81000000), (1000, 0, 1000))


def test_df_without_inodes_counts_none():
    assert parse_df("Filesystem Inodes IUsed IFree IUse% Mounted on\nvirtiofs - - - - /data\n", 1) == ((0, 0, 0),)


def test_df_that_leaves_out_a_row_is_not_understood():
    with pytest.raises(UnexpectedAnswerError, match="3 paths and gave 2"):
        parse_df(DF, 3)


def test_only_the_containers_asked_for_are_looked_at(monkeypatch):
    # the engine would answer 500 about the other one
    with engine_with(container("kafka"), container("other"), answers={"/containers/other/json": 500}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with Engine() as engine:
            assert list(engine.containers(["kafka", "missing"])) == ["kafka"]


def test_a_container_removed_meanwhile_is_left_out(monkeypatch):
    with engine_with(container("kafka"), answers={"/containers/kafka/json": 404}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with Engine() as engine:
            assert engine.containers(["kafka"]) == {}


def test_an_engine_that_fails_is_not_taken_for_one_without_containers(monkeypatch):
    with engine_with(answers={"/containers/json": 500}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with Engine() as engine, pytest.raises(UnexpectedAnswerError, match="no such thing"):
            engine.containers(["kafka"])


def test_starts_are_counted_by_name(monkeypatch):
    events = b"".join(
        json.dumps({"Actor": {"Attributes": {"name": name}}}).encode() + b"\n"
        for name in ("kafka", "kafka", "postgres")
    )
    with engine_with(answers={"/events": events}) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        with Engine() as engine:
            assert engine.starts(NOW - DAY) == {"kafka": 2, "postgres": 1}


def test_no_engine_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    with pytest.raises(UnreachableError, match="does not answer") as caught:
        Engine()

    assert "DOCKER_HOST" in caught.value.remedy


def test_an_engine_that_answers_byte_by_byte_does_not_answer(monkeypatch):
    with sending(lambda: bytewise(b"HTTP/1.1 200 OK\r\n" * 1000), every_seconds=0.02) as url:
        monkeypatch.setenv("DOCKER_HOST", url.replace("http://", "tcp://"))
        with pytest.raises(UnreachableError, match=r"container engine does not answer: .* not complete after 0\.6 s"):
            Engine(timeout_seconds=0.2)


def _told(time: float) -> str:
    return datetime.fromtimestamp(time).astimezone().isoformat()

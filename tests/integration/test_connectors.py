"""`cdcproof connectors …` on a real pipeline: healthy, with the worker killed in the middle, and undone to equality."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.prometheus import scrape
from cdcproof.connectors.journal import Journal
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors, lifecycle, state
from cdcproof.environments.embedded.data import databases
from cdcproof.environments.embedded.processes import supervision
from tests.integration.conftest import INSTANCE, PASSWORDS, ROOT, Pipelines, eventually

pytestmark = pytest.mark.integration

SINK, SOURCE = connectors.SINK, connectors.SOURCE
QUICK = ("--settle-seconds", "1")


@pytest.fixture
def pipe(pipelines: Pipelines) -> Iterator[Pipelines]:
    """The pipeline; whatever a test leaves behind is mended."""
    yield pipelines
    pipelines.heal()


def call(pipe: Pipelines, *words: str, expect: int = 0) -> str:
    """Run the command; what it printed on stdout."""
    done = pipe.call("cdcproof", "connectors", *words)
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not [secret for secret in PASSWORDS.values() if secret in done.stdout + done.stderr]
    return done.stdout


def told(pipe: Pipelines, *words: str, expect: int = 0) -> Any:
    return json.loads(call(pipe, *words, "--json", expect=expect))


def states(pipe: Pipelines) -> dict[str, str]:
    return pipe.connect.states().states


def offsets(pipe: Pipelines, name: str) -> list[str]:
    """The positions of a connector, but those in the heartbeat's topic, which never rest."""
    told = sorted(json.dumps(offset, sort_keys=True) for offset in pipe.connect.offsets(name))
    return [offset for offset in told if databases.HEARTBEAT not in offset]


def at_rest(pipe: Pipelines) -> tuple[dict[str, str], list[str]]:
    """The sink's configuration and its positions, once it has committed all there is."""
    kafka = Kafka(pipe.located().kafka)
    eventually(
        lambda: [lag.lag_records for lag in kafka.lag(f"connect-{SINK}") if databases.HEARTBEAT not in lag.topic],
        lambda lags: bool(lags) and not any(lags),
        what="the sink to commit what it has done",
    )
    return dict(pipe.connect.states().get(SINK).config), offsets(pipe, SINK)


def replicates(pipe: Pipelines) -> None:
    """A change at the source arrives at the target."""
    databases.source(pipe.instance, "UPDATE public.customers SET notes = md5(random()::text) WHERE customer_id = 1")
    notes = "SELECT notes FROM public.customers WHERE customer_id = 1"
    wanted = databases.source(pipe.instance, notes)
    eventually(lambda: databases.target(pipe.instance, notes) == wanted, what="the change at the target")


def written(folder: Path, pipe: Pipelines, name: str = SINK, **changes: str) -> str:
    """A connector's own file with other settings; ``__`` stands for a dot."""
    config = connectors.config(pipe.instance, name) | {k.replace("__", "."): v for k, v in changes.items()}
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "config": config}))
    return str(path)


def start_connect() -> None:
    """Start the worker again, and nothing else: `up` would also mend the connectors."""
    parts, java = lifecycle._ready(Progress())
    supervision.start(state.running(INSTANCE), ("kafka-connect",), parts, java, Progress())


# ---- on a healthy pipeline ----


def test_looking(pipe: Pipelines, tmp_path: Path) -> None:
    assert {row["name"]: (row["state"], row["running_tasks"]) for row in told(pipe, "list")} == {
        SINK: ("RUNNING", 1),
        SOURCE: ("RUNNING", 1),
    }
    assert {row["state"] for row in told(pipe, "status")} == {"RUNNING"}
    assert told(pipe, "get", SOURCE)["config"] == connectors.config(pipe.instance, SOURCE)
    assert [one["action"] for one in told(pipe, "plan")["connectors"]] == ["nothing", "nothing"]
    assert max(len(line) for line in call(pipe, "status").splitlines()) <= 80

    path = written(tmp_path, pipe, SOURCE)
    assert told(pipe, "validate", path)["valid"]
    path = written(tmp_path, pipe, SOURCE, database__password="a-wrong-pa55word")
    refused = told(pipe, "validate", path, expect=1)
    assert "password authentication failed" in refused["errors"][0]["error"]
    assert "a-wrong-pa55word" not in json.dumps(refused)
    path = written(tmp_path, pipe, SOURCE, snapshot__mode="sometimes")
    assert [error["field"] for error in told(pipe, "validate", path, expect=1)["errors"]] == ["snapshot.mode"]
    assert "1 key differs" in call(pipe, "plan", path, expect=1)


def test_every_act(pipe: Pipelines) -> None:
    for name in (SOURCE, SINK):
        assert told(pipe, "pause", name)["held"]
        assert (states(pipe)[name], states(pipe)[f"{name}/0"]) == ("PAUSED", "PAUSED")
        call(pipe, "resume", name, *QUICK)
        call(pipe, "stop", name)
        assert (states(pipe)[name], states(pipe).get(f"{name}/0")) == ("STOPPED", None)
        call(pipe, "restart", name, expect=1)
        call(pipe, "resume", name, *QUICK)
        call(pipe, "restart", name, *QUICK)
        assert "nothing was restarted" in told(pipe, "restart", name, "--only-failed")["notes"][0]
        replicates(pipe)

    stays = told(pipe, "delete", SINK)["stays"]
    tables = {*databases.TABLES, databases.HEARTBEAT}
    assert {s["name"].rpartition(".")[2] for s in stays if s["kind"] == "topic"} == tables
    assert SINK not in states(pipe)
    assert "to be created" in call(pipe, "plan", expect=1)
    assert told(pipe, "apply", *QUICK)["connectors"][0]["action"] == "create"
    replicates(pipe)


def test_a_failed_task_is_told_and_restarted(pipe: Pipelines) -> None:
    databases.target(pipe.instance, "REVOKE UPDATE ON public.customers FROM sink")
    databases.source(pipe.instance, "UPDATE public.customers SET notes = 'failed' WHERE customer_id = 1")
    eventually(lambda: states(pipe).get(f"{SINK}/0") == "FAILED", what="the sink's task to fail")
    assert "permission denied" in " ".join(call(pipe, "status", expect=1).split())
    again = told(pipe, "restart", SINK, "--only-failed", expect=1)
    assert "permission denied" in again["text"]
    databases.target(pipe.instance, "GRANT UPDATE ON public.customers TO sink")
    call(pipe, "restart", SINK, "--only-failed", *QUICK)
    replicates(pipe)


def test_a_resume_over_a_gap_is_refused(pipe: Pipelines) -> None:
    pipe.forget_the_past()
    call(pipe, "stop", SOURCE)
    settings = pipe.instance, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'"
    databases.source(*settings)
    databases.source(pipe.instance, "SELECT pg_reload_conf()")
    try:
        for _ in range(3):
            databases.source(pipe.instance, "UPDATE public.orders SET comment = comment; SELECT pg_switch_wal();")
        databases.source(pipe.instance, "CHECKPOINT")
        lost = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
        eventually(lambda: databases.source(pipe.instance, lost).strip() == "lost", what="the slot to lose its log")

        done = pipe.call("cdcproof", "connectors", "resume", SOURCE)
        assert done.returncode == 1
        assert (
            "is left STOPPED: resumed, it would go on after a gap. the replication slot cdcproof is gone" in done.stderr
        )
        assert states(pipe)[SOURCE] == "STOPPED"
        also, unseen = ("morning.2-connectors",), ("morning.7-source-lag",)
        step = pipe.assert_only(pipe.morning(), "morning.8-replication-slots", also=also, unseen=unseen)
        assert {d.subject: d.found for d in step.differences} == {"cdcproof": "WAL lost"}
    finally:
        databases.source(pipe.instance, "ALTER SYSTEM RESET max_slot_wal_keep_size")
        databases.source(pipe.instance, "SELECT pg_reload_conf()")
        lifecycle.reset(INSTANCE, Progress())
        lifecycle.kill(INSTANCE, "exporter")  # it goes on with the topics of before; `pipe` starts another one
    replicates(pipe)


# ---- with the worker killed in the middle ----


def test_looking_while_the_worker_is_gone_says_so(pipe: Pipelines, tmp_path: Path) -> None:
    path = written(tmp_path, pipe)
    lifecycle.kill(INSTANCE, "kafka-connect")
    for words in (("list",), ("status",), ("get", SINK), ("plan",), ("validate", path)):
        done = pipe.call("cdcproof", "connectors", *words)
        assert (done.returncode, "connection refused" in done.stderr) == (3, True), done.stderr


KILLED = {
    "pause": (SINK,),
    "resume": (SINK, *QUICK),
    "stop": (SOURCE,),
    "restart": (SOURCE, *QUICK),
    "delete": (SINK,),
    "apply": QUICK,
    "update": (SINK, *QUICK),
    "undo": QUICK,
}


@pytest.mark.parametrize("verb", KILLED)
def test_the_worker_is_killed_in_the_middle(pipe: Pipelines, tmp_path: Path, verb: str) -> None:
    words = [verb, *KILLED[verb]]
    changed = written(tmp_path, pipe, batch__size="1999")
    if verb in ("apply", "update"):
        words.insert(1 if verb == "apply" else 2, changed)
    if verb == "resume":
        call(pipe, "pause", SINK)
    if verb == "undo":
        call(pipe, "apply", changed, *QUICK)
    acts = pipe.located().paths.reports / "acts.log"
    before = acts.read_text() if acts.exists() else ""
    command = subprocess.Popen(
        [sys.executable, "-m", "cdcproof", "connectors", *words],
        cwd=ROOT,
        env=pipe.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: acts.exists() and acts.read_text() != before, what="the first order")
    lifecycle.kill(INSTANCE, "kafka-connect")
    start_connect()
    out, err = command.communicate(timeout=120)

    assert command.returncode == 0, out + err
    expected = {
        "pause": {SINK: "PAUSED", f"{SINK}/0": "PAUSED"},
        "stop": {SOURCE: "STOPPED", f"{SOURCE}/0": None},
        "delete": {SINK: None},
    }.get(verb, dict.fromkeys((SINK, f"{SINK}/0", SOURCE, f"{SOURCE}/0"), "RUNNING"))
    assert {name: states(pipe).get(name) for name in expected} == expected
    config = pipe.connect.states().get(SINK)
    batch = config.config["batch.size"] if config else None
    assert batch == (None if verb == "delete" else "1999" if verb in ("apply", "update") else "2000")
    pipe.heal()
    replicates(pipe)


# ---- broken deployments ----


def as_it_was(pipe: Pipelines, before: dict[str, str], positions: list[str]) -> None:
    assert dict(pipe.connect.states().get(SINK).config) == before
    assert offsets(pipe, SINK) == positions
    assert [one["action"] for one in told(pipe, "plan")["connectors"]] == ["nothing", "nothing"]


def test_a_broken_configuration_is_undone_to_equality(pipe: Pipelines, tmp_path: Path) -> None:
    before, positions = at_rest(pipe)
    counted = scrape(pipe.located().exporters.connect_url).labelled("connector_deployments_total", "status")

    path = written(tmp_path, pipe, connection__password="wrong-pa55word-1")
    done = pipe.call("cdcproof", "connectors", "apply", path)
    assert done.returncode == 1
    assert "password authentication failed" in " ".join(done.stdout.split())
    assert "wrong-pa55word-1" not in done.stdout + done.stderr
    [undone] = told(pipe, "undo", *QUICK)["connectors"]
    assert (undone["name"], undone["action"], undone["status"]) == (SINK, "restore", "success")

    as_it_was(pipe, before, positions)
    replicates(pipe)
    now = scrape(pipe.located().exporters.connect_url).labelled("connector_deployments_total", "status")
    assert now == {"failure": counted["failure"] + 1, "success": counted["success"] + 1}


def test_rows_that_a_broken_configuration_skipped_come_after_all(pipe: Pipelines, tmp_path: Path) -> None:
    """It tolerates what it cannot read: RUNNING throughout, the positions move on, and the rows do not arrive."""
    before = dict(pipe.connect.states().get(SINK).config)
    blind = {"value__converter": "org.apache.kafka.connect.json.JsonConverter", "errors__tolerance": "all"}
    call(pipe, "apply", written(tmp_path, pipe, **blind), *QUICK)
    moved = offsets(pipe, SINK)
    databases.source(pipe.instance, "UPDATE public.customers SET notes = 'skipped?' WHERE customer_id <= 10")
    eventually(lambda: offsets(pipe, SINK) != moved, what="the sink to skip the rows", seconds=70)
    skipped = "SELECT count(*) FROM public.customers WHERE notes = 'skipped?'"
    assert databases.target(pipe.instance, skipped).strip() == "0"

    [undone] = told(pipe, "undo", *QUICK)["connectors"]
    assert "delivered again" in undone["notes"][0]
    assert dict(pipe.connect.states().get(SINK).config) == before
    eventually(lambda: databases.target(pipe.instance, skipped).strip() == "10", what="the rows at the target")


def test_a_created_connector_is_taken_away_again(pipe: Pipelines, tmp_path: Path) -> None:
    before = states(pipe)
    path = tmp_path / "new.json"
    config = connectors.config(pipe.instance, SINK) | {"collection.name.format": "copy_${source.table}"}
    path.write_text(json.dumps({"name": "copying-sink", "config": config}))
    call(pipe, "apply", str(path), *QUICK)
    assert states(pipe)["copying-sink/0"] == "RUNNING"
    [undone] = told(pipe, "undo")["connectors"]
    assert (undone["action"], undone["status"]) == ("delete", "success")
    assert states(pipe) == before
    databases.target(pipe.instance, f"DROP TABLE {', '.join(f'public.copy_{table}' for table in databases.TABLES)}")


def test_a_source_is_undone_and_its_position_is_not_set_back_before_its_slot(pipe: Pipelines, tmp_path: Path) -> None:
    def committed() -> int:
        return max(int(offset["offset"].get("lsn_commit", 0)) for offset in pipe.connect.offsets(SOURCE))

    def slot() -> int:
        starts = "SELECT restart_lsn - '0/0' FROM pg_replication_slots WHERE slot_name = 'cdcproof'"
        return int(databases.source(pipe.instance, starts))

    before = dict(pipe.connect.states().get(SOURCE).config)
    replicates(pipe)
    eventually(committed, what="a committed position")
    call(pipe, "apply", written(tmp_path, pipe, SOURCE, poll__interval__ms="60"), *QUICK)
    was = Journal.of(pipe.located()).to_undo().changes[0].before.offsets
    assert was
    databases.source(pipe.instance, "SELECT pg_switch_wal(); CHECKPOINT;")
    replicates(pipe)
    eventually(lambda: slot() > was[0]["offset"]["lsn_commit"], what="the slot to move on")

    [undone] = told(pipe, "undo", *QUICK)["connectors"]
    assert undone["status"] == "success"
    assert "the slot cdcproof keeps the log from" in undone["notes"][0]
    assert pipe.connect.states().get(SOURCE).config == before
    assert committed() >= slot()
    replicates(pipe)


def test_an_apply_that_is_killed_can_be_undone(pipe: Pipelines, tmp_path: Path) -> None:
    before, positions = at_rest(pipe)
    path = written(tmp_path, pipe, batch__size="1999")
    command = subprocess.Popen(
        [sys.executable, "-m", "cdcproof", "connectors", "apply", path],
        cwd=ROOT,
        env=pipe.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: pipe.connect.states().get(SINK).config["batch.size"] == "1999", what="the new configuration")
    command.kill()
    command.wait()
    call(pipe, "undo", *QUICK)
    as_it_was(pipe, before, positions)


def test_what_somebody_changed_since_is_not_undone(pipe: Pipelines, tmp_path: Path) -> None:
    call(pipe, "apply", written(tmp_path, pipe, batch__size="1999"), *QUICK)
    pipe.connect.put_config(SINK, connectors.config(pipe.instance, SINK) | {"batch.size": "1998"})
    done = pipe.call("cdcproof", "connectors", "undo")
    assert (done.returncode, "it differs in batch.size" in done.stderr) == (1, True)
    assert pipe.connect.states().get(SINK).config["batch.size"] == "1998"


# ---- a snapshot ----


@pytest.fixture
def anew(pipe: Pipelines) -> Iterator[Pipelines]:
    """The pipeline for a snapshot; it has its few rows again afterwards."""
    yield pipe
    lifecycle.reset(INSTANCE, Progress())
    lifecycle.kill(INSTANCE, "exporter")


def unread(pipe: Pipelines, *amount: int) -> None:
    """So many rows at the source and none at the target; the source connector is stopped and knows no position."""
    call(pipe, "stop", SOURCE)
    pipe.connect.reset_offsets(SOURCE)
    databases.insert_rows(pipe.instance, databases.Amount(*amount))
    databases.target(pipe.instance, f"TRUNCATE {', '.join(f'public.{table}' for table in databases.TABLES)}")


def followed(pipe: Pipelines) -> subprocess.Popen[str]:
    """The command at work: it has begun to count the source's rows."""
    call(pipe, "resume", SOURCE, *QUICK)
    command = subprocess.Popen(
        [sys.executable, "-m", "cdcproof", "connectors", "snapshot", SOURCE, "--json"],
        cwd=ROOT,
        env=pipe.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stderr
    assert "counting the rows at the source" in command.stderr.readline()
    return command


def is_whole(pipe: Pipelines, command: subprocess.Popen[str], rows: int) -> None:
    out, err = command.communicate(timeout=1200)
    assert command.returncode == 0, out + err
    assert "streams" in err
    counts = databases.counts(pipe.instance, "source")
    assert sum(counts.values()) == rows
    compared = {table["table"]: (table["source_rows"], table["target_rows"]) for table in json.loads(out)["tables"]}
    assert compared == {table: (count, count) for table, count in counts.items()}


def test_a_snapshot_of_60_000_rows_is_followed_to_its_end(anew: Pipelines) -> None:
    unread(anew, 4_000, 1_000, 26_000, 24_000)
    is_whole(anew, followed(anew), 60_000)
    assert states(anew)[f"{SOURCE}/0"] == "RUNNING"


def test_a_snapshot_is_followed_over_the_death_of_its_worker(anew: Pipelines) -> None:
    unread(anew, 6_000, 1_000, 6_000, 6_000)
    command = followed(anew)
    rows = "SELECT count(*) FROM public.customers"
    eventually(lambda: int(databases.target(anew.instance, rows)) > 0, what="the first rows", seconds=60)
    lifecycle.kill(INSTANCE, "kafka-connect")
    start_connect()
    is_whole(anew, command, 24_000)


def test_a_snapshot_that_fails_and_begins_anew_for_ever_is_a_failure(anew: Pipelines) -> None:
    """Every state is RUNNING while Debezium tries again and again to read a table that it may not."""
    unread(anew, 20, 10, 40, 30)
    databases.source(anew.instance, "REVOKE SELECT ON public.shipments FROM cdc")
    try:
        anew.connect.resume(SOURCE)
        done = anew.call("cdcproof", "connectors", "snapshot", SOURCE)
        assert set(states(anew).values()) == {"RUNNING"}
    finally:
        databases.source(anew.instance, "GRANT SELECT ON public.shipments TO cdc")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "begins its snapshot again and again" in done.stderr

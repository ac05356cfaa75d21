"""A backup under writes, and each restore of it: to equality by itself, or to just the difference that it says it leaves."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.backup import run as backup
from cdcproof.backup.parts.positions import SinkStep, SourceStep
from cdcproof.backup.restore import connectors as restore_connectors
from cdcproof.backup.restore import run as restore
from cdcproof.backup.restore.run import Outcome
from cdcproof.clients.kafka.client import Kafka
from cdcproof.clients.kafka.dead_letters import Record
from cdcproof.clients.kafka.writes import KafkaWriter
from cdcproof.core.errors import UsageError
from cdcproof.core.progress import Progress
from cdcproof.environments.embedded import connectors
from cdcproof.environments.embedded.data import databases
from cdcproof.findings import Verdict
from tests.backup.made import committed
from tests.integration.conftest import ROOT, Pipelines, eventually

pytestmark = pytest.mark.integration
FIRST = 700_000
"""Our customers' numbers begin here."""


class Writer:
    """Writes to the source all the time: each customer is inserted, changed, and every third deleted again."""

    def __init__(self, pipelines: Pipelines) -> None:
        self.pipelines = pipelines
        self.number = FIRST
        self._lock = threading.Lock()

    def write(self) -> int:
        """One more; its number."""
        with self._lock:
            self.number += 1
            number = self.number
        databases.source(
            self.pipelines.instance,
            f"INSERT INTO customers (customer_id, name, email) VALUES ({number}, 'x', 'x@example.com');"
            f"UPDATE customers SET name = 'changed' WHERE customer_id = {number};"
            + (f"DELETE FROM customers WHERE customer_id = {number};" if number % 3 == 0 else ""),
        )
        return number

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While the block runs, and once at least."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                self.write()

        thread = threading.Thread(target=work)
        self.write()
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def writer(pipelines: Pipelines) -> Iterator[Writer]:
    pipelines.heal()
    yield Writer(pipelines)
    for run in (databases.source, databases.target):
        run(pipelines.instance, f"DELETE FROM customers WHERE customer_id > {FIRST}")
    for run in (databases.source, databases.target):
        for name in run(
            pipelines.instance, "SELECT datname FROM pg_database WHERE datname LIKE '%\\_before\\_%'"
        ).split():
            run(pipelines.instance, f'DROP DATABASE "{name}"')
    eventually(lambda: ours(pipelines, "target") == set(), what="the target to follow")
    pipelines.heal()


@pytest.fixture(scope="module")
def kept(pipelines: Pipelines, writer: Writer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A backup that was made while the source was written to."""
    directory = tmp_path_factory.mktemp("backups")
    request = backup.Request(pipelines.located(), ROOT / "fixtures/pipelines/embedded.toml", directory, keep_days=7)
    with writer.writing():
        outcome = backup.run(request, Progress())
    assert outcome.failures == ()
    assert outcome.manifest is not None
    assert set(outcome.manifest.parts) == {"connectors", "offsets", "registry", "pipeline"}
    return directory, outcome.manifest.timestamp


def ours(pipelines: Pipelines, side: str) -> set[int]:
    run = databases.source if side == "source" else databases.target
    found = run(pipelines.instance, f"SELECT customer_id FROM customers WHERE customer_id > {FIRST}")
    return {int(line) for line in found.split()}


def restored(
    pipelines: Pipelines, kept: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, **options: object
) -> Outcome:
    monkeypatch.setattr(restore_connectors, "_SETTLE_SECONDS", 1.0)
    request = restore.Request(pipelines.located(), *kept, **options)  # type: ignore[arg-type]
    outcome = restore.run(request, Progress())
    assert outcome.failures == ()
    return outcome


def reconciled(pipelines: Pipelines) -> str:
    """What a comparison of all contents says, in-flight changes waited for."""
    done = pipelines.call("cdcproof", "reconcile", "--pipeline", "embedded", "--validate-checksums")
    return done.stdout


def assert_equal(pipelines: Pipelines) -> None:
    found = reconciled(pipelines)
    assert "0 MISMATCH, 0 ERROR, 5 MATCH" in found, found


def steps(outcome: Outcome) -> tuple[SourceStep, SinkStep]:
    assert outcome.plan is not None
    assert outcome.plan.decision is not None
    return outcome.plan.decision.source, outcome.plan.decision.sink


def test_a_night_without_a_backup_of_ours_is_made_up_for_by_the_command(pipelines: Pipelines, tmp_path: Path) -> None:
    """Nobody backs an embedded pipeline up, so the file calls it live."""
    text = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    file = tmp_path / "p.toml"
    file.write_text(text.replace('environment = "embedded"', 'environment = "live"'))
    directory = pipelines.instance.folders.backups
    for earlier in directory.glob("embedded_*"):
        shutil.rmtree(earlier)
    stale = committed(directory, "embedded", datetime.now(UTC) - timedelta(days=3))
    options = (f"--pipeline={file}", "--env=embedded", "-k", "newest_backups")

    red = pipelines.morning(*options)
    commands = [command for command in red.step("morning.5-backups").action if not command.startswith("#")]
    done = [pipelines.paste(command) for command in commands]
    green = pipelines.morning(*options)

    assert red.verdicts() == {"morning.5-backups": Verdict.FAILED}, red.output
    assert [difference.subject for difference in red.step("morning.5-backups").differences] == [str(stale.folder)]
    assert [one.returncode for one in done] == [0, 0], done
    assert stale.folder.is_dir()
    assert green.verdicts() == {"morning.5-backups": Verdict.PASSED}, green.output


def test_a_running_pipeline_is_refused(pipelines: Pipelines, kept: tuple[Path, str]) -> None:
    before = ours(pipelines, "target")
    with pytest.raises(UsageError, match="The pipeline runs"):
        restore.run(restore.Request(pipelines.located(), *kept), Progress())
    assert ours(pipelines, "target") >= before


def test_a_restored_target_is_given_what_came_since(
    pipelines: Pipelines, kept: tuple[Path, str], writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(9):
        writer.write()
    eventually(lambda: ours(pipelines, "target") == ours(pipelines, "source"), what="the target to follow")
    with writer.writing():
        outcome = restored(pipelines, kept, monkeypatch, database="warehouse_target", stop_connectors=True)

    assert steps(outcome) == (SourceStep.KEEP, SinkStep.REWIND)
    assert_equal(pipelines)


def test_connectors_that_connect_has_lost_go_on_where_they_were(
    pipelines: Pipelines, kept: tuple[Path, str], writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (connectors.SOURCE, connectors.SINK):
        pipelines.connect.delete(name)
    last = writer.write()
    outcome = restored(pipelines, kept, monkeypatch, connectors_only=True)

    assert outcome.plan is not None
    assert set(outcome.plan.lost) == {connectors.SOURCE, connectors.SINK}
    eventually(lambda: last % 3 == 0 or last in ours(pipelines, "target"), what="the row written meanwhile")
    assert_equal(pipelines)


def test_a_restored_source_leaves_rows_of_the_lost_future_and_says_so(
    pipelines: Pipelines, kept: tuple[Path, str], writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {number for number in (writer.write() for _ in range(3)) if number % 3}
    eventually(lambda: lost <= ours(pipelines, "target"), what="the target to follow")
    outcome = restored(pipelines, kept, monkeypatch, database="warehouse_source", stop_connectors=True)

    assert steps(outcome) == (SourceStep.RESET, SinkStep.KEEP)
    assert outcome.plan is not None
    assert outcome.plan.decision is not None
    assert "the target still has it" in outcome.plan.decision.lost
    new = writer.write()
    eventually(lambda: new % 3 == 0 or new in ours(pipelines, "target"), what="a new row, after the snapshot")
    extra = ours(pipelines, "target") - ours(pipelines, "source")
    assert extra
    found = reconciled(pipelines)
    assert "1 MISMATCH, 0 ERROR, 4 MATCH" in found
    for number in extra:
        databases.target(pipelines.instance, f"DELETE FROM customers WHERE customer_id = {number}")
    assert_equal(pipelines)


def test_both_go_back_to_one_moment_and_no_event_of_the_lost_future_is_written(
    pipelines: Pipelines, kept: tuple[Path, str], writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {number for number in (writer.write() for _ in range(3)) if number % 3}
    outcome = restored(pipelines, kept, monkeypatch, stop_connectors=True)

    assert steps(outcome) == (SourceStep.RESET, SinkStep.TO_ENDS)
    new = writer.write()
    eventually(lambda: new % 3 == 0 or new in ours(pipelines, "target"), what="a new row, after the snapshot")
    extra = ours(pipelines, "target") - ours(pipelines, "source")
    assert not lost & ours(pipelines, "target")
    assert all(number % 3 == 0 for number in extra)  # deleted at the source between the two dumps
    for number in extra:
        databases.target(pipelines.instance, f"DELETE FROM customers WHERE customer_id = {number}")
    assert_equal(pipelines)


def test_a_schema_history_comes_back_in_an_empty_topic_as_it_was(pipelines: Pipelines) -> None:
    """This source has none, so that a topic of our own stands for it."""
    cluster = pipelines.located().kafka
    topic = "test.schema-history"
    records = tuple(
        Record(
            (topic, 0),
            number,
            b"key" if number % 2 else None,
            f'{{"ddl": {number}}}'.encode(),
            {"h": "v"} if number else {},
        )
        for number in range(3)
    )
    writer = KafkaWriter(cluster)
    writer.create_topic(topic, restore_connectors._HISTORY_SETTINGS)
    assert writer.append(records) == 3
    assert Kafka(cluster).every_record(topic) == records
    (state,) = Kafka(cluster).topic_states({topic})
    writer._client().delete_topics([topic])[topic].result(10)
    assert (len(state.partitions), state.settings["cleanup.policy"], state.settings["retention.ms"]) == (
        1,
        "delete",
        "-1",
    )

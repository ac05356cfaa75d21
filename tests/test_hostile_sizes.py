"""A file of a gigabyte where one of ours should be is refused by its size, by name, and is never called something else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cdcproof.backup import manifest
from cdcproof.backup.inspection import good_backups
from cdcproof.clients.kafka import session
from cdcproof.clients.object_store.uploads import Uploads
from cdcproof.connectors.deployment import definition
from cdcproof.connectors.settings import accounts
from cdcproof.core import tls
from cdcproof.core.errors import CdcproofError, CouldNotLookError, UnexpectedAnswerError
from cdcproof.core.waiting import Deadline
from cdcproof.evidence import recording, time_zone
from cdcproof.maintenance.journal import Actor, Journal
from cdcproof.monitoring.exporter import totals
from cdcproof.observations.weeks import recovery_drill
from cdcproof.pipeline import model
from cdcproof.reconcile.report import result
from cdcproof.reporting import journal
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.change import change_file
from tests.core.test_bounded import sparse
from tests.pipelines import pipeline_of
from tests.trickle import sending

SIZE = 2**30
SAID = f"it has {SIZE:,} bytes"

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a report of a reconciliation": ("reconciliation_report_20260101_000000.json", result.read),
    "the latest run": ("latest.json", lambda path: journal.latest(path.parent)),
    "a recording": ("x.jsonl", recording.read),
    "the exporter's totals": ("totals.json", lambda path: totals.load(path, "warehouse")),
    "the pipeline file": ("pipeline.toml", model.load),
    "a declared change": ("change.toml", change_file.load),
    "a connector's file": ("connector.json", definition.read),
    "a baseline": ("baseline.json", baseline.load),
    "a backup's manifest": ("manifest.json", lambda path: manifest.read(path.parent)),
    "a window's journal": ("journal.jsonl", lambda path: Journal(path.parent, Actor("me", "here", 1)).entries()),
    "a drill's record": ("drill.json", lambda path: recovery_drill.read(path.parent, "warehouse")),
    "certificates": ("ca.pem", lambda path: tls.context(path, "ca_file")),
    "a backup's log": (
        "backup_20260101_000000.log",
        lambda path: good_backups(pipeline_of("orders", paths={"backups": str(path.parent)}), time.time()),
    ),
}


@pytest.mark.parametrize("what", READERS)
def test_a_file_of_a_gigabyte_is_refused_by_its_size(tmp_path: Path, what: str) -> None:
    name, read = READERS[what]
    path = sparse(tmp_path / name, SIZE)
    with pytest.raises(CdcproofError) as caught:
        read(path)
    assert SAID in caught.value.message
    assert str(path) in f"{caught.value}"


def test_a_password_is_not_looked_for_in_what_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("# of the sink\npassword=hidden=1\n")
    found = accounts.password_of(f"${{file:{tmp_path / 'secrets'}:password}}")
    assert found is not None
    assert found.reveal() == "hidden=1"
    assert accounts.password_of("${file:/dev/zero:password}") is None
    assert accounts.password_of(f"${{file:{sparse(tmp_path / 'large', SIZE)}:password}}") is None


def test_a_time_zone_is_not_read_from_what_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":/dev/zero")
    assert time_zone.here().startswith("<")


@pytest.mark.parametrize("place", ["../outside", "a/../../outside", "/etc/passwd"])
@pytest.mark.parametrize("key", ["files", "parts"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(tmp_path: Path, place: str, key: str) -> None:
    files = f'[{{"path": "{place}", "size_bytes": 1, "sha256": ""}}]' if key == "files" else "[]"
    parts = f'{{"offsets": "{place}"}}' if key == "parts" else "{}"
    text = (
        '{"format": 1, "name": "w", "pipeline": "w", "timestamp": "", "started_at": "", "finished_at": "", "version": "", '
        f'"kafka_cluster": "", "databases": [], "parts": {parts}, "files": {files}}}'
    )
    with pytest.raises(CdcproofError, match=f"{place} lies outside of the backup"):
        manifest.parse(text, tmp_path / "manifest.json")


_PEAK = """
import sys
from pathlib import Path
from cdcproof.clients.http import Http
from cdcproof.core.errors import CouldNotLookError
from cdcproof.reconcile.report import result
def peak():  # ru_maxrss would be that of the process that made this one, where that is larger
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
for read in (lambda: result.read(Path(sys.argv[1])), lambda: Http("Metrics", sys.argv[2]).get_text("/metrics")):
    try:
        read()
        sys.exit("it was read")
    except CouldNotLookError as error:
        print(error.message)
print((peak() - before) // 1024)
"""


def test_neither_a_report_of_a_gigabyte_nor_500_mb_of_metrics_take_memory(tmp_path: Path) -> None:
    def page() -> Iterator[bytes]:
        return chain([b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n"], repeat(b"metric 1\n" * 7_000, 8_000))

    with sending(page) as url:
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(sparse(tmp_path / "report.json", SIZE)), url],
            capture_output=True,
            text=True,
            check=True,
        )
    report, metrics, mebibytes = done.stdout.splitlines()
    assert SAID in report
    assert "answered with more than 16 MiB" in metrics
    assert int(mebibytes) < 64


def test_what_is_too_large_is_no_run_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="There is no report of a run"):
        journal.latest(tmp_path)
    (tmp_path / "latest.json").write_text("[" * 100_000)
    with pytest.raises(CouldNotLookError, match=r"latest\.json is no report of a run"):
        journal.latest(tmp_path)


class _Endless:
    """The body of an object of a store that sends for ever."""

    def read(self, size: int) -> bytes:
        return bytes(size)


def test_an_object_that_is_longer_than_its_manifest_says_is_not_kept(tmp_path: Path) -> None:
    client = SimpleNamespace(get_object=lambda **_: {"Body": _Endless()})
    store: Any = SimpleNamespace(place="s3://b", bucket="b", ask=lambda question: question(client))
    with pytest.raises(UnexpectedAnswerError, match="s3://b: w/dump has more than the 1,000 bytes that it may have"):
        Uploads(store).get("w/dump", tmp_path / "dump", 1000)
    with pytest.raises(UnexpectedAnswerError, match=r"w/manifest\.json has more than the 67,108,864 bytes"):
        Uploads(store).read("w/manifest.json")


class _Consumer:
    """A consumer of a topic whose records have a megabyte each."""

    def __init__(self, _: object) -> None:
        self._next = 0

    def assign(self, _: object) -> None:
        pass

    def poll(self, _: float) -> object:
        offset, self._next = self._next, self._next + 1
        answers = {"topic": "history", "partition": 0, "offset": offset, "key": None, "value": b"x" * 2**20}
        return SimpleNamespace(
            error=lambda: None, headers=list, **{name: lambda one=one: one for name, one in answers.items()}
        )

    def close(self) -> None:
        pass


def test_a_topic_of_records_without_end_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "Consumer", _Consumer)
    monkeypatch.setattr(session, "_MOST_RECORDS_BYTES", 2**23)
    kafka = session.Session(model.Kafka(bootstrap_servers="localhost:9092"))
    with pytest.raises(UnexpectedAnswerError, match="The records of history at localhost:9092 have more than 8 MiB"):
        kafka._records({("history", 0): 0}, {("history", 0): 1000}, Deadline(60))
    assert len(kafka._records({("history", 0): 0}, {("history", 0): 8}, Deadline(60))) == 8

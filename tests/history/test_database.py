"""The history file: several processes at once, SIGKILL in the middle, and files that are none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Verdict
from cdcproof.history import database
from cdcproof.history.entries import CHECKS, CheckResult, Entry, Measure

ROOT = Path(__file__).parents[2]
LOOKS = 200
WRITER = f"""
import sys
from pathlib import Path
from cdcproof.findings import Verdict
from cdcproof.history import database
from cdcproof.history.entries import CHECKS, Entry, CheckResult, Measure

results = tuple(CheckResult(f"morning.{{n}}-it", Verdict.PASSED, 0.5, 0) for n in range({LOOKS}))
for number in range(int(sys.argv[3])):
    entry = Entry("p", CHECKS, sys.argv[2], "GREEN", float(number), 1.0, results, (Measure("m", "s", float(number)),))
    database.add(Path(sys.argv[1]), entry, 400)
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports/history.sqlite3"


def entry(at: float, pipeline: str = "p", **more: object) -> Entry:
    return Entry(pipeline, CHECKS, "morning", "GREEN", at, 1.5, **more)  # type: ignore[arg-type]


def test_what_was_kept_is_read_in_order(path: Path) -> None:
    results = (
        CheckResult("morning.1-it", Verdict.NOT_CHECKED, 0.25, 3),
        CheckResult("morning.2-it", Verdict.PASSED, 0.5, 0),
    )
    one, two = entry(2.0, results=results, measures=(Measure("lag_seconds", "é", 1.5),)), entry(1.0)
    for each in (one, two, entry(3.0, "other")):
        database.add(path, each, 400)

    assert database.read(path, "p") == (two, one)
    assert database.read(path, "p", since=1.5) == (one,)
    assert database.pipelines(path) == ("other", "p")


def test_what_is_too_old_is_forgotten_with_its_looks_and_of_this_pipeline_only(path: Path) -> None:
    results = (CheckResult("morning.1-it", Verdict.PASSED, 0.25, 0),)
    for each in (entry(0.0, results=results), entry(0.0, "other", results=results), entry(86_400.0), entry(86_401.0)):
        database.add(path, each, 1)

    assert [one.started_at for one in database.read(path, "p")] == [86_400.0, 86_401.0]
    assert len(database.read(path, "other")) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM looks").fetchone() == (1,)


def writers(path: Path, names: str, count: int) -> Iterator[subprocess.Popen[str]]:
    for name in names:
        command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
        yield subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def demand_whole(path: Path) -> dict[str, list[float]]:
    """Writer to the numbers of its runs; each run has all that belongs to it."""
    found: dict[str, list[float]] = {}
    for one in database.read(path, "p"):
        assert (len(one.results), len(one.measures)) == (LOOKS, 1)
        found.setdefault(one.what, []).append(one.started_at)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return found


def test_several_processes_write_at_once_and_none_is_lost(path: Path) -> None:
    """They even begin the file at the same time."""
    running = list(writers(path, "abcd", 10))
    for process in running:
        process.communicate(timeout=60)

    assert [process.returncode for process in running] == [0, 0, 0, 0]
    assert demand_whole(path) == {name: [float(number) for number in range(10)] for name in "abcd"}


def test_a_writer_that_is_killed_leaves_whole_runs_and_no_lock(path: Path) -> None:
    running = list(writers(path, "ab", 100_000))
    acknowledged = {}
    for process, name in zip(running, "ab", strict=True):
        assert process.stdout
        acknowledged[name] = [float(process.stdout.readline()) for _ in range(5)]
    for process in running:
        process.kill()
        process.communicate(timeout=60)

    found = demand_whole(path)
    assert {name: found[name][:5] for name in "ab"} == acknowledged
    database.add(path, entry(5.0), 400)
    assert len(database.read(path, "p")) == sum(map(len, found.values())) + 1


def test_a_reader_sees_what_was_there_while_one_writes(path: Path) -> None:
    database.add(path, entry(1.0), 400)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM runs")

        assert len(database.read(path, "p")) == 1


def test_a_file_that_stays_locked_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_LOCK_SECONDS", 0.05)
    database.add(path, entry(1.0), 400)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(CouldNotLookError, match="locked") as caught:
            database.add(path, entry(2.0), 400)

    assert str(path) in caught.value.message
    assert "Try again" in caught.value.remedy


def test_a_file_that_is_no_database_is_named_and_left_alone(path: Path) -> None:
    content = b"no database, but as long as one" * 100
    path.parent.mkdir()
    path.write_bytes(content)

    for act in (lambda: database.add(path, entry(1.0), 400), lambda: database.read(path, "p")):
        with pytest.raises(CouldNotLookError, match=r"history\.sqlite3") as caught:
            act()
        assert "Move the file away" in caught.value.remedy
    assert path.read_bytes() == content


def test_a_database_of_something_else_or_of_a_later_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    for statement in ("CREATE TABLE theirs (x)", "PRAGMA user_version = 7"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(statement)

        with pytest.raises(CouldNotLookError, match="has the format"):
            database.add(path, entry(1.0), 400)


def test_a_damaged_file_is_named(path: Path) -> None:
    database.add(path, entry(1.0, results=tuple(CheckResult(f"s.{n}", Verdict.PASSED, 1, 0) for n in range(500))), 400)
    content = bytearray(path.read_bytes())
    content[5000:] = b"\xff" * (len(content) - 5000)
    path.write_bytes(content)

    with pytest.raises(CouldNotLookError, match=r"history\.sqlite3"):
        database.read(path, "p")


def test_no_history_yet_is_said(path: Path) -> None:
    with pytest.raises(CouldNotLookError, match="There is no history"):
        database.read(path, "p")
    assert not path.exists()


def test_a_path_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder/history.sqlite3").mkdir(parents=True)

    for path in (tmp_path / "file/history.sqlite3", tmp_path / "folder/history.sqlite3"):
        with pytest.raises(CouldNotLookError, match=r"history\.sqlite3"):
            database.add(path, entry(1.0), 400)


def _filled(path: Path, runs: int, most_bytes: int) -> list[str]:
    results = tuple(CheckResult(f"morning.{number}-it", Verdict.PASSED, 0.5, 0) for number in range(LOOKS))
    return [database.add(path, entry(float(at), results=results), 400, most_bytes) for at in range(runs)]


def test_beyond_its_bound_the_oldest_runs_are_forgotten_and_the_file_stays_as_large(path: Path) -> None:
    said = _filled(path, 60, 200_000)
    assert path.stat().st_size < 300_000
    kept = [one.started_at for one in database.read(path, "p")]
    assert kept == [float(at) for at in range(60 - len(kept), 60)]
    assert 5 < len(kept) < 40
    assert said[0] == ""
    forgotten = next(filter(None, said))
    assert forgotten.startswith(f"The history {path} has no room for more than 0.19")
    assert forgotten.endswith(" oldest runs are forgotten.")


def test_one_run_is_kept_however_large_it_is(path: Path) -> None:
    _filled(path, 2, 1)
    assert [one.started_at for one in database.read(path, "p")] == [1.0]


def test_a_file_that_is_too_large_to_be_ours_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.add(path, entry(1.0), 400)
    monkeypatch.setattr(database, "_MOST_READ_BYTES", 10_000)
    for use in (lambda: database.read(path, "p"), lambda: database.pipelines(path), lambda: _filled(path, 1, 1)):
        with pytest.raises(CouldNotLookError, match=r"none of cdcproof's has more than") as caught:
            use()
        assert "Move the file away" in caught.value.remedy


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE looks SET duration_seconds = 'soon'",
        "UPDATE looks SET differences = 'many'",
        "UPDATE looks SET verdict = 'PERHAPS'",
        "UPDATE measures SET value = 'high'",
        "UPDATE runs SET duration_seconds = 'long'",
    ],
)
def test_a_value_that_is_none_is_an_error_and_no_traceback(path: Path, statement: str) -> None:
    results = (CheckResult("morning.1-it", Verdict.PASSED, 0.25, 0),)
    database.add(path, entry(1.0, results=results, measures=(Measure("lag_seconds", "s", 1.5),)), 400)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(CouldNotLookError, match="cannot be used") as caught:
        database.read(path, "p")
    assert "Move the file away" in caught.value.remedy

"""The history of all runs: one SQLite file, which several processes read and write at the same time.

Write-ahead logging lets readers read while one writes. A run is one transaction, so a process that is killed leaves all of it or nothing.
Not for a network file system: SQLite's locks do not hold there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cdcproof.core.errors import CouldNotLookError
from cdcproof.findings import Verdict
from cdcproof.history.entries import CheckResult, Entry, Measure

FILE = "history.sqlite3"
MOST_BYTES = 64 * 2**20
"""Of what is kept: 40 checks, eight runs a day, take 8 MiB in 400 days. Beyond, the oldest runs of all pipelines are forgotten."""
_MOST_READ_BYTES = 4 * MOST_BYTES
"""What has more is none of ours, and is not read: it is held in memory several times over."""
_FORMAT = 1
_LOCK_SECONDS = 5.0
_DAY_SECONDS = 86_400.0
_SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, kind TEXT NOT NULL, what TEXT NOT NULL, verdict TEXT NOT NULL,
    started_at REAL NOT NULL, duration_seconds REAL NOT NULL
);
CREATE TABLE looks (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, step TEXT NOT NULL, verdict TEXT NOT NULL,
    duration_seconds REAL NOT NULL, differences INTEGER NOT NULL, PRIMARY KEY (run, step)
) WITHOUT ROWID;
CREATE TABLE measures (
    run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, name TEXT NOT NULL, subject TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (run, name, subject)
) WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (pipeline, started_at);
"""


def add(path: Path, entry: Entry, keep_days: float, most_bytes: int = MOST_BYTES) -> str:
    """Keep a run, and forget those that are older than `keep_days` before it, and the oldest where all take more than `most_bytes`.

    Returns what was forgotten for want of room, empty where nothing was. Raises `CouldNotLookError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CouldNotLookError(f"The history {path} cannot be written: {error.strerror}.") from None
    with _opened(path, "rwc") as connection:
        connection.execute("BEGIN IMMEDIATE")
        _prepare(connection, path)
        connection.execute(
            "DELETE FROM runs WHERE pipeline = ? AND started_at < ?",
            (entry.pipeline, entry.started_at - keep_days * _DAY_SECONDS),
        )
        run = connection.execute(
            "INSERT INTO runs (pipeline, kind, what, verdict, started_at, duration_seconds) VALUES (?, ?, ?, ?, ?, ?)",
            (entry.pipeline, entry.kind, entry.what, entry.verdict, entry.started_at, entry.duration_seconds),
        ).lastrowid
        connection.executemany(
            "INSERT INTO looks VALUES (?, ?, ?, ?, ?)",
            [
                (run, result.step, str(result.verdict), result.duration_seconds, result.differences)
                for result in entry.results
            ],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO measures VALUES (?, ?, ?, ?)",
            [(run, one.name, one.subject, one.value) for one in entry.measures],
        )
        forgotten = _forget_oldest(connection, most_bytes)
        connection.execute("COMMIT")
    if not forgotten:
        return ""
    return f"The history {path} has no room for more than {most_bytes / 2**20:g} MiB: its {forgotten} oldest runs are forgotten."


def pipelines(path: Path) -> tuple[str, ...]:
    """The pipelines that have runs here, the one that ran last first. Raises `CouldNotLookError`."""
    with _opened(path, "ro") as connection:
        rows = connection.execute("SELECT pipeline FROM runs GROUP BY pipeline ORDER BY max(started_at) DESC")
        return tuple(str(name) for (name,) in rows)


def read(path: Path, pipeline: str, since: float = 0.0) -> tuple[Entry, ...]:
    """The runs of a pipeline that were started since then, the oldest first. Raises `CouldNotLookError`."""
    with _opened(path, "ro") as connection:
        connection.execute("BEGIN")  # all of it as it is at one moment
        results: dict[int, list[CheckResult]] = {}
        of_these = "FROM {} JOIN runs ON runs.id = run WHERE pipeline = ? AND started_at >= ?"
        for run, step, verdict, duration_seconds, differences in connection.execute(
            f"SELECT run, step, looks.verdict, looks.duration_seconds, differences {of_these.format('looks')}",
            (pipeline, since),
        ):
            result = CheckResult(str(step), Verdict(verdict), float(duration_seconds), int(differences))
            results.setdefault(run, []).append(result)
        measures: dict[int, list[Measure]] = {}
        for run, name, subject, value in connection.execute(
            f"SELECT run, name, subject, value {of_these.format('measures')}",
            (pipeline, since),
        ):
            measures.setdefault(run, []).append(Measure(str(name), str(subject), float(value)))
        runs = connection.execute(
            "SELECT id, kind, what, verdict, started_at, duration_seconds FROM runs "
            "WHERE pipeline = ? AND started_at >= ? ORDER BY started_at, id",
            (pipeline, since),
        )
        return tuple(
            Entry(
                *(pipeline, str(kind), str(what), str(verdict), float(at), float(seconds)),
                tuple(results.get(run, ())),
                tuple(measures.get(run, ())),
            )
            for run, kind, what, verdict, at, seconds in runs
        )


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """A connection without a transaction of its own. What SQLite raises becomes `CouldNotLookError`."""
    connection: sqlite3.Connection | None = None
    try:
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
        connection.execute("PRAGMA foreign_keys = ON")
        _demand_small(connection, path)
        if mode != "ro":
            with suppress(
                sqlite3.OperationalError
            ):  # another process is just doing the same; without it all is as safe, and slower
                connection.execute("PRAGMA journal_mode = WAL")
        if mode == "ro":
            _demand_format(connection, path)
        yield connection
    except (sqlite3.Error, ValueError, TypeError) as error:
        if mode == "ro" and not path.exists():
            raise CouldNotLookError(
                f"There is no history {path} yet.", "Run the checks or a reconciliation first, or name --reports-dir."
            ) from None
        remedy = "Move the file away: a new history is then begun." if _is_broken(error) else "Try again in a moment."
        raise CouldNotLookError(f"The history {path} cannot be used: {error}.", remedy) from None
    finally:
        if connection:
            connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file."""
    if (
        connection.execute("PRAGMA user_version").fetchone()[0]
        or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    ):
        _demand_format(connection, path)
        return
    for statement in filter(str.strip, _SCHEMA.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_FORMAT}")


def _demand_format(connection: sqlite3.Connection, path: Path) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found != _FORMAT:
        raise CouldNotLookError(
            f"The history {path} has the format {found}, and this version of cdcproof reads {_FORMAT}.",
            "Use the version that made it, or move the file away.",
        )


def _forget_oldest(connection: sqlite3.Connection, most_bytes: int) -> int:
    """A tenth of all runs at a time, until the rest has room; the newest stays. Their pages are used again: the file does not shrink."""
    forgotten = 0
    while _used_bytes(connection) > most_bytes:
        runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        if runs < 2:
            break
        few = max(1, runs // 10)
        connection.execute("DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY started_at, id LIMIT ?)", (few,))
        forgotten += few
    return forgotten


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _demand_small(connection: sqlite3.Connection, path: Path) -> None:
    used = _used_bytes(connection)
    if used > _MOST_READ_BYTES:
        raise CouldNotLookError(
            f"The history {path} has {used:,} bytes, and none of cdcproof's has more than {_MOST_READ_BYTES / 2**20:g} MiB.",
            "Move the file away: a new history is then begun.",
        )


def _is_broken(error: Exception) -> bool:
    return not isinstance(error, sqlite3.OperationalError) or "locked" not in str(error)

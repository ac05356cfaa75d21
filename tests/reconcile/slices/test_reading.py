"""What a worker demands before it reads, and what travels to it."""

from __future__ import annotations

import os
import pickle
import socket
from dataclasses import replace

import pytest

from cdcproof.core.errors import RefusedError, UnexpectedAnswerError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.identity import Identity
from cdcproof.databases.table_read import Slice
from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.slices import reading
from cdcproof.reconcile.slices.reading import Place, SliceRead, program, read_slice
from cdcproof.reconcile.slices.store import SliceSums
from tests.reconcile.fake import FakeDatabase
from tests.reconcile.slices.in_memory import ADDRESS, side
from tests.reconcile.slices.test_distribution import _table

HERE = Identity("fake", "fake", "1", "1")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    """The database that a worker's sessions lead to."""
    database = side((1, 5), (2, 6), (3, 7))
    monkeypatch.setattr(reading, "connect", lambda *_, **__: database)
    return database


def _read(**more: object) -> SliceRead:
    place = Place(ADDRESS, HERE, "1")
    whole = SliceRead(
        _table().plan, Slice(2, None), Strategy.PUSH_DOWN, place, place, 60.0, program(Strategy.PUSH_DOWN)
    )
    return replace(whole, **more)  # type: ignore[arg-type]


def test_a_slice_is_read_at_both_sides_and_comes_to_nothing_where_they_are_equal(held: FakeDatabase) -> None:
    held.log_end = 17
    sums = read_slice(_read())
    assert (sums.left, sums.source_rows, sums.target_rows, sums.position) == ((), 2, 2, 17)
    assert sums.began <= sums.ended
    assert sums.worker == f"{socket.gethostname()} (process {os.getpid()})"


def test_another_database_under_the_same_name_is_not_read(held: FakeDatabase) -> None:
    held.is_of = replace(HERE, history="2")
    with pytest.raises(
        UnexpectedAnswerError, match=r"process \d+\): nowhere:1 leads to another database than for who planned the run"
    ):
        read_slice(_read())


def test_a_table_that_was_made_anew_meanwhile_is_not_read(held: FakeDatabase) -> None:
    held.tables_held["t"].number = 2
    with pytest.raises(
        UnexpectedAnswerError,
        match=r"s\.t was made anew, truncated, rewritten or given a column since the run was planned",
    ):
        read_slice(_read())


def test_a_worker_of_another_version_does_not_read(held: FakeDatabase) -> None:
    with pytest.raises(
        UnexpectedAnswerError, match=r"it runs cdcproof .*, and the run was planned by cdcproof 0\.0\.9"
    ):
        read_slice(_read(made_by="cdcproof 0.0.9"))


def test_a_stream_demands_the_same_duckdb() -> None:
    assert "DuckDB" in program(Strategy.STREAM)
    assert "DuckDB" not in program(Strategy.PUSH_DOWN)


def test_a_worker_without_the_password_names_itself_and_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PASSWORD", raising=False)
    with pytest.raises(RefusedError) as caught:
        read_slice(_read())
    assert (
        f"Worker {socket.gethostname()} (process {os.getpid()}): The environment variable NO_PASSWORD"
        in caught.value.message
    )


def test_what_travels_is_small_and_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PASSWORD", "hunter2-hunter2")
    data = pickle.dumps(_read())
    assert pickle.loads(data) == _read()
    assert b"hunter2" not in data
    assert len(data) < 10_000
    sums = SliceSums((), 10, 10, "2026-01-01", "2026-01-01", 5, "w")
    assert len(pickle.dumps(sums)) < 500


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_refuses_to_be_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps({"address": [Secret("hunter2-hunter2")]}, protocol)

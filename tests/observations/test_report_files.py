"""Which report files of a directory are read back, in which order, and what is known of those that prove nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.observations.reconciliation.report_files import ReportFile, read_back
from cdcproof.pipeline.model import Pipeline
from cdcproof.reconcile.report.result import PREFIX, Report, TableResult, TableStatus, write
from tests.pipelines import pipeline_of

NOW = datetime(2026, 3, 10, 6, tzinfo=UTC)
TABLES = ("customers", "orders")


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return pipeline_of(*TABLES, paths={"reconciliation_reports": str(tmp_path)})


def stored(pipeline: Pipeline, finished: datetime, *tables: str, named: datetime | None = None, of: str = "") -> Path:
    """A report of matches; `named` by another time, `of` another pipeline."""
    results = tuple(TableResult(name, TableStatus.MATCH, 10, 10, True) for name in tables or TABLES)
    places = ("sqlserver://h:1/warehouse_source", "postgresql://h:1/warehouse_target")
    made = Report("r", finished.isoformat(), finished.isoformat(), *places, "test", results)
    path = write(replace(made, pipeline=of), pipeline.paths.reconciliation_reports)
    os.utime(path, (finished.timestamp(),) * 2)
    return path.rename(path.with_name(f"{PREFIX}{named:%Y%m%d_%H%M%S}.json")) if named else path


def files(pipeline: Pipeline) -> tuple[ReportFile, ...]:
    return read_back(pipeline, NOW, pipeline.paths.reconciliation_reports)


def ago(**time: float) -> datetime:
    return NOW - timedelta(**time)


def test_a_clock_may_be_ahead_by_so_much_when_a_report_is_read_and_when_it_was_written(pipeline: Pipeline) -> None:
    slack = pipeline.thresholds.clock_skew_seconds
    stored(pipeline, NOW + timedelta(seconds=slack))
    at = ago(minutes=5)
    os.utime(stored(pipeline, at), (at.timestamp() - slack,) * 2)
    stored(pipeline, ago(minutes=9))
    assert [file.counts for file in files(pipeline)] == [True, True, True]


def test_a_report_from_the_future_is_shown_with_its_file_and_its_content(pipeline: Pipeline) -> None:
    ahead = stored(pipeline, NOW + timedelta(hours=3))
    was_ahead = stored(pipeline, ago(minutes=5))
    os.utime(was_ahead, (ago(hours=2).timestamp(),) * 2)
    found = files(pipeline)
    assert [file.path for file in found] == [ahead, was_ahead]
    assert all(file.is_ahead and file.report and not file.counts for file in found)


def test_what_cannot_be_read_is_named_and_is_of_when_it_was_written(pipeline: Pipeline) -> None:
    too_large = stored(pipeline, ago(minutes=9))
    with too_large.open("wb") as file:
        file.truncate(2**30)
    os.utime(too_large, (ago(minutes=9).timestamp(),) * 2)
    gone = too_large.with_name(f"{PREFIX}20260310_055959.json")
    gone.symlink_to("nowhere")
    broken = stored(pipeline, ago(minutes=4))
    broken.write_text("{")
    os.utime(broken, (ago(minutes=4).timestamp(),) * 2)

    found = {file.path: file for file in files(pipeline)}

    assert found[too_large].unread
    assert (found[too_large].problem, found[too_large].at) == ("it could not be read", ago(minutes=9))
    assert (found[gone].report, found[gone].at) == (None, NOW)
    assert found[broken].problem.startswith("not a whole report: ")
    assert str(broken) not in found[broken].problem


def test_of_one_second_the_later_number_comes_first(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [stored(pipeline, ago(minutes=5)) for _ in range(2)]

    def listed(_: Path) -> Iterator[Path]:
        return iter(both)

    monkeypatch.setattr(Path, "iterdir", listed)
    assert [file.path for file in files(pipeline)] == both[::-1]


def test_a_directory_that_may_not_be_listed_is_not_an_empty_one(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(
        CouldNotLookError, match=r"^The reconciliation reports in .* cannot be read: .*Permission denied"
    ):
        files(pipeline)


def test_a_run_of_a_day_in_another_zone_may_have_ended_after_one_that_began_later(pipeline: Pipeline) -> None:
    proven = stored(pipeline, ago(hours=1))
    late = stored(pipeline, ago(minutes=2), named=ago(hours=32))
    older = stored(pipeline, ago(hours=40))
    assert [file.path for file in files(pipeline)] == [late, proven]
    assert older.exists()


def test_a_name_that_is_no_time_is_read_whatever_is_proven(pipeline: Pipeline) -> None:
    proven = stored(pipeline, ago(hours=1))
    path = stored(pipeline, ago(hours=50))
    odd = path.rename(path.with_name(f"{PREFIX}20260099_000000.json"))
    assert [file.path for file in files(pipeline)] == [proven, odd]


def test_what_another_pipeline_or_another_table_proves_ends_no_reading(pipeline: Pipeline) -> None:
    foreign = stored(pipeline, ago(minutes=5), of="other")
    others = stored(pipeline, ago(minutes=9), "customers", "returns")
    own = stored(pipeline, ago(days=4))
    assert [file.path for file in files(pipeline)] == [foreign, others, own]
    assert files(pipeline)[0].foreign

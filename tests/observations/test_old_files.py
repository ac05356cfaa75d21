from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdcproof.observations.backups.old_files import OldFile, old_backups, old_reports
from cdcproof.reconcile.report.history import Seen, finished, history
from cdcproof.reconcile.report.result import Report, Scrubbed, TableResult, TableStatus

NOW = datetime(2026, 11, 29, 6, tzinfo=UTC)
DAY = timedelta(days=1)


def file(path: str, days: float, size: int = 100) -> OldFile:
    changed = int((NOW - days * DAY).timestamp() * 1e9)
    return OldFile(path, 1, changed, size, 4096 if size else 0)


def report(days: float, *results: TableResult, pipeline: str = "warehouse", source: str = "s") -> Report:
    at = (NOW - days * DAY).isoformat()
    return Report("r", at, at, source, "t", "test", results, pipeline=pipeline)


def result(table: str, word: str, days: float = 0) -> TableResult:
    """``match``, ``counted``, ``mismatch``, ``error``, or ``scrub``: parts, the oldest proven so many days before now."""
    if word == "scrub":
        proven = (NOW - days * DAY).isoformat()
        return TableResult(table, TableStatus.MATCH, 1, 1, True, scrubbed=Scrubbed(0, "feed", 1, 2, 0, proven))
    status, checksums = {
        "match": (TableStatus.MATCH, True),
        "counted": (TableStatus.MATCH, None),
        "mismatch": (TableStatus.MISMATCH, False),
        "error": (TableStatus.ERROR, None),
    }[word]
    return TableResult(table, status, 1, 1, checksums)


def judged(
    reports: dict[str, Report], *more: OldFile, ages: dict[str, float] | None = None
) -> tuple[set[str], set[str]]:
    files = [file(name, (ages or {}).get(name, (NOW - finished(r)) / DAY)) for name, r in reports.items()]
    found = old_reports([*files, *more], reports, NOW.timestamp(), 90)
    return {f.path for f in found.removable}, set(found.kept)


def test_only_what_is_older_goes() -> None:
    reports = {f"r{d}.json": report(d, result("a", "match")) for d in (1, 90, 91, 300)}

    assert judged(reports) == ({"r91.json", "r300.json"}, set())


def test_the_last_report_of_a_table_stays_however_old_it_is() -> None:
    reports = {
        "r1.json": report(1, result("a", "match")),
        "r200.json": report(200, result("a", "match"), result("b", "match")),
        "r300.json": report(300, result("b", "match")),
    }

    assert judged(reports) == ({"r300.json"}, {"r200.json"})


def test_a_page_goes_and_stays_with_its_report() -> None:
    reports = {"r200.json": report(200, result("a", "match")), "r300.json": report(300, result("a", "match"))}

    assert judged(reports, file("r200.html", 200), file("r300.html", 300), file("r400.html", 400)) == (
        {"r300.json", "r300.html", "r400.html"},
        {"r200.json", "r200.html"},
    )


def test_a_difference_that_stands_stays_although_rows_were_counted_since() -> None:
    reports = {
        "r1.json": report(1, result("a", "counted")),
        "r200.json": report(200, result("a", "mismatch")),
        "r300.json": report(300, result("a", "match")),
    }

    removable, kept = judged(reports)

    assert "r200.json" in kept
    assert removable <= {"r300.json"}


def test_a_difference_that_stands_stays_although_parts_were_proven_since() -> None:
    """The scrub compared contents, but what it proved is older than the difference."""
    reports = {
        "r1.json": report(1, result("a", "scrub", 250)),
        "r200.json": report(200, result("a", "mismatch")),
        "r300.json": report(300, result("a", "match")),
    }

    assert judged(reports) == ({"r300.json"}, {"r200.json"})


def test_what_resolved_a_difference_stays_while_the_difference_does() -> None:
    """r300 is needed for b; the difference of a in it must not stand again."""
    reports = {
        "r1.json": report(1, result("a", "error")),
        "r200.json": report(200, result("a", "match")),
        "r250.json": report(250, result("a", "match")),
        "r300.json": report(300, result("a", "mismatch"), result("b", "match")),
    }

    removable, kept = judged(reports)

    assert (removable, kept) == (set(), {"r200.json", "r250.json", "r300.json"})


def test_another_pipelines_last_report_stays_too() -> None:
    reports = {
        "r1.json": report(1, result("a", "match")),
        "r200.json": report(200, result("a", "match"), pipeline="other"),
        "r201.json": report(201, result("a", "match"), source="elsewhere"),
        "r202.json": report(202, result("a", "match"), pipeline="other"),
    }

    assert judged(reports) == ({"r202.json"}, {"r200.json", "r201.json"})


def test_a_report_that_was_copied_here_lately_is_not_old_and_one_that_is_not_whole_goes_by_its_age() -> None:
    reports = {"r1.json": report(1, result("a", "match")), "r200.json": report(200, result("a", "match"))}

    assert judged(reports, ages={"r200.json": 2}) == (set(), set())
    assert judged(reports, file("broken.json", 200), ages={"r200.json": 2})[0] == {"broken.json"}


WORDS = st.sampled_from(["match", "counted", "mismatch", "error", "scrub", "absent"])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 400), WORDS, WORDS, st.integers(0, 30), st.sampled_from(["warehouse", ""])),
        max_size=12,
        unique_by=lambda one: one[0],
    )
)
def test_deleting_changes_nothing_that_the_reports_say(runs: list[tuple[int, str, str, int, str]]) -> None:
    """The same newest result, the same comparison of contents, the same standing difference of each table: before and after."""
    reports = {
        f"r{days}.json": report(
            days,
            *(result(t, w, days + older) for t, w in (("a", one), ("b", other)) if w != "absent"),
            pipeline=pipeline,
        )
        for days, one, other, older, pipeline in runs
    }
    removable, _ = judged(reports)

    def told(table: str, names: set[str]) -> object:
        seen = [Seen(r, finished(reports[n])) for n in names for r in reports[n].tables if r.table == table]
        return history(seen)

    for table in ("a", "b"):
        assert told(table, set(reports)) == told(table, set(reports) - removable)


def backups(*files: OldFile, bad: tuple[str, ...] = (), keep: int = 1) -> tuple[list[str], dict[str, str]]:
    found = old_backups(files, lambda path: path not in bad, NOW.timestamp(), 7, keep)
    return [f.path for f in found.removable], found.kept


def test_the_newest_of_each_kind_stays() -> None:
    found, kept = backups(
        file("pg/a_1.gz", 20),
        file("pg/a_2.gz", 10),
        file("pg/b_1.gz", 30),
        file("ms/c_1.bak", 9),
        file("ms/c_2.bak", 1),
    )

    assert found == ["ms/c_1.bak", "pg/a_1.gz"]
    assert set(kept) == {"pg/a_2.gz", "pg/b_1.gz"}


@pytest.mark.parametrize("newer", [file("a_3.gz", 8, size=0), file("a_3.gz", 8)])
def test_a_newest_one_that_is_not_good_does_not_cost_the_last_good_one(newer: OldFile) -> None:
    found, kept = backups(file("a_1.gz", 30), file("a_2.gz", 20), newer, bad=("a_3.gz",) if newer.size_bytes else ())

    assert found == ["a_1.gz"]
    assert kept == {"a_2.gz": "one of the newest good ones of its kind", "a_3.gz": "the newest of its kind"}


def whole(name: str, days: float) -> list[OldFile]:
    return [
        file(f"{name}/postgresql/t.dat", days + 0.1),
        file(f"{name}/SHA256SUMS", days),
        file(f"{name}/manifest.json", days),
    ]


def test_a_backup_with_a_manifest_goes_whole_and_its_manifest_first() -> None:
    found, kept = backups(*whole("w_1", 30), *whole("w_2", 20), *whole("w_3", 10))

    assert found == [
        *("w_1/manifest.json", "w_1/SHA256SUMS", "w_1/postgresql/t.dat"),
        *("w_2/manifest.json", "w_2/SHA256SUMS", "w_2/postgresql/t.dat"),
    ]
    assert set(kept) == {"w_3"}


def test_so_many_of_the_newest_good_ones_stay() -> None:
    found, kept = backups(*(file(f"a_{n}.gz", 40 - n) for n in range(1, 7)), bad=("a_5.gz",), keep=3)

    assert found == ["a_1.gz", "a_2.gz", "a_5.gz"]
    assert set(kept) == {"a_3.gz", "a_4.gz", "a_6.gz"}


def test_a_copy_of_an_old_backup_takes_the_place_of_no_newer_one() -> None:
    """By when they were taken: three good ones stay, and the copy of this morning is none of them. Nor does it go at once."""
    now = datetime(2026, 11, 29, tzinfo=UTC).timestamp()

    def whole(day: int, written_days_ago: float) -> list[OldFile]:
        changed = int((now - written_days_ago * 86_400) * 1e9)
        names = ("manifest.json", "SHA256SUMS", "pg/toc.dat")
        return [OldFile(f"w_202611{day:02}_020000/{name}", 1, changed, 10, 4096) for name in names]

    files = [*whole(1, 0.1), *whole(5, 24), *whole(6, 23), *whole(7, 22), *whole(8, 21)]
    found = old_backups(files, lambda _: True, now, 7, 3)

    assert {file.path.partition("/")[0] for file in found.removable} == {"w_20261105_020000"}
    assert found.kept.keys() == {f"w_2026110{day}_020000" for day in (6, 7, 8)}


def test_an_age_that_is_just_the_limit_is_within_it() -> None:
    reports = {"r89.json": report(89, result("a", "match")), "r90.json": report(90, result("a", "match"))}
    assert judged(reports) == (set(), set())
    assert backups(file("a_1.gz", 7), file("a_2.gz", 1)) == ([], {})
    assert backups(file("a_1.gz", 8), file("a_2.gz", 1)) == (["a_1.gz"], {})


def test_each_report_that_stays_says_why() -> None:
    reports = {
        "r200.json": report(200, result("a", "counted")),
        "r250.json": report(250, result("a", "match"), result("b", "match")),
        "r300.json": report(300, result("b", "match")),
        "r400.json": report(400, result("a", "mismatch"), result("c", "counted")),
        "r500.json": report(500, result("c", "mismatch")),
    }
    files = [*(file(name, (NOW - finished(r)) / DAY) for name, r in reports.items()), file("r200.html", 200)]

    found = old_reports(files, reports, NOW.timestamp(), 90)

    assert found.kept == {
        "r200.html": "the newest report of a",
        "r200.json": "the newest report of a",
        "r250.json": "the newest comparison of contents of a",
        "r400.json": "the newest report of c",
        "r500.json": "the newest comparison of contents of c",
    }
    assert found.freed_bytes == 4096


def test_a_difference_that_stands_says_so() -> None:
    """Parts were proven since, but their oldest proof is older than the difference."""
    reports = {
        "r1.json": report(1, result("a", "scrub", 250)),
        "r200.json": report(200, result("a", "mismatch")),
    }
    files = [file(name, (NOW - finished(r)) / DAY) for name, r in reports.items()]

    assert old_reports(files, reports, NOW.timestamp(), 90).kept == {"r200.json": "the difference that stands of a"}


def test_a_difference_that_is_not_kept_keeps_no_report() -> None:
    reports = {
        "r1.json": report(1, result("a", "match")),
        "r200.json": report(200, result("a", "match")),
        "r300.json": report(300, result("a", "mismatch")),
    }

    assert judged(reports) == ({"r200.json", "r300.json"}, set())


def test_what_resolved_a_difference_up_to_its_very_moment_stays_with_it() -> None:
    """r200's oldest proof is of the moment of the difference, so that it resolved it; r300 stays for b."""
    reports = {
        "r1.json": report(1, result("a", "error")),
        "r100.json": report(100, result("a", "match")),
        "r200.json": report(200, result("a", "scrub", 300)),
        "r300.json": report(300, result("a", "mismatch"), result("b", "match")),
    }

    assert judged(reports) == (set(), {"r100.json", "r200.json", "r300.json"})


def test_a_report_is_as_old_as_its_run_where_its_file_looks_older() -> None:
    reports = {
        "r1.json": report(1, result("a", "match")),
        "r2.json": report(2, result("a", "match")),
        "r3.x/r3.json": report(300, result("b", "match")),
    }

    assert judged(reports, file("r3.x/r3.html", 300), ages={"r2.json": 300}) == (
        set(),
        {"r3.x/r3.html", "r3.x/r3.json"},
    )

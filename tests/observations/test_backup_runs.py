from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import BackupFile
from cdcproof.findings import Finding, Observation, require
from cdcproof.observations.backups.logs import last_run, read, stamp_of
from cdcproof.observations.backups.runs import COMPLETE, FRESH, BackupRuns, GoodBackups, Run

NOW = datetime(2026, 11, 29, 6, tzinfo=UTC).timestamp()
LOG = "2026-11-29 02:00:01 ✓ connectors: 2 connectors\n2026-11-29 02:03:00 ✓ warehouse_20261129_020000: 9 files, verified\n"


def run(stamp: str, hours: float, text: str = LOG) -> Run:
    return Run(f"/b/backup_{stamp}.log", NOW - hours * 3600, read(stamp, text))


def runs(*found: Run, newest_good: str = "20261129_020000") -> BackupRuns:
    return BackupRuns(found, newest_good, NOW, 26, 60)


def test_a_complete_run_of_last_night_is_right() -> None:
    found = runs(run("20261128_020000", 28), run("20261129_020000", 4))

    assert found.found() == found.expected() == {"last run": COMPLETE}
    assert found.failed_before() == {}
    assert [(row["✓"], row["✗"]) for row in found.rows()] == [(2, 0), (2, 0)]


@pytest.mark.parametrize(
    ("last", "newest_good", "word"),
    [
        (run("20261129_020000", 4, LOG + "2026-11-29 02:04:00 ✗ upload: refused\n"), "20261129_020000", "1 failed"),
        (run("20261128_020000", 28), "20261129_020000", "ended 28.0 h ago, and none since"),
        (run("20261129_020000", 4, "starting\n"), "20261129_020000", "nothing succeeded"),
        (run("20261129_020000", 4), "20261128_020000", "it ended early: it left no good backup"),
        (run("20261129_020000", 4), "", "it ended early: it left no good backup"),
        (run("20261129_020000", -61 / 3600), "20261129_020000", "ended in the future: a clock is wrong"),
        (run("20261129_020000", -61 / 3600), "", "ended in the future: a clock is wrong"),
        (run("20261129_020000", -1 / 60), "20261129_020000", COMPLETE),
    ],
)
def test_what_is_wrong_with_the_last_run(last: Run, newest_good: str, word: str) -> None:
    found = runs(run("20261101_020000", 700), last, newest_good=newest_good)

    assert found.found() == {"last run": word}
    assert last.path in found.details()["last run"]


def test_the_first_bad_line_is_shown() -> None:
    last = run("20261129_020000", 4, "✓ a\n✗ b: no space\n✗ c\n")

    assert runs(last).details() == {"last run": f"{last.path}: ✗ b: no space"}


def test_without_a_log_and_while_it_runs_nothing_is_known() -> None:
    with pytest.raises(CouldNotLookError, match="no log"):
        require(runs().observation())
    with pytest.raises(CouldNotLookError, match="may still go on"):
        require(runs(run("20261129_020000", 0.1), newest_good="20261128_020000").observation())


def test_an_earlier_failure_of_the_week_is_a_warning_and_an_older_one_is_none() -> None:
    bad = "✗ target: no answer\n"
    found = runs(run("20261101_020000", 24 * 8, bad), run("20261125_020000", 100, bad), run("20261129_020000", 4))

    assert found.found() == {"last run": COMPLETE}
    assert found.failed_before() == {"/b/backup_20261125_020000.log": "✗ target: no answer"}


def test_the_last_run_of_one_log_is_that_of_the_last_date() -> None:
    old = "2026-11-28 02:00:00 ✗ target\n2026-11-28 02:01:00 ✓ source\n"

    assert last_run(old + LOG).bad == ()
    assert last_run(old + LOG) == read("", LOG)
    assert len(read("", LOG).good) == 2
    assert last_run(LOG + old).bad == ("2026-11-28 02:00:00 ✗ target",)
    assert last_run("[20261128_020000] ✗ a\n[20261129_020000] ✓ b\n").bad == ()


def test_the_stamp_is_the_time_in_a_name() -> None:
    assert stamp_of("w_20261129_020000.sql.gz") == "20261129_020000"
    assert stamp_of("w_120261129_020000") == stamp_of("w_20261129_0200001") == ""


def test_without_dates_the_last_lines_count_as_in_the_runbook() -> None:
    assert last_run("✗ a\n" + "✓ b\n" * 20).bad == ()
    assert last_run("✗ a\n" + "✓ b\n" * 19).bad == ("✗ a",)
    assert last_run("nothing marked\n") == read("", "")


def backups(
    *files: tuple[str, float] | tuple[str, float, int],
    failed: tuple[str, ...] = (),
    damaged: dict[str, str] | None = None,
) -> GoodBackups:
    """Files by path and age in hours, and size."""
    made = tuple(BackupFile(f[0], NOW - f[1] * 3600, f[2] if len(f) == 3 else 100, 4096) for f in files)  # type: ignore[misc]
    return GoodBackups(Path("/b"), made, True, frozenset(failed), NOW, 26, 60, damaged or {})


def folder(name: str, hours: float) -> list[tuple[str, float]]:
    return [(f"{name}/{part}", hours) for part in ("manifest.json", "SHA256SUMS", "postgresql/w/toc.dat")]


def test_a_whole_backup_of_last_night_is_fresh() -> None:
    found = backups(*folder("w_20261128_020000", 28), *folder("w_20261129_020000", 4), (".w.lock", 900), ("x.log", 900))

    assert found.found() == found.expected() == {"/b/w_#_#": FRESH}
    assert found.newest_stamp() == "20261129_020000"
    require(found.observation())


@pytest.mark.parametrize("damaged", [{"w_20261129_020000": "toc.dat has another length"}, {}])
def test_a_newest_one_that_is_not_good_is_not_the_newest_good_one(damaged: dict[str, str]) -> None:
    newest = folder("w_20261129_020000", 4)
    found = backups(
        *folder("w_20261128_020000", 28),
        *(newest if damaged else [f for f in newest if "SUMS" not in f[0]]),
        damaged=damaged,
    )

    assert found.found() == {"/b/w_#_#": "28.0 h old"}
    assert "newest: w_20261129_020000, not good: " in found.details()["/b/w_#_#"]
    assert found.newest_stamp() == "20261128_020000"


def test_a_backup_that_was_copied_is_as_old_as_when_it_was_taken() -> None:
    found = backups(*folder("w_20261126_020000", 1))

    assert found.found() == {"/b/w_#_#": "76.0 h old"}


def test_each_part_must_have_a_good_file() -> None:
    found = backups(
        ("sqlserver/w_20261129_020000.bak", 4),
        ("postgresql/w_20261128_020000.sql.gz", 28),
        ("postgresql/w_20261129_020000.sql.gz", 4, 0),
        ("kafka-connect/c_20261129_020000.json", 4, 0),
    )

    assert found.found() == {
        "/b/kafka-connect": "no good backup",
        "/b/postgresql": "28.0 h old",
        "/b/sqlserver": FRESH,
    }


def test_files_of_a_run_that_failed_are_not_good() -> None:
    found = backups(("pg/w_20261128_020000.gz", 28), ("pg/w_20261129_020000.gz", 4), failed=("20261129_020000",))

    assert found.found() == {"/b/pg": "28.0 h old"}
    assert "a line with ✗" in found.details()["/b/pg"]


def test_a_backup_from_the_future_is_none() -> None:
    assert backups(("w_1.gz", -2)).found() == {"/b": "no good backup"}


def test_no_backup_at_all_is_not_right() -> None:
    for found in (backups(), backups(("x.log", 1))):
        assert found.found() != found.expected()
    with pytest.raises(Finding, match="/b: expected fresh"):
        require(replace(backups(), complete=False).observation())


def test_a_newer_one_that_may_not_have_been_seen_is_not_known() -> None:
    fresh = backups(*folder("w_20261129_020000", 4))

    require(fresh.observation())
    with pytest.raises(CouldNotLookError, match="more files below /b than could be listed"):
        require(replace(fresh, complete=False).observation())


def test_the_last_run_is_judged_and_earlier_failures_are_concerns() -> None:
    bad = "✗ target: no answer\n✗ upload\n"
    found = runs(run("20261122_060000", 168, bad), run("20261129_020000", 26))

    assert found.observation() == Observation(
        {"last run": "complete, and nothing failed"},
        {"last run": "complete, and nothing failed"},
        {"last run": "/b/backup_20261129_020000.log"},
        concerns={"/b/backup_20261122_060000.log": "✗ target: no answer"},
        no_concern="nothing failed",
    )
    assert found.rows() == [
        {"log": "/b/backup_20261122_060000.log", "✓": 0, "✗": 2, "says": "✗ upload"},
        {"log": "/b/backup_20261129_020000.log", "✓": 2, "✗": 0, "says": LOG.splitlines()[1]},
    ]


def test_the_report_has_the_runs_of_a_week_or_the_last_one() -> None:
    assert runs(run("a", 170, "hm"), run("a", 169, "hm"), run("b", 168.1)).rows() == [
        {"log": "/b/backup_b.log", "✓": 2, "✗": 0, "says": LOG.splitlines()[1]}
    ]
    assert runs(run("a", 1, "hm")).rows() == [{"log": "/b/backup_a.log", "✓": 0, "✗": 0, "says": ""}]
    assert runs().rows() == [{"log": "none", "✓": None, "✗": None, "says": None}]


def test_a_failure_of_the_last_run_is_no_earlier_one_and_without_a_run_there_is_nothing() -> None:
    assert runs(run("20261129_020000", 4, "✗ a\n")).failed_before() == {}
    assert (runs().found(), runs().details(), runs().failed_before()) == ({}, {}, {})


def test_a_run_may_go_on_for_an_hour_after_its_last_line() -> None:
    assert runs(run("20261129_050000", 0.99), newest_good="").unknown() == {
        "The backup run of /b/backup_20261129_050000.log may still go on.": "Look again when it has ended."
    }
    assert runs(run("20261129_050000", 1), newest_good="").unknown() == {}
    assert runs(run("20261129_050000", 0.5, "✗ a\n"), newest_good="").unknown() == {}
    assert runs().unknown() == {
        "There is no log of a backup run.": (
            "Backups leave backup_YYYYMMDD_HHMMSS.log in paths.backups; another log is named by paths.backup_log."
        )
    }


def test_a_log_without_a_time_in_its_name_has_no_backup_of_that_time() -> None:
    assert runs(Run("/var/log/backup.log", NOW, read("", LOG)), newest_good="").found() == {"last run": COMPLETE}


def test_the_newest_good_backup_of_each_part_is_judged() -> None:
    newest, before = folder("w_20261129_020000", 4), folder("w_20261128_020000", 28)
    found = replace(
        backups(*before, *newest, ("a.gz", 26), damaged={"w_20261129_020000": "toc.dat is missing"}), complete=False
    )

    assert found.observation() == Observation(
        {"/b": "fresh", "/b/w_#_#": "28.0 h old"},
        {"/b": "fresh", "/b/w_#_#": "fresh"},
        {"/b": "newest: a.gz", "/b/w_#_#": "newest: w_20261129_020000, not good: toc.dat is missing"},
        unknown={
            "There are more files below /b than could be listed in time.": (
                "Delete old backups (cdcproof cleanup backups), or name the directory of the newest ones as paths.backups."
            )
        },
    )
    assert found.rows() == [
        {"part": "/b", "newest": "a.gz", "newest good": "a.gz", "hours old": "26.0"},
        {"part": "/b/w_#_#", "newest": "w_20261129_020000", "newest good": "w_20261128_020000", "hours old": "28.0"},
    ]


def test_a_part_without_a_good_backup_and_a_directory_without_any_have_a_row() -> None:
    empty = backups(("pg/w_1.gz", 4, 0))
    assert empty.rows() == [{"part": "/b/pg", "newest": "pg/w_1.gz", "newest good": "none", "hours old": None}]
    assert (empty.details(), empty.newest_stamp()) == ({"/b/pg": "newest: pg/w_1.gz, not good: it is empty"}, "")
    assert backups().rows() == [{"part": "/b", "newest": "none", "newest good": "none", "hours old": None}]
    assert (backups().found(), backups().expected()) == ({}, {"/b": FRESH})


def test_why_a_backup_is_not_good() -> None:
    def why(*files: tuple[str, float] | tuple[str, float, int], failed: tuple[str, ...] = ()) -> str:
        return next(iter(backups(*files, failed=failed).details().values())).partition(", not good: ")[2]

    unsummed = [one for one in folder("w_20261129_020000", 4) if "SUMS" not in one[0]]
    assert why(*unsummed, ("w_20261129_020000/pg/SHA256SUMS", 4)) == "it has no SHA256SUMS"
    assert why(("w.gz", -61 / 3600)) == "it is from the future: a clock is wrong"
    assert why(("w.gz", -60 / 3600)) == ""
    assert why(("w_20261129_020000.gz", 4), failed=("20261129_020000",)) == "the log of its run has a line with ✗"
    assert why(("w.gz", 4), failed=("20261129_020000",)) == ""


def test_a_folder_with_a_manifest_is_a_part_by_its_own_name_and_files_are_by_their_folder() -> None:
    found = backups(("20261128/pg/w.gz", 28), ("20261129/pg/w.gz", 4), ("theirs/manifest.json", 4), ("w.gz", 4))
    assert [*found.found()] == ["/b", "/b/#", "/b/theirs"]
    assert found.found()["/b/#"] == FRESH


def test_a_backup_is_of_last_night_until_the_limit() -> None:
    assert backups(("w.gz", 26)).found() == {"/b": "fresh"}
    assert backups(("w.gz", 26.1)).found() == {"/b": "26.1 h old"}

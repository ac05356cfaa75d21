from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdcproof.backup.folders import damage
from cdcproof.core.errors import CouldNotLookError
from cdcproof.environments.base import BackupFile
from cdcproof.environments.disk import files_below
from cdcproof.findings import Observation, require
from cdcproof.observations.backups.morning import FRESH, Backups
from cdcproof.remedies.checks import Remedies
from tests.backup.made import committed

NOW = 1_795_000_000.0
ROOT = Path(__file__).parents[2]


def backups(*files: tuple[str, float], size: int = 100, complete: bool = True) -> Backups:
    """Files by path and age in hours."""
    made = tuple(BackupFile(path, NOW - hours * 3600, size, 4096) for path, hours in files)
    return Backups(Path("/b"), made, complete, NOW, 26, 60)


def test_each_folder_must_have_a_fresh_backup() -> None:
    found = backups(("sqlserver/w_20261128_0200.bak", 28), ("postgresql/w_20261129_0200.gz", 4), ("backup.log", 4))

    assert found.found() == {"/b/sqlserver": "28.0 h old", "/b/postgresql": FRESH}
    assert set(found.expected()) == {"/b/sqlserver", "/b/postgresql"}
    assert found.details()["/b/sqlserver"] == "newest: sqlserver/w_20261128_0200.bak"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([("w_1.bak", 30), ("w_2.bak", 25)], FRESH),
        ([("w_1.bak", 30), ("w.log", 1)], "30.0 h old"),
        ([("w_1.bak", -2)], "from the future: a clock is wrong"),
        ([("w_1.bak", 26)], FRESH),
    ],
)
def test_a_directory_without_folders_is_one(files: list[tuple[str, float]], found: str) -> None:
    assert backups(*files).found() == {"/b": found}


def test_a_folder_a_day_is_one_kind() -> None:
    assert backups(("20261127/w.bak", 52), ("20261129/w.bak", 4)).found() == {"/b/20261129": FRESH}


def test_no_backup_at_all_is_not_right() -> None:
    assert backups().found() != backups().expected()
    assert backups(("w.log", 1)).found() != backups(("w.log", 1)).expected()


def test_an_empty_file_is_no_backup() -> None:
    assert backups(("w_1.bak", 1), size=0).found() == {"/b": "an empty file"}


def test_what_was_not_listed_whole_is_not_called_fresh() -> None:
    with pytest.raises(CouldNotLookError):
        require(backups(("w_1.bak", 1), complete=False).observation())


def test_the_newest_of_a_kind_is_never_among_the_old() -> None:
    old = backups(
        ("pg/a_1.gz", 400), ("pg/a_2.gz", 300), ("pg/b_1.gz", 400), ("ms/c_1.bak", 400), ("ms/c_2.bak", 1)
    ).old(7)

    assert (old.count, old.kept) == (2, ("pg/a_2.gz", "pg/b_1.gz"))


def test_the_check_is_red_on_a_night_without_a_backup_and_green_after_one(tmp_path: Path) -> None:
    """The check as it is, on a directory; nothing else of the pipeline is looked at."""
    text = (ROOT / "fixtures/pipelines/embedded.toml").read_text()
    live = text.replace('environment = "embedded"', 'environment = "live"')
    live = live.replace('backups = "backups"', f'backups = "{tmp_path}/backups"')
    assert live != text
    (tmp_path / "p.toml").write_text(live)
    backup = tmp_path / "backups" / "postgresql" / "w_20261127.gz"
    backup.parent.mkdir(parents=True)
    backup.write_text("rows")
    then = time.time() - 30 * 3600
    os.utime(backup, (then, then))

    def check() -> subprocess.CompletedProcess[str]:
        command = [
            "pytest",
            "checks/morning/test_5_backups.py",
            "-p",
            "no:cacheprovider",
            f"--pipeline={tmp_path}/p.toml",
        ]
        command += [f"--reports-dir={tmp_path}/reports"]
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    red = check()
    shutil.copy(backup, backup.with_name("w_20261129.gz"))
    green = check()

    assert (red.returncode, green.returncode) == (1, 0), red.stdout + green.stdout
    assert "30.0 h old" in red.stdout


@pytest.mark.parametrize(
    ("files", "is_mended"),
    [
        ((), True),
        ((("w_20261101_020000/manifest.json", 400),), True),
        ((("w_20261118_020000/manifest.json", 9), ("w_20261101_020000/manifest.json", 400)), True),
        ((("x_20261101_020000/manifest.json", 400),), False),  # of another pipeline
        ((("w_20261201_020000/manifest.json", 0),), False),  # from the future: it stays the newest
        ((("postgresql/w.gz", 30),), False),
        ((("w_20261101_020000/manifest.json", 400), ("postgresql/w.gz", 30)), False),
    ],
)
def test_a_backup_of_our_own_mends_what_only_such_a_one_can(
    files: tuple[tuple[str, float], ...], is_mended: bool
) -> None:
    assert backups(*files).is_mended_by_one_of("w") is is_mended


OWN = ("manifest.json", "SHA256SUMS", "postgresql/w_T/toc.dat", "postgresql/w_T/2605.dat.gz")
# NOW is 2026-11-18 11:06:40 UTC
LAST_NIGHT, BEFORE, WEEKS_AGO = "w_20261118_020000", "w_20261117_020000", "w_20261101_020000"


def own(folder: str, hours: float, *names: str) -> list[tuple[str, float]]:
    return [(f"{folder}/{name}", hours) for name in names or OWN]


def test_our_own_backups_are_each_one_and_as_old_as_their_names_say() -> None:
    assert backups(*own(BEFORE, 33), *own(LAST_NIGHT, 9)).found() == {f"/b/{LAST_NIGHT}": FRESH}
    copied = backups(*own(BEFORE, 0.1))  # a copy is of this minute
    assert copied.found() == {f"/b/{BEFORE}": "33.1 h old"}
    assert copied.found() != copied.expected()
    (row,) = copied.rows()
    assert (row["hours old"], row["size"]) == ("33.1", "400 B")


def test_a_backup_that_is_being_made_or_was_half_deleted_is_none() -> None:
    making = own(f".{LAST_NIGHT}.unfinished", 0.1)
    remnant = own(WEEKS_AGO, 400, *OWN[1:])

    assert backups(*own(BEFORE, 33), *making, *remnant).found() == {f"/b/{BEFORE}": "33.1 h old"}
    assert backups(*making).found() != backups(*making).expected()


def test_a_damaged_backup_is_not_fresh() -> None:
    found = replace(backups(*own(LAST_NIGHT, 9)), damaged={LAST_NIGHT: "toc.dat is missing"})

    assert found.newest_own() == (LAST_NIGHT,)
    assert found.found() == {f"/b/{LAST_NIGHT}": "toc.dat is missing"}


def test_our_newest_backup_is_kept_whole_and_older_ones_go_whole() -> None:
    older = "w_20261025_020000"
    old = backups(*own(older, 580), *own(WEEKS_AGO, 417)).old(7)
    assert (old.count, old.kept, old.kept_folders) == (4, (), (WEEKS_AGO,))


def test_the_runbooks_clean_up_keeps_our_newest_backup_whole(tmp_path: Path) -> None:
    """As it is printed, on files."""
    for name in (WEEKS_AGO, "w_20261025_020000"):
        for file in OWN:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
            os.utime(path, (NOW - 1e6, NOW - 1e6))
    files, _ = files_below(tmp_path)
    old = Backups(tmp_path, files, True, NOW, 26, 60).old(7)
    _, delete = Remedies.free_space(None, old)  # type: ignore[arg-type]

    subprocess.run(["bash", "-c", delete], check=True)

    left = {file.path for file in files_below(tmp_path)[0]}
    assert left == {f"{WEEKS_AGO}/{file}" for file in OWN}


def test_the_check_sees_what_cdcproof_backup_made(tmp_path: Path) -> None:
    taken = datetime.now(UTC) - timedelta(hours=3)
    kept = committed(tmp_path, "w", taken)
    files, complete = files_below(tmp_path)

    found = Backups(tmp_path, files, complete, time.time(), 26, 60)

    assert found.found() == {str(kept.folder): FRESH}
    next(kept.folder.rglob("*.gz")).unlink()
    assert "2605.dat.gz" in damage(kept.folder)


def test_the_newest_backup_of_each_part_is_judged_and_has_a_row() -> None:
    found = replace(backups(("pg/w_1.gz", 26), ("ms/w_1.bak", 26.1), *own(LAST_NIGHT, 9)), complete=False)
    ours = f"/b/{LAST_NIGHT}"

    assert found.observation() == Observation(
        {"/b/pg": "fresh", "/b/ms": "26.1 h old", ours: "fresh"},
        {"/b/pg": "fresh", "/b/ms": "fresh", ours: "fresh"},
        {
            "/b/pg": "newest: pg/w_1.gz",
            "/b/ms": "newest: ms/w_1.bak",
            ours: f"newest: {LAST_NIGHT}/manifest.json",
        },
        unknown={
            "There are more files below /b than could be listed in time.": (
                "Delete old backups, or name the directory of the newest ones as paths.backups."
            )
        },
    )
    assert found.rows() == [
        {"below": "/b/ms", "newest": "ms/w_1.bak", "hours old": "26.1", "size": "100 B"},
        {"below": "/b/pg", "newest": "pg/w_1.gz", "hours old": "26.0", "size": "100 B"},
        {"below": ours, "newest": f"{LAST_NIGHT}/manifest.json", "hours old": "9.1", "size": "400 B"},
    ]
    assert backups().rows() == [{"below": "/b", "newest": "none", "hours old": None, "size": None}]
    assert backups().observation() == Observation({}, {"/b": "fresh"})


def test_a_clock_may_be_ahead_by_so_much() -> None:
    near, ahead = -60 / 3600, -61 / 3600
    assert backups(("w.gz", near)).found() == {"/b": "fresh"}
    assert backups(("w.gz", ahead)).found() == {"/b": "from the future: a clock is wrong"}
    assert backups(("w.gz", near), size=0).found() == {"/b": "an empty file"}
    assert backups(("w.gz", ahead), size=0).found() == {"/b": "from the future: a clock is wrong"}


def test_files_of_a_folder_count_and_those_beside_folders_do_not() -> None:
    assert backups(("notes.txt", 900), ("pg/2026/w.gz", 4), ("pg/old.gz", 900)).found() == {"/b/pg": "fresh"}
    assert backups(("pg/w.log", 900), ("w.gz", 4)).found() == {"/b": "fresh"}
    assert backups(("a.gz", 4), ("b.gz", 4)).details() == {"/b": "newest: b.gz"}


def test_a_limit_of_days_is_of_those_that_are_older_and_frees_what_they_take() -> None:
    week = 7 * 24
    old = backups(("pg/a_1.gz", week + 0.1), ("pg/a_2.gz", week), ("pg/a_3.gz", 1)).old(7)
    assert (old.directory, old.days, old.count, old.size_bytes) == (Path("/b"), 7, 1, 4096)
    assert (old.complete, old.kept, old.kept_folders) == (True, (), ())
    kept = replace(
        backups(("pg/a_1.gz", week), ("ms/b_1.bak", week + 0.1), ("x/y/c.gz", week + 1)), complete=False
    ).old(7)
    assert (kept.count, kept.kept, kept.complete) == (0, ("ms/b_1.bak", "x/y/c.gz"), False)


def test_our_newest_backup_of_each_pipeline_is_kept_and_is_as_old_as_its_copy() -> None:
    old = backups(*own(BEFORE, 200), *own("x_20261101_020000", 400), *own("x_20261026_020000", 550)).old(7)
    assert old.kept_folders == (BEFORE, "x_20261101_020000")
    assert (old.count, old.kept) == (4, ())
    copied = backups(*own(WEEKS_AGO, 1)).old(7)
    assert (copied.count, copied.kept_folders) == (0, ())
    at_limit = backups(*own(WEEKS_AGO, 168)).old(7)
    assert at_limit.kept_folders == ()


def test_a_backup_of_ours_from_the_future_is_not_mended_by_another() -> None:
    # NOW is 2026-11-18 11:06:40 UTC
    assert backups(*own("w_20261118_110740", 40)).is_mended_by_one_of("w")
    assert not backups(*own("w_20261118_110741", 0)).is_mended_by_one_of("w")
    just_made = replace(backups(*own("w_20261118_110740", 0)), damaged={"w_20261118_110740": "toc.dat is missing"})
    assert just_made.found() == {"/b/w_20261118_110740": "toc.dat is missing"}
    assert just_made.is_mended_by_one_of("w")


def test_a_backup_of_ours_in_a_folder_of_the_directory_is_a_file_like_any_other_there() -> None:
    assert backups(*own(f"old/{BEFORE}", 0.1)).found() == {"/b/old": "fresh"}


def test_a_folder_that_lost_its_manifest_is_not_a_part_beside_whole_ones_of_its_pipeline_only() -> None:
    remnant = own("x_20261101_020000", 400, *OWN[1:])
    assert backups(*own(LAST_NIGHT, 9), *remnant).found() == {
        f"/b/{LAST_NIGHT}": "fresh",
        "/b/x_20261101_020000": "400.0 h old",
    }


def test_a_backup_that_lost_its_manifest_last_night_is_not_the_newest() -> None:
    assert backups(*own(BEFORE, 33), *own(LAST_NIGHT, 9, *OWN[1:])).found() == {f"/b/{BEFORE}": "33.1 h old"}


def test_the_newest_file_counts_whatever_its_name_and_however_deep_it_lies() -> None:
    assert backups(("a.gz", 4), ("b.gz", 900)).found() == {"/b": "fresh"}
    assert backups(("pg/x/w.gz", 4), ("pg/y/w.gz", 900)).found() == {"/b/pg": "fresh"}

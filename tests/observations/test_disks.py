"""How full the file systems are, and what a clean-up would free."""

from pathlib import Path

import pytest

from cdcproof.environments.base import FileSystem, Taken
from cdcproof.findings import Finding, Limit, Observation, require_below
from cdcproof.observations.disks import Disks, OldFiles, size

MEBIBYTE = 1024 * 1024


class TestDisks:
    def test_inodes_are_judged_like_space(self):
        disks = Disks((FileSystem("/data", 10, 95, 1, 2),), None)

        with pytest.raises(Finding, match="/data inodes: expected below 80 % used, found 95 % used"):
            require_below(disks.used_percent(), 80, unit="% used")

    def test_a_file_system_without_inodes(self):
        assert Disks((FileSystem("/data", 10, None, 1, 2),), None).used_percent() == {"/data": 10}

    def test_what_the_clean_up_would_free(self):
        disks = Disks((), OldFiles(Path("/var/backups/cdc"), 7, 3, 5 * MEBIBYTE))

        assert disks.clean_up() == "3 files in /var/backups/cdc are older than 7 days: 5.0 MiB"

    def test_what_was_not_counted_to_the_end_is_told_as_at_least(self):
        taken = (Taken("big", 2 * MEBIBYTE, at_least=True), Taken("small", 1024))
        disks = Disks(
            (FileSystem("/data", 10, None, 1, 2, taken),), OldFiles(Path("/b"), 7, 3, MEBIBYTE, complete=False)
        )

        assert [row["size"] for row in disks.biggest()] == ["at least 2.0 MiB", "1.0 KiB"]
        assert disks.clean_up() == "at least 3 files in /b are older than 7 days: at least 1.0 MiB"

    @pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (1536, "1.5 KiB"), (3 * 1024**4, "3.0 TiB")])
    def test_sizes(self, count, told):
        assert size(count) == told

    def test_every_file_system_must_be_below_the_limit_and_should_be_below_the_warning(self):
        disks = Disks((FileSystem("/a", 70, 69.9, 1, 2), FileSystem("/b", 80, None, 1, 2)), None)

        assert disks.observation(80, 70) == Observation(
            {"/a": 70, "/a inodes": 69.9, "/b": 80},
            Limit("below", 80, "% used"),
            concerns={"/a": "70 % used", "/b": "80 % used"},
            no_concern="below 70 % used",
        )

    def test_the_report_has_a_row_for_each_path(self):
        disks = Disks((FileSystem("/a", 69.6, 9.4, 1024, 2048), FileSystem("/b", 80, None, 512, 1023)), None)

        assert disks.rows() == [
            {"path": "/a", "used": "70%", "inodes": "9%", "free": "1.0 KiB", "of": "2.0 KiB"},
            {"path": "/b", "used": "80%", "inodes": None, "free": "512 B", "of": "1023 B"},
        ]

    def test_what_takes_the_space_is_named_with_its_path(self):
        disks = Disks((FileSystem("/a", 10, None, 1, 2, (Taken("logs", 3 * 1024**3),)),), None)

        assert disks.biggest() == [{"below": "/a", "entry": "logs", "size": "3.0 GiB"}]
        assert Disks((), None).biggest() == [{"below": "-", "entry": "nothing", "size": "-"}]
        assert Disks((), None).clean_up() == "this pipeline has no backup directory here"

    def test_old_files_that_were_all_counted_are_told_exactly(self):
        disks = Disks((), OldFiles(Path("/b"), 0.5, 1_234, 1024**2))
        assert disks.clean_up() == "1,234 files in /b are older than 0.5 days: 1.0 MiB"

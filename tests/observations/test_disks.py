"""How full the file systems are, and what a clean-up would free."""

from pathlib import Path

import pytest

from cdcproof.environments.base import FileSystem, Taken
from cdcproof.findings import Finding, require_below
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

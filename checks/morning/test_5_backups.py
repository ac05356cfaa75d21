"""Beyond the runbook's morning: its backup job of 02:00 has made a backup."""

import pytest

from cdcproof.findings import require_equal


@pytest.mark.runbook("morning.5-backups")
def test_the_newest_backups_are_of_last_night(backups, evidence, remedies):
    """The newest backup in each folder of the backup directory is not older than a day and a little."""
    evidence.saw("Newest backups", backups.rows())

    require_equal(
        backups.found(), backups.expected(), details=backups.details(), action=remedies.back_up(backups.directory)
    )
    backups.demand_complete()

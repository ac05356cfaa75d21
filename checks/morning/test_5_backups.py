"""Beyond the runbook's morning: its backup job of 02:00 has made a backup."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.5-backups")
def test_the_newest_backups_are_of_last_night(backups, pipeline, evidence, remedies):
    """The newest backup in each folder of the backup directory is not older than a day and a little."""
    evidence.saw("Newest backups", backups.rows())

    action = remedies.back_up(backups.directory, ours_is_missing=backups.is_mended_by_one_of(pipeline.name))
    require(backups.observation(), action=action)

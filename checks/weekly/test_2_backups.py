"""Runbook, every Monday 2: review backup status."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("weekly.2-backup-log")
def test_the_last_backup_run_was_complete(backup_runs, evidence, remedies, good_backups):
    """The last run of the backup job is of last night, came to its end, and nothing in it failed; nor in the runs of 7 days."""
    evidence.saw("Runs of the backup job in the last 7 days", backup_runs.rows())

    require(backup_runs.observation(), action=remedies.back_up(good_backups.directory))


@pytest.mark.runbook("weekly.2-backup-age")
def test_the_newest_good_backup_is_of_last_night(good_backups, evidence, remedies):
    """The newest good backup of each part of the backup directory is of last night."""
    evidence.saw("Newest good backups", good_backups.rows())

    require(good_backups.observation(), action=remedies.back_up(good_backups.directory))


@pytest.mark.runbook("weekly.2-uploads")
def test_each_day_has_its_backup_in_the_object_store(uploads, evidence, remedies):
    """Each of the last 7 days has a whole backup in the object store, and none is much smaller than a week before."""
    evidence.saw(f"Backups at {uploads.place}", uploads.rows())

    require(uploads.observation(), action=remedies.upload_again(uploads.place, uploads.missing_days()))

"""Runbook, every Monday 2: review backup status."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("weekly.2-backup-log")
def test_the_last_backup_run_was_complete(backup_runs, evidence, remedies, good_backups):
    """The last run of the backup job is of last night, came to its end, and nothing in it failed; nor in the runs of 7 days."""
    evidence.saw("Runs of the backup job in the last 7 days", backup_runs.rows())

    require_equal(
        backup_runs.found(),
        backup_runs.expected(),
        details=backup_runs.details(),
        action=remedies.back_up(good_backups.directory),
    )
    warn_if_any(backup_runs.failed_before(), expected="nothing failed")


@pytest.mark.runbook("weekly.2-backup-age")
def test_the_newest_good_backup_is_of_last_night(good_backups, evidence, remedies):
    """The newest good backup of each part of the backup directory is of last night."""
    evidence.saw("Newest good backups", good_backups.rows())

    require_equal(
        good_backups.found(),
        good_backups.expected(),
        details=good_backups.details(),
        action=remedies.back_up(good_backups.directory),
    )
    good_backups.demand_complete()


@pytest.mark.runbook("weekly.2-uploads")
def test_each_day_has_its_backup_in_the_object_store(uploads, evidence, remedies):
    """Each of the last 7 days has a whole backup in the object store, and none is much smaller than a week before."""
    evidence.saw(f"Backups at {uploads.place}", uploads.rows())

    action = remedies.upload_again(uploads.place, uploads.missing_days())
    require_equal(uploads.found(), uploads.expected(), details=uploads.details(), action=action)
    warn_if_any(uploads.concerns(), expected="as the week before")

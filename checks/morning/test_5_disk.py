"""Runbook, morning health check 5: check disk space."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.5-disk")
def test_disks_have_room(disks, pipeline, evidence, remedies):
    """Data volumes and the backup directory are below their limit, in space and in inodes."""
    limits = pipeline.thresholds
    evidence.saw("File systems", disks.rows())
    evidence.saw("What takes the space", disks.biggest())
    evidence.saw(f"What deleting files older than {limits.backup_keep_days:g} days would free", disks.clean_up())

    action = remedies.free_space(disks.old_files)
    require(disks.observation(limits.disk_fail_percent, limits.disk_warn_percent), action=action, concern_action=action)

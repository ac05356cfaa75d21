"""What is said of SQL Server's capture job, and by the check that looks at it: green, and red on each fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdcproof.databases.deployment.base import CaptureHealth, CaptureJob
from cdcproof.findings import Concern, Finding
from cdcproof.observations.capture_job import CaptureJobs
from cdcproof.operations.remedies import Remedies
from checks.morning.test_7_lag import test_the_log_is_captured as check
from tests.operations.test_remedies import Environment
from tests.pipelines import pipeline_of

CAPTURE = CaptureJob("capture", "cdc.w_capture", enabled=True, running=True, continuous=True, retention_minutes=0)
CLEANUP = CaptureJob(
    "cleanup", "cdc.w's_cleanup", enabled=True, running=False, continuous=False, retention_minutes=4320
)
HEALTH = CaptureHealth("Running", (CAPTURE, CLEANUP), 12.0, 1.0, (), "NOTHING", 20.0)
PIPELINE = pipeline_of("orders")


class Evidence:
    def saw(self, title: str, rows: object) -> None:
        assert title
        assert rows


def looked(unread: dict[str, float] | None = None, **changes: Any) -> dict[str, str]:
    """What the check finds: subject to what it is."""
    jobs = CaptureJobs(replace(HEALTH, **changes), {"c": 0.0} if unread is None else unread)
    try:
        check(jobs, PIPELINE, Evidence(), Remedies(Environment(), PIPELINE, "w"))  # type: ignore[arg-type]
    except Finding as finding:
        return (
            {"action": ""}
            if not finding.action
            else {difference.subject: difference.found for difference in finding.differences}
        )
    return {}


def test_a_log_that_is_captured_is_in_order() -> None:
    assert looked() == {}
    # nothing was captured yet, and a log that is not full may wait for the capture job
    assert looked(captured_seconds=None, latency_seconds=None, log_wait="REPLICATION") == {}
    # a job that does not run all the time need not run now
    assert looked(jobs=(replace(CAPTURE, continuous=False, running=False), CLEANUP)) == {}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ({"agent": "Stopped"}, {"SQL Server Agent": "Stopped"}),
        ({"agent": ""}, {"SQL Server Agent": "absent"}),
        ({"jobs": (replace(CAPTURE, running=False), CLEANUP)}, {"capture job": "not running"}),
        ({"jobs": (replace(CAPTURE, enabled=False), CLEANUP)}, {"capture job": "disabled"}),
        ({"jobs": (replace(CAPTURE, name=""), CLEANUP)}, {"capture job": "absent in msdb.dbo.sysjobs"}),
        ({"jobs": (CLEANUP,)}, {"capture job": "absent"}),
        ({"jobs": (CAPTURE,)}, {"cleanup job": "absent"}),
        ({"jobs": (CAPTURE, replace(CLEANUP, failure="no room"))}, {"cleanup job": "its last run failed"}),
        ({"errors": ("22859: Log Scan failed",)}, {"log scan": "1 errors"}),
        ({"captured_seconds": 3600.0}, {"newest entry": "3,600 s"}),
        ({"captured_seconds": float("nan")}, {"newest entry": "no number (NaN) s"}),
        ({"latency_seconds": 1200.0}, {"latency of the last scan": "1,200 s"}),
        ({"unread": {"c": 65 * 3600.0}}, {"c": "7 h until unread changes are cleaned up"}),
    ],
)  # fmt: skip
def test_each_fault_and_nothing_else_is_red(fault: dict[str, Any], found: dict[str, str]) -> None:
    assert looked(**fault) == found


def test_what_the_server_says_of_a_failure_is_told() -> None:
    failed = replace(
        HEALTH, jobs=(replace(CAPTURE, running=False, failure="no login"), CLEANUP), errors=("1: a", "2: b")
    )
    assert CaptureJobs(failed).details() == {"capture job": "no login", "log scan": "2: b"}


def test_a_log_that_fills_because_it_is_not_read_is_a_concern() -> None:
    jobs = CaptureJobs(replace(HEALTH, log_wait="REPLICATION", log_percent=80.0))
    with pytest.raises(Concern, match="80 % used"):
        check(jobs, PIPELINE, Evidence(), Remedies(Environment(), PIPELINE, "w"))  # type: ignore[arg-type]


def test_the_action_mends_what_was_found() -> None:
    def offered(unread: float = 0, **changes: Any) -> str:
        seen = CaptureJobs(replace(HEALTH, **changes), {"c": unread})
        return "\n".join(Remedies(Environment(), PIPELINE, "w").look_at_capture_job(seen))  # type: ignore[arg-type]

    assert "sp_cdc_start_job @job_type = N" in offered(jobs=(replace(CAPTURE, running=False), CLEANUP))
    assert "sp_cdc_add_job @job_type = N" in offered(jobs=(CAPTURE,))
    disabled = offered(jobs=(CAPTURE, replace(CLEANUP, enabled=False)))
    assert "sp_update_job @job_name = N" in disabled
    assert "cdc.w'\"'\"''\"'\"'s_cleanup" in disabled  # doubled for T-SQL, and each quoted for the shell
    assert "SQL Server Agent" in offered(agent="Stopped")
    assert "@retention = 8640;" in offered(unread=65 * 3600)
    assert "@retention" not in offered()

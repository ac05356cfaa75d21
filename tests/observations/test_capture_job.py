"""What is said of SQL Server's capture job, and by the check that looks at it: green, and red on each fault."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import pytest

from cdcproof.core.errors import CouldNotLookError
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.deployment import CaptureHealth, CaptureJob
from cdcproof.databases.sqlserver.queries import deployment
from cdcproof.databases.sqlserver.queries.catalogue import USER
from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment
from cdcproof.findings import Concern, Finding, Limit, Observation, Verdict
from cdcproof.observations.databases import capture_job_reading as capture_job
from cdcproof.observations.databases.capture_job import CaptureJobs
from cdcproof.pipeline.model import Thresholds
from cdcproof.remedies.checks import Remedies
from cdcproof.reporting.judge import EvidenceBook, judge
from cdcproof.reporting.steps import Step
from checks.morning.test_7_lag import test_the_log_is_captured as check
from tests.pipelines import pipeline_of
from tests.remedies.test_remedies import Environment

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
        return "\n".join(Remedies(Environment(), PIPELINE, "w").databases.look_at_capture_job(seen))  # type: ignore[arg-type]

    assert "sp_cdc_start_job @job_type = N" in offered(jobs=(replace(CAPTURE, running=False), CLEANUP))
    assert "sp_cdc_add_job @job_type = N" in offered(jobs=(CAPTURE,))
    disabled = offered(jobs=(CAPTURE, replace(CLEANUP, enabled=False)))
    assert "sp_update_job @job_name = N" in disabled
    assert "cdc.w'\"'\"''\"'\"'s_cleanup" in disabled  # doubled for T-SQL, and each quoted for the shell
    assert "SQL Server Agent" in offered(agent="Stopped")
    assert "@retention = 8640;" in offered(unread=65 * 3600)
    assert "@retention" not in offered()


class Refusing:
    """A driver's connection whose server refuses one statement, and answers the others as a healthy one does."""

    answers: dict[str, list[tuple[Any, ...]]] = {  # noqa: RUF012  never changed
        deployment.AGENT: [("Running",)],
        deployment.JOBS: [("capture", "cdc.w_capture", 1, 1, 1, 0, None), ("cleanup", "c", 1, 0, 0, 4320, None)],
        deployment.SCANS: [(1, 1, 0, 5, 2)],
        deployment.ERRORS: [],
        deployment.CAPTURED_AGE: [(17,)],
        deployment.LOG_SPACE: [("NOTHING", 12.5)],
        USER: [("shop's",)],
    }

    def __init__(self, error: type[Exception], refused: str, number: int, text: str) -> None:
        self.error, self.refused, self.number, self.text = error, refused, number, text

    def execute(self, statement: str, _: Any) -> Refusing:
        if statement == self.refused:
            told = f"[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{self.text} ({self.number}) (SQLExecDirectW)"
            raise self.error("42000", told)
        self.rows = self.answers[statement]
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def close(self) -> None:
        pass


STATE = "USE master; GRANT VIEW SERVER STATE TO [check's];"
NO_STATE = (300, "VIEW SERVER STATE permission was denied on object 'server', database 'master'.")
JOBS = "USE msdb; IF USER_ID(N'check''s') IS NULL CREATE USER [check's] FOR LOGIN [check's]; " + " ".join(
    f"GRANT SELECT ON dbo.{table} TO [check's];" for table in ("cdc_jobs", "sysjobs", "sysjobactivity", "sysjobhistory")
)


@pytest.mark.parametrize(
    ("refused", "number", "text", "grant"),
    [
        (deployment.AGENT, *NO_STATE, STATE),
        (deployment.SCANS, *NO_STATE, STATE),
        (deployment.ERRORS, *NO_STATE, STATE),
        (deployment.LOG_SPACE, 300, "VIEW SERVER PERFORMANCE STATE permission was denied on object 'server'.", STATE),
        (deployment.JOBS, 229, "The SELECT permission was denied on the object 'sysjobs', database 'msdb', schema 'dbo'.", JOBS),
        (deployment.JOBS, 916, 'The server principal "c" is not able to access the database "msdb".', JOBS),
        (deployment.CAPTURED_AGE, 229, "The SELECT permission was denied on the object 'lsn_time_mapping'.", "GRANT SELECT ON SCHEMA::cdc TO [shop's];"),
        ("nothing", 0, "", ""),
    ],
)  # fmt: skip
def test_a_missing_right_is_not_checked_with_the_command_that_grants_it(
    monkeypatch: pytest.MonkeyPatch, refused: str, number: int, text: str, grant: str
) -> None:
    pyodbc = pytest.importorskip(
        "pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError
    )
    pipeline = PIPELINE.model_copy(update={"source": PIPELINE.source.model_copy(update={"user": "check's"})})
    session = SQLServerDeployment(pipeline.source, Secret("a password"), 30)
    session._connection = Refusing(pyodbc.ProgrammingError, refused, number, text)
    monkeypatch.setattr(SQLServerDeployment, "__enter__", lambda self: self)
    monkeypatch.setattr(capture_job, "open_database", lambda _: session)
    step = Step("morning.7-capture-job", "The log is captured", "critical", (), "here")
    evidence, raised = EvidenceBook(), None
    try:
        seen = capture_job.look((), None, pipeline)  # type: ignore[arg-type]
        check(seen, pipeline, evidence, Remedies(Environment(), pipeline, "w"))  # type: ignore[arg-type]
    except (CouldNotLookError, Finding) as error:
        raised = error
    record = judge(step, raised, evidence, None, started_at=0.0, duration_seconds=0.0)
    if not grant:
        assert record.verdict is Verdict.PASSED
        return
    assert record.verdict is Verdict.NOT_CHECKED
    assert text in record.reason
    (command,) = record.action
    assert shlex.split(command.removesuffix("   # as an administrator"))[-2:] == ["-Q", grant]


def test_the_jobs_then_the_ages_then_the_headroom_are_judged_each_by_its_limit() -> None:
    failing = (replace(CAPTURE, running=False, failure="no login"), replace(CLEANUP, failure="no room"))
    seen = CaptureJobs(
        replace(HEALTH, jobs=failing, errors=("1: a", "2: b"), log_wait="REPLICATION", log_percent=70.0),
        {"c": 66 * 3600.0},
    )
    assert seen.observation(Thresholds(capture_seconds=600, capture_headroom_hours=8)) == Observation(
        {"SQL Server Agent": "Running", "capture job": "not running", "cleanup job": "its last run failed", "log scan": "2 errors"},
        {"SQL Server Agent": "Running", "capture job": "running", "cleanup job": "enabled", "log scan": "without errors"},
        {"capture job": "no login", "cleanup job": "no room", "log scan": "2: b"},
        concerns={"transaction log": "70 % used, kept by REPLICATION"},
        no_concern="a log that can be truncated",
        then=(
            Observation({"newest entry": 12.0, "latency of the last scan": 1.0}, Limit("at most", 600, "s")),
            Observation({"c": 6.0}, Limit("at least", 8, "h until unread changes are cleaned up")),
        ),
    )  # fmt: skip


def test_a_job_that_need_not_run_all_the_time_must_not_have_failed_last_time() -> None:
    scheduled = replace(CAPTURE, continuous=False, running=False, failure="no login")
    assert CaptureJobs(replace(HEALTH, jobs=(scheduled, CLEANUP))).found()["capture job"] == "its last run failed"
    again = replace(scheduled, running=True)
    assert CaptureJobs(replace(HEALTH, jobs=(again, CLEANUP))).found()["capture job"] == "running"


def test_what_was_not_captured_or_read_yet_is_not_measured() -> None:
    idle = CaptureJobs(replace(HEALTH, captured_seconds=None, latency_seconds=None, jobs=(CAPTURE,)), {"c": 0.0})
    assert idle.observation(Thresholds()).then == ()


def test_a_log_that_is_not_full_or_waits_for_something_else_is_no_concern() -> None:
    assert CaptureJobs(replace(HEALTH, log_wait="REPLICATION", log_percent=69.9)).risks() == {}
    assert CaptureJobs(replace(HEALTH, log_wait="LOG_BACKUP", log_percent=99.0)).risks() == {}
    eighty = CaptureJobs(replace(HEALTH, log_wait="REPLICATION", log_percent=79.0), log_limit_percent=80)
    assert eighty.risks() == {}


def test_the_report_has_a_row_for_each_thing() -> None:
    assert CaptureJobs(HEALTH, {"c": 5_600.0}).rows() == [
        {"what": "SQL Server Agent", "seen": "Running"},
        {"what": "capture job", "seen": "running"},
        {"what": "cleanup job", "seen": "enabled"},
        {"what": "log scan", "seen": "without errors"},
        {"what": "newest entry, s", "seen": 12.0},
        {"what": "latency of the last scan, s", "seen": 1.0},
        {"what": "headroom of c, h", "seen": 70.4},
        {"what": "log", "seen": "20 % used, waits for NOTHING"},
    ]

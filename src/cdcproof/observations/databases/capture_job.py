"""SQL Server's capture job: whether anything reads the log into the change tables, and how long it stays there.

While the Agent or the job stands still every connector is RUNNING and no lag is seen: there is nothing to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.databases.contracts.deployment import CaptureHealth, CaptureJob
from cdcproof.findings import Observation, at_least, at_most
from cdcproof.pipeline.model import Thresholds

_AGENT = "SQL Server Agent"
_SCAN = "log scan"
_REPLICATION = "REPLICATION"


@dataclass(frozen=True)
class CaptureJobs:
    """What was seen. `unread_seconds`: connector to the age of the oldest change that it has not read, where that is known."""

    health: CaptureHealth
    unread_seconds: Mapping[str, float] = field(default_factory=dict)
    log_limit_percent: float = 70

    def observation(self, limits: Thresholds) -> Observation:
        """The log is captured in time, and kept until it is read; a log that fills is a concern."""
        headroom = at_least(limits.capture_headroom_hours, "h until unread changes are cleaned up")
        measured = (
            Observation(self.seconds(), at_most(limits.capture_seconds, "s")),
            Observation(self.headroom_hours(), headroom),
        )
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            concerns=self.risks(),
            no_concern="a log that can be truncated",
            then=tuple(one for one in measured if one.found),
        )

    def expected(self) -> dict[str, str]:
        """What must hold for changes to be captured, and kept until they are read."""
        return {_AGENT: "Running", "capture job": "running", "cleanup job": "enabled", _SCAN: "without errors"}

    def found(self) -> dict[str, str]:
        """The same as it is."""
        agent = {_AGENT: self.health.agent} if self.health.agent else {}
        errors = f"{len(self.health.errors)} errors" if self.health.errors else "without errors"
        return agent | {"capture job": self._word("capture"), "cleanup job": self._word("cleanup"), _SCAN: errors}

    def details(self) -> dict[str, str]:
        """What the server says of a failure."""
        failures = {
            f"{kind} job": job.failure for kind in ("capture", "cleanup") if (job := self.job(kind)) and job.failure
        }
        return failures | ({_SCAN: self.health.errors[-1]} if self.health.errors else {})

    def seconds(self) -> dict[str, float]:
        """How old what was captured is; nothing where nothing was captured yet."""
        found = {"newest entry": self.health.captured_seconds, "latency of the last scan": self.health.latency_seconds}
        return {what: seconds for what, seconds in found.items() if seconds is not None}

    def headroom_hours(self) -> dict[str, float]:
        """Connector to the time that is left until a change is cleaned up that it has not read."""
        cleanup = self.job("cleanup")
        if cleanup is None:
            return {}
        kept_seconds = cleanup.retention_minutes * 60
        return {name: (kept_seconds - seconds) / 3600 for name, seconds in self.unread_seconds.items()}

    def risks(self) -> dict[str, str]:
        """A log that fills because it was not read."""
        if self.health.log_wait != _REPLICATION or self.health.log_percent < self.log_limit_percent:
            return {}
        return {"transaction log": f"{self.health.log_percent:.0f} % used, kept by {_REPLICATION}"}

    def job(self, kind: str) -> CaptureJob | None:
        """The database's job of a kind."""
        return next((job for job in self.health.jobs if job.kind == kind), None)

    def rows(self) -> list[dict[str, object]]:
        """One row for each thing, for the report."""
        seen: dict[str, object] = {
            **self.found(),
            **{f"{what}, s": seconds for what, seconds in self.seconds().items()},
            **{f"headroom of {name}, h": round(hours, 1) for name, hours in self.headroom_hours().items()},
            "log": f"{self.health.log_percent:.0f} % used, waits for {self.health.log_wait}",
        }
        return [{"what": what, "seen": value} for what, value in seen.items()]

    def _word(self, kind: str) -> str:
        job = self.job(kind)
        if job is None:
            return "absent"
        if not job.name:
            return "absent in msdb.dbo.sysjobs"
        if not job.enabled:
            return "disabled"
        if kind == "cleanup":
            return "its last run failed" if job.failure else "enabled"
        if job.running or not job.continuous:
            return "its last run failed" if job.failure and not job.running else "running"
        return "not running"

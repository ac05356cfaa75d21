"""Beyond the runbook: what was read from the source also arrives."""

import pytest

from cdcproof.findings import require_at_least, require_at_most, require_equal, warn_if_any


@pytest.mark.runbook("morning.7-sink-lag")
def test_the_sink_keeps_up(sink_lag, pipeline, evidence, remedies):
    """Every sink that runs consumes, and the lag of each in records and in time is below the limit."""
    limits = pipeline.thresholds
    evidence.saw("Consumer groups and their lag", sink_lag.rows())
    action = remedies.look_at_sink(sink_lag.groups())

    require_equal(sink_lag.groups(), sink_lag.expected_groups(), action=action)
    require_equal(sink_lag.lost_records(), sink_lag.no_lost_records(), action=action)
    details = sink_lag.details()
    require_at_most(sink_lag.records(), limits.lag_records, unit="records behind", details=details, action=action)
    require_at_most(sink_lag.seconds(), limits.lag_seconds, unit="s behind", details=details, action=action)


@pytest.mark.runbook("morning.7-source-lag")
def test_the_source_is_read(source_lag, source_history, pipeline, evidence, remedies):
    """Every source connector that runs is given what the source's log holds, and that is the log which was reconciled."""
    limits = pipeline.thresholds
    evidence.saw("How far the log was read", source_lag.rows())
    action = remedies.databases.look_at_source(source_lag.found())

    if source_history.expected():
        again = remedies.reconcile(pipeline.table_names)
        require_equal(source_history.found(), source_history.expected(), details=source_history.details(), action=again)
    if source_lag.seen:
        require_equal(source_lag.found(), source_lag.expected(), details=source_lag.details(), action=action)
    if source_lag.mebibytes():
        require_at_most(source_lag.mebibytes(), limits.source_lag_mebibytes, unit="MiB behind", action=action)
    if source_lag.seconds():
        require_at_most(source_lag.seconds(), limits.source_lag_seconds, unit="s behind", action=action)
    source_lag.demand_seen()


@pytest.mark.runbook("morning.7-freshness")
def test_the_target_is_fresh(freshness, evidence, remedies):
    """The newest heartbeat of the source is at the target, and not older than it may be."""
    evidence.saw("Newest heartbeat", freshness.rows())
    action = remedies.follow_the_test_row()
    freshness.demand_known()

    details, limit = freshness.details(), freshness.limit_seconds
    require_equal(freshness.found(), freshness.expected(), details=details, action=action)
    require_at_most(freshness.seconds(), limit, unit="s old", details=details, action=action)


@pytest.mark.runbook("morning.7-capture-job")
def test_the_log_is_captured(capture_jobs, pipeline, evidence, remedies):
    """SQL Server's Agent and capture job run, read the log without errors, and keep changes until they are read."""
    limits = pipeline.thresholds
    evidence.saw("Capture job", capture_jobs.rows())
    action = remedies.databases.look_at_capture_job(capture_jobs)

    require_equal(capture_jobs.found(), capture_jobs.expected(), details=capture_jobs.details(), action=action)
    if capture_jobs.seconds():
        require_at_most(capture_jobs.seconds(), limits.capture_seconds, unit="s", action=action)
    if capture_jobs.headroom_hours():
        hours = limits.capture_headroom_hours
        require_at_least(
            capture_jobs.headroom_hours(), hours, unit="h until unread changes are cleaned up", action=action
        )
    warn_if_any(capture_jobs.risks(), expected="a log that can be truncated", action=action)

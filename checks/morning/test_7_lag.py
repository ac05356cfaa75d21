"""Beyond the runbook: what was read from the source also arrives."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.7-sink-lag")
def test_the_sink_keeps_up(sink_lag, pipeline, evidence, remedies):
    """Every sink that runs consumes, and the lag of each in records and in time is below the limit."""
    evidence.saw("Consumer groups and their lag", sink_lag.rows())

    lag = sink_lag.observation(pipeline.thresholds)
    require(lag, action=lag.action or remedies.look_at_sink(sink_lag.groups()))


@pytest.mark.runbook("morning.7-source-lag")
def test_the_source_is_read(source_lag, source_history, pipeline, evidence, remedies):
    """Every source connector that runs is given what the source's log holds, and that is the log which was reconciled."""
    evidence.saw("How far the log was read", source_lag.rows())

    require(source_history.observation(), action=remedies.reconcile(pipeline.table_names))
    action = remedies.databases.look_at_source(source_lag.found())
    require(source_lag.observation(pipeline.thresholds), action=action)


@pytest.mark.runbook("morning.7-freshness")
def test_the_target_is_fresh(freshness, evidence, remedies):
    """The newest heartbeat of the source is at the target, and not older than it may be."""
    evidence.saw("Newest heartbeat", freshness.rows())

    require(freshness.observation(), action=remedies.follow_the_test_row())


@pytest.mark.runbook("morning.7-capture-job")
def test_the_log_is_captured(capture_jobs, pipeline, evidence, remedies):
    """SQL Server's Agent and capture job run, read the log without errors, and keep changes until they are read."""
    evidence.saw("Capture job", capture_jobs.rows())

    action = remedies.databases.look_at_capture_job(capture_jobs)
    require(capture_jobs.observation(pipeline.thresholds), action=action, concern_action=action)

"""Beyond the runbook: what was read from the source also arrives."""

import pytest

from cdcproof.findings import require_at_most, require_equal


@pytest.mark.runbook("morning.7-sink-lag", severity="critical", needs=["morning.6-kafka-answers"])
def test_the_sink_keeps_up(sink_lag, pipeline, evidence, remedies):
    """Every sink that runs consumes, and the lag of each in records and in time is below the limit."""
    limits = pipeline.thresholds
    evidence.saw("Consumer groups and their lag", sink_lag.rows())
    action = remedies.look_at_sink(sink_lag.groups())

    require_equal(sink_lag.groups(), sink_lag.expected_groups(), action=action)
    require_equal(sink_lag.lost_records(), sink_lag.no_lost_records(), action=action)
    aside = sink_lag.aside
    require_at_most(sink_lag.records(), limits.lag_records, unit="records behind", details=aside, action=action)
    require_at_most(sink_lag.seconds(), limits.lag_seconds, unit="s behind", details=aside, action=action)

"""Beyond the runbook: topics take what is produced, and keep what must be kept."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("morning.9-topics")
def test_topics_take_records_and_keep_what_must_be_kept(topics, evidence, remedies):
    """Every topic has its replicas, and none by which Connect or a source remembers is deleted by age."""
    evidence.saw("Topics", topics.rows())

    action = remedies.repair_topics(topics.changes(), topics.found())
    require_equal(topics.found(), topics.expected(), details=topics.details(), action=action)
    topics.demand_seen()
    warn_if_any(topics.under_replicated(), expected="all replicas in sync")

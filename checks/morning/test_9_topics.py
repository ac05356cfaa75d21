"""Beyond the runbook: topics take what is produced, and keep what must be kept."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.9-topics")
def test_topics_take_records_and_keep_what_must_be_kept(topics, evidence, remedies):
    """Every topic has its replicas, and none by which Connect or a source remembers is deleted by age."""
    evidence.saw("Topics", topics.rows())

    require(topics.observation(), action=remedies.repair_topics(topics.changes(), topics.found()))

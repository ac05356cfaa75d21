"""Runbook, deploy new connector, prerequisite: Kafka topics created."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("connectors.2-topics")
def test_every_topic_is_there(connector_topics, evidence):
    """Every topic that the connectors write and read is there, or will be made with its first record."""
    evidence.saw("Topics", connector_topics.rows())

    require_equal(connector_topics.found, connector_topics.expected, action=connector_topics.action)
    warn_if_any(connector_topics.tolerated, expected="present")

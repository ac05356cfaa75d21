"""Runbook, deploy new connector, prerequisite: Kafka topics created."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("connectors.2-topics")
def test_every_topic_is_there(connector_topics, evidence):
    """Every topic that the connectors write and read is there, or will be made with its first record."""
    evidence.saw("Topics", connector_topics.rows())

    require(connector_topics)

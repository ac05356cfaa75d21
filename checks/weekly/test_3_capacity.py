"""Runbook, every Monday 3: capacity planning."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("weekly.3-source-growth")
def test_the_source_grew_no_more_than_it_may(source_growth, evidence, remedies):
    """The source's tables and indexes grew within 7 days by no more than they may."""
    evidence.saw("What the source's tables take", source_growth.rows())

    require(source_growth.observation(), action=remedies.databases.largest_tables())


@pytest.mark.runbook("weekly.3-topic-growth")
def test_topics_grew_no_more_than_they_may(topic_growth, evidence, remedies):
    """Each topic grew within 7 days on the brokers' disks by no more than it may."""
    evidence.saw("What topics take on the brokers' disks", topic_growth.rows())

    require(topic_growth.observation(), action=remedies.largest_topics())


@pytest.mark.runbook("weekly.3-days-until-full")
def test_disks_last_long_enough(days_until_full, evidence, remedies):
    """As fast as it fills, each file system of the data and of the backups lasts long enough."""
    evidence.saw("Days until full", days_until_full.rows())

    require(days_until_full.observation(), action=remedies.make_room(days_until_full.details()))

"""Beyond the runbook: a service that is up must also answer the account that the checks use."""

import pytest

from cdcproof.findings import Observation, at_least, require


@pytest.mark.runbook("morning.6-source-answers")
def test_the_source_answers(source_version, evidence):
    """The source database answers a query of the checks' own account."""
    evidence.saw("Source", source_version)


@pytest.mark.runbook("morning.6-target-answers")
def test_the_target_answers(target_version, evidence):
    """The target database answers a query of the checks' own account."""
    evidence.saw("Target", target_version)


@pytest.mark.runbook("morning.6-source-rights")
def test_the_checks_may_look_at_the_source(source_rights, evidence):
    """The checks' own account may see all that they need of the source."""
    evidence.saw("What the checks' account may see", source_rights.rows())

    require(source_rights.observation(), concern_action=source_rights.concern_action())


@pytest.mark.runbook("morning.6-target-rights")
def test_the_checks_may_look_at_the_target(target_rights, evidence):
    """The checks' own account may see all that they need of the target."""
    evidence.saw("What the checks' account may see", target_rights.rows())

    require(target_rights.observation(), concern_action=target_rights.concern_action())


@pytest.mark.runbook("morning.6-kafka-answers")
def test_kafka_answers(kafka_size, evidence):
    """Kafka answers with its brokers and topics."""
    evidence.saw("Kafka", [kafka_size])

    require(Observation({"brokers": kafka_size["brokers"]}, at_least(1, "brokers")))


@pytest.mark.runbook("morning.6-registry-answers")
def test_the_schema_registry_answers(registry_subjects, evidence):
    """The schema registry lists its subjects."""
    evidence.saw("Schema registry", [{"subjects": len(registry_subjects)}])

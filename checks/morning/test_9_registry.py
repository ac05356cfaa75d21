"""Beyond the runbook: a column added at the source must not stop the connector."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("morning.9-registry")
def test_the_registry_would_take_the_next_schema(next_schemas, evidence, remedies):
    """The schema registry would take the schema that another column makes, for every table's topic."""
    evidence.saw("Subjects", next_schemas.rows())
    evidence.saw("Compatibility where a subject says nothing", next_schemas.compatibility)

    require(next_schemas.observation(), action=remedies.open_registry(next_schemas.refusing()))

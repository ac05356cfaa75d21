"""Beyond the runbook's commands: what was changed is what the change intended."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("validate.5-baseline")
def test_nothing_but_what_was_intended_has_changed(since_baseline, evidence, remedies):
    """Versions, configurations, schemas and rows are those of the baseline, but for what the change intended."""
    evidence.saw("Compared with the baseline", since_baseline.rows())
    evidence.saw_each(since_baseline.pages())

    require(since_baseline.observation(), action=remedies.compare_with_baseline())

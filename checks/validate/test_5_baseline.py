"""Beyond the runbook's commands: what was changed is what the change intended."""

import pytest

from cdcproof.findings import require_equal, warn_if_any


@pytest.mark.runbook("validate.5-baseline")
def test_nothing_but_what_was_intended_has_changed(since_baseline, evidence, remedies):
    """Versions, configurations, schemas and rows are those of the baseline, but for what the change intended."""
    evidence.saw("Compared with the baseline", since_baseline.rows())
    if since_baseline.intended():
        evidence.saw("Intended, and so", [vars(change) for change in since_baseline.intended()])

    require_equal(since_baseline.found(), since_baseline.must_be(), action=remedies.compare_with_baseline())
    warn_if_any(since_baseline.unknown(), expected="looked at")

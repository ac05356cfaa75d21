"""What the reconciliation exporter's series of mismatches say."""

import pytest

from cdcproof.findings import Concern, Finding, require_equal, warn_if_any
from cdcproof.observations.reconciliation.metrics import MismatchMetrics


class TestMismatchMetrics:
    NOW = 1_800_000_000.0

    def metrics(self, total, last_mismatch=0.0, last_match=0.0, contents=None, runs=None):
        contents = dict.fromkeys(total, 0.0) if contents is None else contents
        return MismatchMetrics(("t",), total, contents, {"t": last_mismatch}, {"t": last_match}, runs or {}, self.NOW)

    @pytest.mark.parametrize(("rows", "contents"), [({}, {"t": 0}), ({"t": 0}, {})])
    def test_an_absent_series_is_a_difference(self, rows, contents):
        metrics = self.metrics(rows, contents=contents)

        with pytest.raises(Finding, match="t: expected no standing mismatch, found absent"):
            require_equal(metrics.mismatches(), metrics.no_mismatches())

    @pytest.mark.parametrize("hours", [0.02, 30, 900])
    def test_a_mismatch_without_a_later_match_stands_however_old_it_is(self, hours):
        at = self.NOW - hours * 3600
        assert self.metrics({"t": 1}, at, at - 60).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, at, at - 60, contents={"t": 1}).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, at, at - 60).tables_not_matching() == ("t",), "counted or not"

    def test_a_recent_mismatch_with_a_later_match_is_a_concern(self):
        metrics = self.metrics({"t": 1}, self.NOW - 120, self.NOW - 60)

        assert metrics.tables_not_matching() == ()
        with pytest.raises(Concern):
            warn_if_any(metrics.passing_mismatches())

    def test_an_old_mismatch_that_was_resolved_is_history(self):
        metrics = self.metrics({"t": 7}, self.NOW - 90_000, self.NOW - 60)

        assert metrics.tables_not_matching() == ()
        assert metrics.passing_mismatches() == {}

    @pytest.mark.parametrize("total", [float("nan"), -1.0, float("inf")])
    def test_no_number_is_not_no_mismatch(self, total):
        assert self.metrics({"t": total}).tables_not_matching() == ("t",)
        assert self.metrics({"t": 0}, contents={"t": total}).tables_not_matching() == ("t",)

    @pytest.mark.parametrize("last_mismatch", [0.0, float("nan"), -1.0])
    def test_a_count_without_a_time_cannot_be_called_old(self, last_mismatch):
        metrics = self.metrics({"t": 2}, last_mismatch)

        assert metrics.tables_not_matching() == ("t",)
        assert metrics.rows()[0]["last mismatch"] is None

    def test_most_runs_not_looking_is_a_concern(self):
        assert self.metrics({"t": 0}, runs={"success": 3, "failure": 3}).failing_runs() == {}
        told = self.metrics({"t": 0}, runs={"success": 3, "failure": 50}).failing_runs()
        assert told == {"runs": "50 of 53 could not look at every table"}

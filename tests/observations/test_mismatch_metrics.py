"""What the reconciliation exporter's series of mismatches say."""

import pytest

from cdcproof.findings import Concern, Finding, Observation, require_equal, warn_if_any
from cdcproof.observations.reconciliation.metrics import MismatchMetrics


class TestMismatchMetrics:
    NOW = 1_800_000_000.0
    """2027-01-15 08:00:00 in UTC."""

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

    def test_standing_mismatches_are_judged_and_passing_ones_are_concerns(self, utc):
        metrics = MismatchMetrics(
            ("a", "b", "c", "d"),
            {"a": 2.0, "b": 0.0, "c": 0.0},
            {"a": 1.0, "b": 1.0, "d": 0.0},
            {"a": self.NOW - 60, "b": self.NOW - 120},
            {"b": self.NOW - 60, "a": self.NOW - 61},
            {"success": 2.0, "failure": 3.0},
            self.NOW,
        )

        assert metrics.observation() == Observation(
            {"a": "a mismatch, 3 counted in all", "b": "no standing mismatch"},
            dict.fromkeys("abcd", "no standing mismatch"),
            {
                "a": "counted at 2027-01-15 07:59:00",
                "b": "counted at 2027-01-15 07:58:00",
                "c": "the exporter has no reconciliation_checksum_mismatch_total for it",
                "d": "the exporter has no reconciliation_row_count_mismatch_total for it",
            },
            concerns={
                "b": "mismatch at 2027-01-15 07:58:00, match again at 2027-01-15 07:59:00",
                "runs": "3 of 5 could not look at every table",
            },
            no_concern="no mismatch in the last 24 h, and runs that could look",
        )
        assert metrics.rows() == [
            {"table": "a", "mismatches counted": "3", "last mismatch": "2027-01-15 07:59:00", "last match": "2027-01-15 07:58:59"},
            {"table": "b", "mismatches counted": "1", "last mismatch": "2027-01-15 07:58:00", "last match": "2027-01-15 07:59:00"},
            {"table": "c", "mismatches counted": "absent", "last mismatch": None, "last match": None},
            {"table": "d", "mismatches counted": "absent", "last mismatch": None, "last match": None},
        ]  # fmt: skip

    def test_a_mismatch_of_the_very_moment_of_a_match_stands(self):
        metrics = self.metrics({"t": 1}, self.NOW - 60, self.NOW - 60)

        assert metrics.tables_not_matching() == ("t",)
        assert metrics.passing_mismatches() == {}

    def test_a_day_after_it_was_resolved_a_mismatch_is_history(self):
        day = 24 * 3600
        assert self.metrics({"t": 1}, self.NOW - day, self.NOW).passing_mismatches() == {}
        assert list(self.metrics({"t": 1}, self.NOW - day + 1, self.NOW).passing_mismatches()) == ["t"]

    def test_what_is_said_of_a_count_that_is_no_count_or_has_no_time(self):
        assert self.metrics({"t": -1.0}).mismatches() == {"t": "no number (-1.0)"}
        assert self.metrics({"t": 2.0}).mismatches() == {"t": "2 mismatches, and no time of the last one"}
        timeless = MismatchMetrics(("t",), {"t": 1.0}, {"t": 0.0}, {}, {}, {}, self.NOW)
        assert timeless.mismatches() == {"t": "1 mismatches, and no time of the last one"}
        assert timeless.rows()[0]["last mismatch"] is None

    def test_runs_of_one_kind_only(self):
        assert self.metrics({"t": 0}, runs={"failure": 1}).failing_runs() == {
            "runs": "1 of 1 could not look at every table"
        }
        assert self.metrics({"t": 0}, runs={"success": 1}).failing_runs() == {}
        assert self.metrics({"t": 0}, runs={}).failing_runs() == {}

    def test_no_mismatch_ever_is_no_standing_mismatch(self):
        for never in ({}, {"t": 0.0}):
            metrics = MismatchMetrics(("t",), {"t": 0.0}, {"t": 0.0}, never, never, {}, self.NOW)
            assert metrics.mismatches() == {"t": "no standing mismatch"}
            assert (metrics.details(), metrics.passing_mismatches()) == ({}, {})

    def test_a_mismatch_of_a_table_that_never_matched_stands(self):
        metrics = MismatchMetrics(("t",), {"t": 1.0}, {"t": 0.0}, {"t": self.NOW - 60}, {}, {}, self.NOW)
        assert metrics.mismatches() == {"t": "a mismatch, 1 counted in all"}
        assert metrics.passing_mismatches() == {}

    def test_an_endless_count_is_no_number(self):
        assert self.metrics({"t": float("inf")}).mismatches() == {"t": "no number (inf)"}

from __future__ import annotations

from pathlib import Path

from cdcproof.reporting.suites import coverage, marks_in_sources, of_steps

SUITES = {
    "morning": frozenset({"morning.1", "morning.2"}),
    "validate": frozenset({"validate.1", "validate.2"}),
    "staging": frozenset({"staging.1", "validate.1"}),
}


def test_a_whole_suite_has_no_part() -> None:
    assert coverage({"morning.1", "morning.2"}, {"morning.1", "morning.2"}, SUITES).missing == ()
    assert coverage({"morning.1", "morning.2"}, {"morning.1", "morning.2"}, SUITES).parts == ()


def test_a_selected_part_misses_the_rest_of_its_suite() -> None:
    found = coverage({"morning.1"}, {"morning.1"}, SUITES)

    assert (found.missing, found.parts) == (("morning.2",), ("morning",))


def test_what_was_selected_and_did_not_run_is_missing() -> None:
    staging = {"staging.1", "validate.1"}

    assert coverage(staging, {"staging.1"}, SUITES).missing == ("validate.1",)
    assert coverage(staging, staging, SUITES).missing == ()
    assert coverage(staging, staging, SUITES).parts == ("validate",)


def test_a_whole_suite_does_not_excuse_a_part_of_another() -> None:
    ran = {"morning.1", "morning.2", "validate.2"}

    assert coverage(ran, ran, SUITES).missing == ("validate.1",)


def test_marks_are_read_from_files_that_are_not_collected(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "@pytest.mark.staging\n@mark.runbook(\n    'validate.1-x', severity='major',\n)\ndef test_x(): ...\n"
        "class TestY:\n    @pytest.mark.runbook('morning.2-y')\n    async def test_y(self): ...\n"
        "@pytest.mark.runbook('validate.3-listed')\ndef test_listed(): ...\n"
        "@pytest.mark.runbook('validate.4-own', severity='major')\ndef test_own(): ...\n"
        "@pytest.mark.slow\ndef test_ordinary(): ...\n"
    )
    (tmp_path / "test_broken.py").write_text("def (")

    marks = marks_in_sources(tmp_path, {"validate.3-listed": ("staging",), "validate.4-own": ("staging",)})

    assert marks == {
        "validate.1-x": {"staging"},
        "morning.2-y": frozenset(),
        "validate.3-listed": {"staging"},
        "validate.4-own": frozenset(),  # its mark says all about it
    }
    assert of_steps({**marks, "staging.1-z": frozenset()}) == {
        "validate": {"validate.1-x", "validate.3-listed", "validate.4-own"},
        "morning": {"morning.2-y"},
        "staging": {"validate.1-x", "validate.3-listed", "staging.1-z"},
    }

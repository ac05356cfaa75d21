"""Each check has a drill: a test that injects its fault, sees it red, runs the Action as it is printed, and sees it green.

Where an Action cannot mend by itself (it is advice, or shows where to look), docs/RUNBOOK.md says so in the check's section.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cdcproof.monitoring.catalogue import CHECKS

ROOT = Path(__file__).parent.parent
MORNING, SOURCE, VALIDATE, CONNECTORS, STAGING, WEEKLY, WINDOW = (
    f"integration/test_{name}.py"
    for name in (
        *("morning_faults", "source_faults", "validate", "connector_checks", "staging_gate"),
        *("weekly", "maintenance"),
    )
)
DRILLS = {
    "morning.1-services": (MORNING, "test_a_killed_service"),
    "morning.2-connectors": (MORNING, "test_a_paused_connector"),
    "morning.3-reconciliation": (MORNING, "test_a_row_lost_at_the_target_is_found_named_and_healed"),
    "morning.4-metrics-reconciliation": (MORNING, "test_a_mismatch_that_stands_though_the_newest_report_matches"),
    "morning.4-metrics-connectors": (MORNING, "test_a_dead_exporter_is_not_checked"),
    "morning.5-backups": ("observations/test_backups.py", "test_the_check_is_red_on_a_night_without_a_backup_and_green_after_one"),
    "morning.5-disk": (MORNING, "test_a_full_disk_says_what_takes_the_space_and_what_a_clean_up_would_free"),
    "morning.6-source-answers": (MORNING, "test_a_wrong_password_of_the_checks_is_not_checked"),
    "morning.6-target-answers": (MORNING, "test_a_wrong_password_of_the_checks_is_not_checked"),
    "morning.6-kafka-answers": ("clients/test_kafka.py", "test_a_port_that_accepts_and_stays_silent_ends_at_the_deadline"),
    "morning.6-registry-answers": ("clients/test_registry.py", "test_another_service_at_the_address_is_unexpected"),
    "morning.6-source-rights": (SOURCE, "test_the_checks_own_rights_that_were_taken_are_not_checked_by_name"),
    "morning.6-target-rights": (SOURCE, "test_the_checks_own_rights_that_were_taken_are_not_checked_by_name"),
    "morning.7-sink-lag": (MORNING, "test_a_sink_that_waits_for_a_lock_while_everything_is_running"),
    "morning.7-source-lag": (SOURCE, "test_a_source_that_stands_still_while_everything_says_running"),
    "morning.7-freshness": (MORNING, "test_a_paused_sink_whose_target_grows_old"),
    "morning.7-capture-job": ("observations/test_capture_job.py", "test_the_action_mends_what_was_found"),
    "morning.8-replication-slots": (SOURCE, "test_slots_that_nobody_reads_of_whatever_database"),
    "morning.9-tables": (MORNING, "test_a_target_table_that_was_dropped"),
    "morning.9-capture": (SOURCE, "test_a_table_that_is_captured_by_halves"),
    "morning.9-columns": (SOURCE, "test_a_column_that_the_target_lacks"),
    "morning.9-accounts": (SOURCE, "test_accounts_that_could_not_start_again_and_a_target_that_takes_no_writes"),
    "morning.9-connector-settings": (
        MORNING,
        "test_settings_that_lose_changes_are_put_right_by_the_command_offered",
    ),
    "morning.9-dead-letters": (MORNING, "test_records_that_a_sink_put_aside"),
    "morning.9-topics": (MORNING, "test_topics_that_take_no_records_and_forget"),
    "morning.9-registry": ("observations/test_next_schema.py", "test_a_registry_that_was_closed_is_opened_by_the_command"),
    "connectors.1-database-connectivity": (CONNECTORS, "test_a_password_that_is_no_longer_right"),
    "connectors.2-topics": (CONNECTORS, "test_a_topic_that_a_sink_names_wrongly"),
    "connectors.3-capture": (CONNECTORS, "test_a_table_that_is_not_captured"),
    "connectors.4-permissions-sufficient": (CONNECTORS, "test_a_permission_that_is_missing"),
    "connectors.5-permissions-excessive": (CONNECTORS, "test_a_permission_that_is_too_much"),
    "connectors.6-settings": (CONNECTORS, "test_settings_that_would_lose_changes"),
    "validate.1-services": (VALIDATE, "test_a_service_that_did_not_come_back"),
    "validate.2-connectors": (VALIDATE, "test_a_source_that_nobody_resumed"),
    "validate.3-round-trip": (VALIDATE, "test_updates_that_are_dropped_at_the_target"),
    "validate.4-reconciliation": (VALIDATE, "test_a_row_that_differs_is_found_by_the_reconciliation_alone"),
    "validate.5-baseline": (VALIDATE, "test_what_nobody_declared_is_named"),
    "validate.6-soak": (VALIDATE, "test_a_connector_that_flaps_and_recovers_fails_the_soak"),
    "staging.1-connector-files": (STAGING, "test_a_change_that_connect_refuses_is_stopped_before_it_is_applied"),
    "staging.2-connectors-applied": (STAGING, "test_a_change_whose_connector_fails_is_stopped_and_can_be_undone"),
    "weekly.1-failures": ("operations/test_weekly_metrics.py", "test_a_week_of_failures_is_red_until_it_is_over"),
    "weekly.1-lag": ("operations/test_weekly_metrics.py", "test_a_slow_week_is_red_until_it_is_over"),
    "weekly.2-backup-log": ("backup/test_weekly_actions.py", "test_a_night_without_a_backup_is_made_up_for_by_the_commands"),
    "weekly.2-backup-age": ("backup/test_weekly_actions.py", "test_a_night_without_a_backup_is_made_up_for_by_the_commands"),
    "weekly.2-uploads": ("backup/test_weekly_actions.py", "test_a_night_without_a_backup_is_made_up_for_by_the_commands"),
    "weekly.3-source-growth": ("observations/test_capacity.py", "test_a_growth_above_it_is_red_and_named"),
    "weekly.3-topic-growth": ("observations/test_capacity.py", "test_a_topic_that_grew_is_red_and_named"),
    "weekly.3-days-until-full": (WEEKLY, "test_a_history_is_kept_and_judged"),
    "monthly.1-images": ("operations/test_images.py", "test_what_was_not_pulled_and_made_anew_is_by_the_commands"),
    "monthly.1-newer-images": ("operations/test_images.py", "test_what_was_not_pulled_and_made_anew_is_by_the_commands"),
    "monthly.1-newer-tags": ("operations/test_images.py", "test_the_registries_are_asked_for_newer_tags"),
    "monthly.1-advisories": ("operations/test_advisories.py", "test_a_package_with_an_advisory_is_red_until_it_was_replaced"),
    "monthly.2-performance": ("monitoring/test_monthly.py", "test_the_month_is_judged"),
    "monthly.3-recovery-drill": ("observations/test_monthly.py", "test_a_drill_is_recorded_by_the_command_that_is_advised"),
    "premaintenance.1-announced": (WINDOW, "test_a_window_from_its_plan_to_its_report"),
    "premaintenance.1-approved": (WINDOW, "test_a_window_from_its_plan_to_its_report"),
    "premaintenance.2-staging": (WINDOW, "test_a_window_from_its_plan_to_its_report"),
    "premaintenance.3-rollback-files": ("maintenance/test_checklist.py", "test_a_file_that_was_edited_since_is_named"),
    "premaintenance.4-baseline": (WINDOW, "test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands"),
    "premaintenance.5-reconciliation": (WINDOW, "test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands"),
    "premaintenance.6-diagnostics": ("maintenance/test_checklist.py", "test_diagnostics_that_hold_nothing_are_red"),
    "premaintenance.7-backup": (WINDOW, "test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands"),
    "premaintenance.8-restorable": (WINDOW, "test_a_window_from_its_plan_to_its_report"),
}  # fmt: skip
ADVICE = {
    "morning.5-backups",
    "morning.6-source-answers",
    "morning.6-target-answers",
    "morning.6-kafka-answers",
    "morning.6-registry-answers",
    "morning.7-capture-job",
    "morning.7-freshness",
    "connectors.1-database-connectivity",
    "connectors.6-settings",
    "validate.3-round-trip",
    "validate.5-baseline",
    "validate.6-soak",
    "staging.1-connector-files",
    "weekly.1-failures",
    "weekly.1-lag",
    "weekly.3-source-growth",
    "weekly.3-topic-growth",
    "weekly.3-days-until-full",
    "monthly.1-newer-tags",
    "monthly.1-advisories",
    "monthly.2-performance",
    "monthly.3-recovery-drill",
    "premaintenance.2-staging",
    "premaintenance.3-rollback-files",
    "premaintenance.6-diagnostics",
}
"""Checks of which no Action can mend what they find."""
RUNS = {"follow", "pasted", "paste", "bash", "open_registry"}


def test_every_check_has_a_drill() -> None:
    assert set(DRILLS) == {check.step for check in CHECKS}


@pytest.mark.parametrize("step", DRILLS)
def test_the_drill_is_there_and_runs_what_the_check_offers(step: str) -> None:
    file, name = DRILLS[step]
    functions = ast.walk(ast.parse((ROOT / "tests" / file).read_text()))
    [drill] = [node for node in functions if isinstance(node, ast.FunctionDef) and node.name == name]
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(drill)
        if isinstance(node, ast.Call)
    }
    assert step in ADVICE or called & RUNS, f"{name} does not run the Action of {step}"


@pytest.mark.parametrize("step", sorted(ADVICE))
def test_the_runbook_says_where_the_action_only_advises(step: str) -> None:
    text = (ROOT / "docs" / "RUNBOOK.md").read_text()
    [section] = [part for part in re.split(r"\n(?=<a id=)", text) if f'<a id="{step.replace(".", "-")}"></a>' in part]
    assert "The action is advice" in section or "The action only shows" in section

"""The one table of faults: what is broken, the check that must see it, what it names, and the test that shows it.

docs/DRILLS.md is generated from it (`make generate`); tests/test_drills.py compares it with the tests and with the checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GREEN = "nothing: it is green"
"""What a check names that must not mind."""


class Shown(StrEnum):
    """How a fault was shown to be seen."""

    PIPELINE = "injected into the embedded pipeline"
    SERVER = "injected at a server of the test's own"
    SQL_SERVER = "result sets in the form of SQL Server's views"
    MADE = "made values"


CLASSES = {
    1: "The capture job is stopped or stuck",
    2: "SQL Server Agent is down",
    3: "The jobs are missing after a failover",
    4: "The connector's position is behind what the source keeps, or its slot is lost",
    5: "A table fell out of capture",
    6: "The sink commits without writing",
    7: "A task failed, is missing or was never assigned",
    8: "The reconciliation report is stale, empty or of other tables",
    9: "Columns drift apart",
    10: "The source was restored, its log went backwards, or CDC is off",
    11: "The lag metric is frozen or absent",
    12: "Deletes or updates of keys are not applied",
    13: "The schema history's topic is unsafe",
    14: "The source's transaction log grows",
    15: "The sink's offset is below the beginning of its topic",
    16: "Poison data is skipped",
    17: "The clean-up of CDC fails",
    18: "Partitions are under-replicated, or below the least in-sync replicas",
    19: "Something flaps",
    20: "A transaction stays open",
    21: "A snapshot is aborted or does not end",
    22: "The schema registry is read-only or refuses the next schema",
    23: "The target is locked, or somebody else writes to it",
    24: "A secret expires, or a permission is missing",
    25: "Clocks differ",
}
"""The failure classes of such a pipeline, by likelihood, silence and damage."""

CASES = (
    *(f"{number:02}" for number in (*range(1, 12), 13, 14, 15, 17, 18, *range(20, 28), 29, 30, 32, 34)),
    *(f"35{part}" for part in "abcdefg"),
    *("action_goes_round", "capture_by_halves", "clock_ahead", "column_without_a_word", "counts_hide_contents"),
    *("dead_letters", "foreign_report", "read_only_target", "slot_advice", "slots_unseen", "slow_answers"),
    *("stale_exporter", "stuck_producer"),
)
"""Inputs and faults that once got a wrong answer, as scripts/ci/cases.py calls them."""

COMMANDS = {
    "cdcproof init": ("onboarding.discovery", "onboarding.column_rules", "connectors.settings.jdbc_url", "clients.connect.java_expressions"),
    "cdcproof check-config": ("onboarding.access",),
    "cdcproof change classify": ("clients.containers.compose_file", "clients.containers.compose_config"),
    "cdcproof connectors validate": ("connectors.deployment.definition",),
    "cdcproof connectors resume": ("connectors.retention",),
    "cdcproof connectors snapshot": ("connectors.snapshot",),
    "cdcproof reconcile": ("reconcile",),
    "cdcproof reconcile repair": ("cli.reconcile", "reconcile.report.result"),
    "every look by HTTP": ("clients.http",),
    "every look at a database": ("databases",),
    "every look at a container": ("environments.live",),
}  # fmt: skip
"""What sees a fault and is no check, and the modules whose judgement it is."""


@dataclass(frozen=True)
class Fault:
    """One fault. `test` is a node id below tests/; `of` holds numbers of CLASSES and names of CASES.

    `mends`: the test runs the check's Action as it is printed, and sees the check green again.
    """

    fault: str
    check: str
    names: str
    test: str
    shown: Shown
    of: tuple[int | str, ...] = ()
    mends: bool = False

    @property
    def file(self) -> str:
        """The file of its test, below tests/."""
        return self.test.partition("::")[0]

    @property
    def function(self) -> str:
        """The name of its test."""
        return self.test.rpartition("::")[2]


# fmt: off
def _shown(file: str, shown: Shown, *rows: tuple[str, str, str, str, tuple[int | str, ...], bool]) -> tuple[Fault, ...]:
    """Rows of test, check, fault, what is named, what it is an instance of, and whether the Action was run as printed."""
    return tuple(Fault(fault, check, names, f"{file}::{test}", shown, of, mends) for test, check, fault, names, of, mends in rows)


FAULTS: tuple[Fault, ...] = (
    *_shown(
        "integration/test_morning_faults.py", Shown.PIPELINE,
        ("test_a_killed_service", "morning.1-services", "Each of the six services is killed, one after the other", "the service", (), True),
        ("test_a_service_that_is_up_but_does_not_answer", "morning.1-services", "The schema registry, Kafka: the process hangs", "the service: up, unhealthy", (), False),
        ("test_a_service_that_is_up_but_was_restarted_too_often_is_a_warning", "morning.1-services", "A service was restarted four times in a day", "the service and the number", (19,), False),
        ("test_everything_down_has_one_cause", "morning.1-services", "All services are killed at once", "each service, and nothing that follows", (), False),
        ("test_a_task_that_failed_shows_its_trace", "morning.2-connectors", "The sink's password is wrong", "the task, with its trace", (7,), False),
        ("test_a_target_table_that_the_sink_cannot_write_to", "morning.2-connectors", "The sink may no longer write to a table", "the task, with its trace", (7, 24), True),
        ("test_a_target_table_that_the_sink_cannot_write_to", "morning.9-accounts", "The sink may no longer write to a table", "the account and the table", (24,), True),
        ("test_a_paused_connector", "morning.2-connectors", "A connector is paused", "connector and task", (7,), True),
        ("test_connectors_that_were_stopped_hide_neither_lag_nor_slots", "morning.2-connectors", "Both connectors are stopped: they have no tasks", "connectors and absent tasks", (7,), True),
        ("test_a_connector_that_was_deleted", "morning.2-connectors", "A connector is deleted", "connector and task", (7,), True),
        ("test_more_tasks_than_expected", "morning.2-connectors", "A sink has more tasks than the pipeline file says", "the task", (7, "35e"), True),
        ("test_a_connector_that_nobody_expects", "morning.2-connectors", "A connector that no pipeline file names", "the connector, and nothing is blocked", (7, "22"), False),
        ("test_a_password_in_clear_is_a_risk_and_shows_nowhere", "morning.2-connectors", "A password stands in clear in a connector's settings", "the key, never the password", (24,), False),
        ("test_a_report_that_proves_nothing", "morning.3-reconciliation", "No report, one cut off, a newer mismatch, one of the future, one three hours old", "the table and why", (8, 25), True),
        ("test_a_row_lost_at_the_target_is_found_named_and_healed", "morning.3-reconciliation", "A row is deleted at the target", "the table and the key", (6, 23, "action_goes_round"), True),
        ("test_a_dead_exporter_is_not_checked", "morning.4-metrics-connectors", "The exporter is killed", "the exporter's address", (11,), True),
        ("test_a_dead_exporter_is_not_checked", "morning.4-metrics-reconciliation", "The exporter is killed", "the exporter's address", (11,), False),
        ("test_a_mismatch_that_stands_though_the_newest_report_matches", "morning.4-metrics-reconciliation", "A mismatch was counted, and its report deleted", "the table", (8,), True),
        ("test_an_absent_series_is_a_failure", "morning.4-metrics-reconciliation", "The exporter serves no series of a table", "the table", (11,), False),
        ("test_a_connector_state_that_contradicts_connect", "morning.4-metrics-connectors", "The exporter says of a connector what Connect does not", "the connector", (11,), False),
        ("test_a_full_disk_says_what_takes_the_space_and_what_a_clean_up_would_free", "morning.5-disk", "The backups' file system is full", "the directory", (), True),
        ("test_a_disk_that_fills_is_a_warning", "morning.5-disk", "The backups' file system fills", "the directory", (), False),
        ("test_a_disk_without_inodes", "morning.5-disk", "The backups' file system has no inodes left", "the directory's inodes", (), False),
        ("test_a_backup_directory_that_is_gone_is_not_checked", "morning.5-disk", "The backup directory is gone", "the directory", (), False),
        ("test_a_wrong_password_of_the_checks_is_not_checked", "morning.6-source-answers", "The checks' password of the source is wrong", "the variable", (24,), False),
        ("test_a_wrong_password_of_the_checks_is_not_checked", "morning.6-target-answers", "The checks' password of the target is wrong", "the variable", (24,), False),
        ("test_a_sink_that_waits_for_a_lock_while_everything_is_running", "morning.7-sink-lag", "Somebody locks a table at the target", "the sink's group, and the session that blocks", (20, 23), True),
        ("test_a_paused_sink_whose_target_grows_old", "morning.7-freshness", "Nothing arrives at the target for two minutes", "the heartbeat's table, held up on its way", (1, 11), True),
        ("test_a_target_table_that_was_dropped", "morning.9-tables", "A table is gone at the target", "the table", (5,), True),
        ("test_settings_that_lose_changes_are_put_right_by_the_command_offered", "morning.9-connector-settings", "A sink only updates, ignores deletes, and does not read a topic", "each setting and the table", (6, 12), True),
        ("test_records_that_a_sink_put_aside", "morning.9-dead-letters", "Three records that no converter reads", "topic and sink, and their number", (6, 16, "30", "dead_letters"), True),
        ("test_topics_that_take_no_records_and_forget", "morning.9-topics", "A topic below its least in-sync replicas; Connect's offsets are deleted by age", "both topics", (18,), True),
    ),
    *_shown(
        "observations/test_account_rights.py", Shown.SERVER,
        ("test_accounts_that_may_do_too_much_lose_it_by_the_commands", "monthly.1-accounts", "The readers may write, own a table and make roles, a sink's account may make databases", "account, role and right", (24,), True),
    ),
    *_shown(
        "drills/test_faults.py", Shown.PIPELINE,
        ("test_a_slot_that_has_lost_its_log", "morning.8-replication-slots", "A slot that nobody reads has lost its log", "the slot: WAL lost", (4,), True),
        ("test_a_transaction_that_stays_open_holds_back_the_log", "morning.8-replication-slots", "A transaction at the source stays open, and the log grows", "the slot; the Action shows the transaction", (14, 20), True),
        ("test_a_source_whose_history_was_not_reconciled", "morning.7-source-lag", "The reports are of another history of the source than it is in", "the source, both histories, the tables", (10,), True),
        ("test_records_that_were_deleted_before_the_sink_read_them", "morning.7-sink-lag", "Seven records are deleted before the sink reads them", "the group and their number; to resume it is refused", (15,), False),
        ("test_a_heartbeat_of_the_future", "morning.7-freshness", "A heartbeat of a clock that was two hours ahead", "how far it is ahead", (25,), False),
    ),
    *_shown(
        "drills/test_long_faults.py", Shown.PIPELINE,
        ("test_a_schema_history_that_would_be_forgotten", "morning.9-topics", "A schema history that is compacted, and kept for a week", "the topic and each setting", (13,), True),
        ("test_a_source_that_skips_what_it_cannot_process", "morning.9-connector-settings", "A source skips events that it cannot process, and deletes", "connector and setting", (12, 16), True),
        ("test_a_position_beyond_the_end_of_the_log", "morning.7-source-lag", "Connect's position is beyond the end of the source's log", "the connector", (10,), False),
    ),
    *_shown(
        "integration/test_source_faults.py", Shown.PIPELINE,
        ("test_a_source_that_stands_still_while_everything_says_running", "morning.7-source-lag", "The connector's session at the source hangs", "the connector and its session", (1, 11), True),
        ("test_slots_that_nobody_reads_of_whatever_database", "morning.8-replication-slots", "Slots that nobody reads: logical, physical, of another database", "each slot", (14, "slots_unseen"), True),
        ("test_a_table_that_is_captured_by_halves", "morning.9-capture", "A publication without updates, with a row filter, a column list, without a table; no replica identity", "publication and tables", (5, 9, "capture_by_halves"), True),
        ("test_a_column_that_the_target_lacks", "morning.9-columns", "A column is added at the source", "table and column", (9,), True),
        ("test_accounts_that_could_not_start_again_and_a_target_that_takes_no_writes", "morning.9-accounts", "A password expired, a right is gone, the target is read-only", "account and right", (24, "read_only_target"), True),
        ("test_the_checks_own_rights_that_were_taken_are_not_checked_by_name", "morning.6-source-rights", "The checks may no longer read a table of the source", "the table", (24,), True),
        ("test_the_checks_own_rights_that_were_taken_are_not_checked_by_name", "morning.6-target-rights", "The checks may no longer read a table of the target", "the table", (24,), True),
        ("test_more_than_the_connector_lets_through_is_captured", "morning.9-tables", "More is captured than the connector reads", GREEN, ("20",), False),
    ),
    *_shown(
        "integration/test_connector_checks.py", Shown.PIPELINE,
        ("test_a_password_that_is_no_longer_right", "connectors.1-database-connectivity", "A connector's password is no longer right", "account and from where", (24,), False),
        ("test_a_topic_that_a_sink_names_wrongly", "connectors.2-topics", "A sink names a topic that nobody writes", "the topic", (5,), True),
        ("test_a_table_that_is_not_captured", "connectors.3-capture", "A table is taken out of the publication", "the table", (5,), True),
        ("test_a_permission_that_is_missing", "connectors.4-permissions-sufficient", "A connector's account lacks a right", "account and right", (24,), True),
        ("test_a_permission_that_is_too_much", "connectors.5-permissions-excessive", "A connector's account may too much", "account and right", (24,), True),
        ("test_settings_that_would_lose_changes", "connectors.6-settings", "Connectors' files that would lose changes", "connector and setting", (6, 12), False),
    ),
    *_shown(
        "integration/test_validate.py", Shown.PIPELINE,
        ("test_a_service_that_did_not_come_back", "validate.1-services", "Connect does not come back", "the service", (), True),
        ("test_a_source_that_nobody_resumed", "validate.2-connectors", "A source stays paused, or stopped", "the connector", (7,), True),
        ("test_a_sink_that_drops_deletes", "validate.3-round-trip", "A sink drops deletes", "each table: delete", (12,), False),
        ("test_updates_that_are_dropped_at_the_target", "validate.3-round-trip", "A trigger at the target drops updates, while the sink commits", "table: update", (6, 12), True),
        ("test_a_sink_that_writes_to_another_table", "validate.3-round-trip", "A sink writes to other tables", "each table: insert", (6,), False),
        ("test_a_sink_that_lags_eight_seconds", "validate.3-round-trip", "A sink lags eight seconds", "each table, and its seconds", (11,), False),
        ("test_a_row_that_differs_is_found_by_the_reconciliation_alone", "validate.4-reconciliation", "A row is changed at the target", "the table", (23,), True),
        ("test_what_nobody_declared_is_named", "validate.5-baseline", "A setting is changed that no change declares", "the setting", (), True),
        ("test_a_connector_that_flaps_and_recovers_fails_the_soak", "validate.6-soak", "A connector is paused and resumed again and again", "the connector, with times", (19,), False),
        ("test_a_service_that_was_restarted_fails_the_soak", "validate.6-soak", "A service is restarted while it is watched", "the service", (19,), False),
    ),
    *_shown(
        "integration/test_restore.py", Shown.PIPELINE,
        ("test_a_night_without_a_backup_of_ours_is_made_up_for_by_the_command", "morning.5-backups", "The newest backup of ours is three days old", "the backup", (), True),
    ),
    *_shown(
        "integration/test_staging_gate.py", Shown.PIPELINE,
        ("test_a_change_that_connect_refuses_is_stopped_before_it_is_applied", "staging.1-connector-files", "A connector's file that Connect refuses", "the file's key", (), False),
        ("test_a_change_whose_connector_fails_is_stopped_and_can_be_undone", "staging.2-connectors-applied", "A connector's file with which the task fails", "the task", (7,), True),
    ),
    *_shown(
        "integration/test_weekly.py", Shown.PIPELINE,
        ("test_a_history_is_kept_and_judged", "weekly.3-days-until-full", "A disk that will be full in days", "the file system", (14,), False),
    ),
    *_shown(
        "integration/test_maintenance.py", Shown.PIPELINE,
        ("test_a_window_from_its_plan_to_its_report", "premaintenance.1-announced", "A window that nobody announced", "the window", (), True),
        ("test_a_window_from_its_plan_to_its_report", "premaintenance.1-approved", "A window that nobody approved", "the window", (), True),
        ("test_a_window_from_its_plan_to_its_report", "premaintenance.2-staging", "A change that no gate has passed", "the change", (), False),
        ("test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands", "premaintenance.4-baseline", "A setting is changed before the window", "the setting", (), True),
        ("test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands", "premaintenance.5-reconciliation", "A row differs before the window", "the table", (23,), True),
        ("test_what_is_red_in_the_last_quarter_of_an_hour_is_mended_by_the_commands", "premaintenance.7-backup", "The backup before the window fails", "the backup", (), True),
        ("test_a_window_from_its_plan_to_its_report", "premaintenance.8-restorable", "A backup that was not seen to be restorable", "the backup", (), True),
    ),
    *_shown(
        "integration/test_soft_deletes.py", Shown.PIPELINE,
        ("test_soft_deletes_are_found_compared_and_sent_round_three_times", "validate.3-round-trip", "A sink only marks rows as deleted", GREEN, ("05",), False),
    ),
    *_shown(
        "integration/test_connectors.py", Shown.PIPELINE,
        ("test_a_resume_over_a_gap_is_refused", "morning.8-replication-slots", "A connector's slot loses its log while it is stopped", "the slot: WAL lost", (4,), False),
        ("test_a_resume_over_a_gap_is_refused", "cdcproof connectors resume", "A connector's slot is gone while it is paused", "the connector and the gap", (4,), False),
        ("test_a_snapshot_that_fails_and_begins_anew_for_ever_is_a_failure", "cdcproof connectors snapshot", "A snapshot fails, and begins anew for ever", "the connector and the error", (21,), False),
    ),
    *_shown(
        "integration/test_in_flight.py", Shown.PIPELINE,
        ("test_what_is_lost_is_reported_by_every_run_and_nothing_else", "cdcproof reconcile", "Rows are lost under steady writes", "each key", (6,), False),
        ("test_behind_a_connector_that_is_paused_nothing_is_known_of_what_differs", "cdcproof reconcile", "A connector is paused while tables are compared", "the connector, not the rows", (7,), False),
    ),
    *_shown(
        "observations/test_capture_job.py", Shown.SQL_SERVER,
        ("test_each_fault_and_nothing_else_is_red", "morning.7-capture-job", "The Agent is stopped", "SQL Server Agent", (2,), False),
        ("test_each_fault_and_nothing_else_is_red", "morning.7-capture-job", "The capture job is stopped, disabled, or scans with errors", "the job", (1,), False),
        ("test_each_fault_and_nothing_else_is_red", "morning.7-capture-job", "A job is missing in msdb, as after a failover", "the job", (3,), False),
        ("test_each_fault_and_nothing_else_is_red", "morning.7-capture-job", "The clean-up failed, or is absent", "the job", (17,), False),
        ("test_each_fault_and_nothing_else_is_red", "morning.7-capture-job", "Unread changes are cleaned up in seven hours", "the connector and its hours", (4,), False),
        ("test_a_log_that_fills_because_it_is_not_read_is_a_concern", "morning.7-capture-job", "The log is 80 % full, and waits for REPLICATION", "the log", (14,), False),
        ("test_a_missing_right_is_not_checked_with_the_command_that_grants_it", "morning.7-capture-job", "The checks may not see the server's state", "the right", (24,), False),
        ("test_the_action_mends_what_was_found", "morning.7-capture-job", "What the Action offers for each of these", "-", (1, 2, 3, 17), False),
    ),
    *_shown(
        "connectors/test_retention.py", Shown.SQL_SERVER,
        ("test_every_capture_instance_must_reach_back", "cdcproof connectors resume", "A capture instance begins behind the connector's position", "the table", (4,), False),
        ("test_a_position_beyond_the_end_of_the_log_is_of_another_history", "cdcproof connectors resume", "The position is beyond the end of the log", "the connector", (10,), False),
    ),
    *_shown(
        "observations/test_backups.py", Shown.MADE,
        ("test_the_check_is_red_on_a_night_without_a_backup_and_green_after_one", "morning.5-backups", "A night without a backup", "the folder", (), False),
    ),
    *_shown(
        "clients/test_kafka.py", Shown.SERVER,
        ("test_a_port_that_accepts_and_stays_silent_ends_at_the_deadline", "morning.6-kafka-answers", "A broker that accepts and stays silent", "its address", (), False),
    ),
    *_shown(
        "clients/test_schema_registry.py", Shown.SERVER,
        ("test_another_service_at_the_address_is_unexpected", "morning.6-registry-answers", "Another service at the registry's address", "its address", (), False),
    ),
    *_shown(
        "observations/test_next_schema.py", Shown.MADE,
        ("test_what_the_next_schema_would_meet", "morning.9-registry", "A compatibility that refuses the next schema", "the subject", (22,), False),
        ("test_a_registry_that_was_closed_is_opened_by_the_command", "morning.9-registry", "The registry is read-only", "the subject", (22,), True),
    ),
    *_shown(
        "observations/test_topics.py", Shown.MADE,
        ("test_what_is_wrong_is_named_with_what_would_be_right", "morning.9-topics", "A schema history that is compacted, is cut off, or has two partitions; no leader", "the topic", (13, 18), False),
        ("test_missing_replicas_that_keep_nobody_waiting_are_a_risk", "morning.9-topics", "A replica is out of sync", "topic and partitions", (18,), False),
        ("test_a_schema_history_that_is_gone_is_a_finding_and_another_topic_that_is_gone_is_not", "morning.9-topics", "The schema history is gone", "the topic", (13,), False),
    ),
    *_shown(
        "observations/test_sink_lag.py", Shown.MADE,
        ("test_records_that_retention_deleted_unread", "morning.7-sink-lag", "Records are deleted before the sink reads them", "the group and their number", (15,), False),
        ("test_a_group_that_was_looked_at_in_another_cluster_than_its_sinks", "morning.7-sink-lag", "The pipeline file names another Kafka than Connect's, with groups of the same names", "the group and both clusters", (), False),
        ("test_a_record_dated_into_the_future_has_no_age", "morning.7-sink-lag", "The clock that dates records is ahead", "topic and partition", (25, "clock_ahead"), False),
    ),
    *_shown(
        "observations/test_slots.py", Shown.MADE,
        ("test_the_slot_of_a_connector_that_does_not_run_must_keep_its_log_all_the_same", "morning.8-replication-slots", "The slot of a connector that does not run has lost its log", "the slot", (4,), False),
    ),
    *_shown(
        "observations/test_source_lag.py", Shown.MADE,
        ("test_a_position_beyond_the_end_of_the_log_is_of_another_time", "morning.7-source-lag", "The position is beyond the end of the source's log", "the connector", (10,), False),
        ("test_sql_server_reports_the_age_of_what_was_not_read", "morning.7-source-lag", "SQL Server: changes that nobody has read grow old", "the connector and its seconds", (1,), False),
    ),
    *_shown(
        "observations/test_source_history.py", Shown.MADE,
        ("test_a_history_that_was_reconciled_is_in_order_and_another_one_is_not", "morning.7-source-lag", "The source was restored, or failed over, since it was reconciled", "the history, and tables not compared since", (10,), False),
    ),
    *_shown(
        "observations/test_freshness.py", Shown.MADE,
        ("test_each_case", "morning.7-freshness", "No heartbeat, an old one, one of the future", "the heartbeat's table", (1, 25), False),
    ),
    *_shown(
        "observations/test_exporter_page.py", Shown.MADE,
        ("test_a_copy_and_a_clock_that_is_ahead_are_not", "morning.4-metrics-connectors", "The exporter's page is a copy, or of a clock that is ahead", "the page", (11, 25, "stale_exporter"), False),
    ),
    *_shown(
        "connectors/test_settings.py", Shown.MADE,
        ("test_a_source_that_leaves_changes_out", "morning.9-connector-settings", "A source skips events that it cannot process, or operations", "connector and setting", (16,), False),
        ("test_transforms_that_drop_deletes", "morning.9-connector-settings", "A transform drops deletes", "connector and transform", (12,), False),
        ("test_what_loses_only_when_something_else_breaks_is_a_risk", "morning.9-connector-settings", "errors.tolerance = all, without a dead letter topic", "connector and setting", (6, 16), False),
    ),
    *_shown(
        "observations/test_reports.py", Shown.MADE,
        ("test_a_match_of_nothing_is_not_a_match", "morning.3-reconciliation", "A report of no rows", "the table", (8,), False),
        ("test_counting_rows_does_not_clear_a_difference_of_contents", "morning.3-reconciliation", "A later run that only counts excuses a mismatch of contents", "the table", (8, "counts_hide_contents"), False),
        ("test_a_report_of_another_pipeline_excuses_nothing_and_spoils_nothing", "morning.3-reconciliation", "A report of other servers whose databases have the same names", "the table", (8, "foreign_report"), False),
        ("test_a_report_of_the_server_that_was_there_before_says_nothing_about_the_new_one", "morning.3-reconciliation", "A report of the server that was there before", "the table", (8, 10), False),
    ),
    *_shown(
        "remedies/test_remedies.py", Shown.MADE,
        ("test_a_slot_that_a_connector_reads_is_never_offered_to_be_dropped", "morning.8-replication-slots", "The connector is away from its slot for a moment", "the slot, which is not offered to be dropped", ("slot_advice",), False),
    ),
    *_shown(
        "environments/test_live.py", Shown.MADE,
        ("test_a_compose_service_of_several_containers_is_a_wrong_file_that_names_them_and_not_down", "every look at a container", "A container that Compose gave another name", "the containers, never down", ("23",), False),
    ),
    *_shown(
        "observations/test_weekly_metrics.py", Shown.SERVER,
        ("test_a_week_of_failures_is_red_until_it_is_over", "weekly.1-failures", "A week with failures", "the counter", (19,), False),
        ("test_a_slow_week_is_red_until_it_is_over", "weekly.1-lag", "A week of lag", "the connector", (11,), False),
    ),
    *_shown(
        "backup/test_weekly_actions.py", Shown.SERVER,
        ("test_a_night_without_a_backup_is_made_up_for_by_the_commands", "weekly.2-backup-log", "A night without a backup", "the night", (), True),
        ("test_a_night_without_a_backup_is_made_up_for_by_the_commands", "weekly.2-backup-age", "A night without a backup", "the folder", (), True),
        ("test_a_night_without_a_backup_is_made_up_for_by_the_commands", "weekly.2-uploads", "A backup that was not uploaded", "the backup", (), True),
    ),
    *_shown(
        "observations/test_certificates.py", Shown.SERVER,
        ("test_a_server_whose_certificate_ends_soon_is_red_until_it_was_renewed", "weekly.4-certificates", "A server's certificate ends within days", "the server, and the days left", (24,), False),
        ("test_an_intermediate_that_ends_before_the_server_s_own_is_red_until_it_was_replaced", "weekly.4-certificates", "An intermediate certificate ends before the server's own", "the server, the intermediate, and the days left", (24,), False),
        ("test_our_own_certificate_is_renewed_by_the_request_that_is_offered", "weekly.4-certificates", "Our own certificate for Kafka has ended", "the file, and since when", (24,), True),
    ),
    *_shown(
        "observations/test_capacity.py", Shown.MADE,
        ("test_a_growth_above_it_is_red_and_named", "weekly.3-source-growth", "A table grows faster than planned", "the table", (), False),
        ("test_a_topic_that_grew_is_red_and_named", "weekly.3-topic-growth", "A topic grows faster than planned", "the topic", (), False),
    ),
    *_shown(
        "observations/test_images.py", Shown.SERVER,
        ("test_what_was_not_pulled_and_made_anew_is_by_the_commands", "monthly.1-images", "A container of another image than the compose file names", "the service", (), True),
        ("test_what_was_not_pulled_and_made_anew_is_by_the_commands", "monthly.1-newer-images", "An image that was pulled and is not used", "the service", (), True),
        ("test_the_registries_are_asked_for_newer_tags", "monthly.1-newer-tags", "A newer tag at the registry", "the image", (), False),
    ),
    *_shown(
        "observations/test_advisories.py", Shown.MADE,
        ("test_a_package_with_an_advisory_is_red_until_it_was_replaced", "monthly.1-advisories", "A package with an advisory", "the package", (), False),
    ),
    *_shown(
        "monitoring/test_monthly.py", Shown.SERVER,
        ("test_the_month_is_judged", "monthly.2-performance", "A month slower than the one before", "what is slower", (), False),
    ),
    *_shown(
        "observations/test_monthly.py", Shown.MADE,
        ("test_a_drill_is_recorded_by_the_command_that_is_advised", "monthly.3-recovery-drill", "A quarter without a drill of recovery", "the drill", (), False),
    ),
    *_shown(
        "maintenance/test_checklist.py", Shown.MADE,
        ("test_a_file_that_was_edited_since_is_named", "premaintenance.3-rollback-files", "A rollback file that was edited since", "the file", (), False),
        ("test_diagnostics_that_hold_nothing_are_red", "premaintenance.6-diagnostics", "Diagnostics that hold nothing", "the archive", (), False),
    ),
    *_shown(
        "onboarding/test_discovery_shapes.py", Shown.MADE,
        ("test_tables_topics_and_targets", "cdcproof init", "Topics with characters that Kafka has not, lists in another case, unknown transforms, a worker's prefix", "tables, topics and targets as they are", ("06", "07", "13", "18"), False),
        ("test_another_database_of_the_same_connector_is_said_and_can_be_chosen", "cdcproof init", "A connector of several databases", "the other database", ("08",), False),
        ("test_a_url_of_which_nothing_is_in_clear_still_gives_a_file", "cdcproof init", "A URL that the worker fills in", "what is to be filled in", ("09",), False),
        ("test_of_two_pipelines_on_one_connect_the_sink_is_that_which_reads_the_source", "cdcproof init", "Two pipelines on one Connect", "the other's connectors", ("10",), False),
        ("test_every_further_copy_of_a_topic_is_said_and_can_be_chosen", "cdcproof init", "Two sinks copy a topic to two tables", "the second table", ("11",), False),
        ("test_a_connector_that_does_not_say_its_kind_is_known_by_its_class", "cdcproof init", "A connector that does not say its type", "the connector", ("35g",), False),
    ),
    *_shown(
        "clients/test_java_expressions.py", Shown.MADE,
        ("test_what_java_writes_in_its_own_way_is_read", "cdcproof init", "Java's own expressions in a router", "the tables", ("14",), False),
    ),
    *_shown(
        "onboarding/test_column_rules.py", Shown.MADE,
        ("test_what_the_configurations_say_of_columns", "cdcproof init", "Columns that are left out, renamed or masked on their way", "the columns", ("15",), False),
    ),
    *_shown(
        "connectors/test_jdbc_url.py", Shown.MADE,
        ("test_the_parts_of_a_url_are_read", "cdcproof init", "A URL with an IPv6 address, two hosts, a quoted name", "host, port and database", ("17",), False),
    ),
    *_shown(
        "onboarding/test_access.py", Shown.SERVER,
        ("test_partitions_and_the_table_that_they_make_are_there_and_captured", "cdcproof check-config", "Tables that are partitions", GREEN, ("21",), False),
    ),
    *_shown(
        "clients/test_compose_2.py", Shown.MADE,
        ("test_a_variable_of_the_env_file_beside_it_is_what_would_start", "cdcproof change classify", "A variable of the .env file changes the image", "the upgrade", ("24",), False),
        ("test_processors_are_numbers_and_a_plain_yes_is_a_text", "cdcproof change classify", "Processors and a plain yes", GREEN, ("25",), False),
        ("test_included_files_count_and_each_file_is_laid_over_those_before_it", "cdcproof change classify", "Several compose files", "nothing but what differs", ("26",), False),
        ("test_a_network_is_its_name_and_a_range_of_ports_is_each_of_them", "cdcproof change classify", "A network with a name of its own, a range of ports", "the new port", ("27",), False),
        ("test_services_that_extend_each_other_are_refused_in_composes_words", "cdcproof change classify", "Services that extend each other", "the file", ("29",), False),
    ),
    *_shown(
        "cli/reconcile/test_repair_of_whole_rows.py", Shown.SERVER,
        ("test_no_row_is_inserted_that_would_lack_what_its_sink_writes", "cdcproof reconcile repair", "A row whose columns were left out is missing", "the row, which is refused", ("01",), False),
        ("test_a_key_that_is_always_generated_is_overridden", "cdcproof reconcile repair", "A key that is always generated", "the row", ("35c",), False),
    ),
    *_shown(
        "reconcile/test_tables.py", Shown.SERVER,
        ("test_nothing_but_the_key_compared_is_no_match", "cdcproof reconcile", "Nothing but the key can be compared", "the columns left out", ("02",), False),
        ("test_columns_of_other_names_at_the_target_are_hinted_at", "cdcproof reconcile", "Columns have other names at the target", "columns, and the rename", ("32",), False),
        ("test_a_column_that_the_target_lacks_is_a_mismatch", "cdcproof reconcile", "A column is not at the target", "the column", (9, "column_without_a_word"), False),
    ),
    *_shown(
        "databases/postgresql/test_database.py", Shown.SERVER,
        ("test_a_table_without_columns_is_not_a_missing_one", "every look at a database", "A table without columns", "the table", ("35f",), False),
    ),
    *_shown(
        "reconcile/plan/test_calibration.py", Shown.SERVER,
        ("test_a_server_that_errs_is_found_out_and_the_type_and_value_named", "cdcproof reconcile", "A server encodes a value in another way", "type and value", ("03",), False),
    ),
    *_shown(
        "reconcile/test_types_that_sinks_make.py", Shown.SERVER,
        ("test_one_value_changed_in_any_column_is_named", "cdcproof reconcile", "Types as sinks write them, one value changed", "the column", (9, "04"), False),
    ),
    *_shown(
        "databases/postgresql/test_pooler.py", Shown.SERVER,
        ("test_what_else_a_pooler_refuses_is_named_and_the_server_asked_for", "every look at a database", "A pooler that refuses a session's settings", "the pooler", ("34",), False),
    ),
    *_shown(
        "reconcile/report/test_result.py", Shown.MADE,
        ("test_a_report_of_another_format_is_called_that", "cdcproof reconcile repair", "A report of another format", "the report's version", ("35d",), False),
    ),
    *_shown(
        "reconcile/in_flight/test_position_fence.py", Shown.MADE,
        ("test_a_connector_whose_heartbeat_stands_still_is_stuck_and_not_idle", "cdcproof reconcile", "A source connector cannot hand on what it has read", "the connector, not the rows", (1, "stuck_producer"), False),
    ),
    *_shown(
        "connectors/test_definition.py", Shown.MADE,
        ("test_a_byte_order_mark_is_no_part_of_the_file", "cdcproof connectors validate", "A file with a byte order mark", GREEN, ("35a",), False),
        ("test_the_initial_state_is_kept", "cdcproof connectors validate", "A file with an initial state", GREEN, ("35b",), False),
    ),
    *_shown(
        "clients/test_http_limits.py", Shown.SERVER,
        ("test_an_answer_that_does_not_end_counts_as_none", "every look by HTTP", "An answer that comes byte by byte", "the address", ("slow_answers",), False),
        ("test_an_answer_that_is_too_long_is_refused", "every look by HTTP", "An answer of hundreds of megabytes", "the address", ("slow_answers",), False),
    ),
)
# fmt: on

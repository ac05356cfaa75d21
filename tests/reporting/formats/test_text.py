from __future__ import annotations

from cdcproof.findings import Difference, Verdict
from cdcproof.reporting.formats import text
from tests.reporting.runs import record_of, run_of

LONG = "org.postgresql.util.PSQLException: relation orders is locked by another transaction which does not end"


def test_a_block_aligns_several_differences_and_wraps_prose_but_not_commands() -> None:
    command = "curl -X POST 'http://connect:8083/connectors/sink/restart?includeTasks=true&onlyFailed=true'"
    record = record_of(
        "morning.2-connectors",
        Verdict.FAILED,
        differences=(Difference("sink/0", "RUNNING", "FAILED", LONG), Difference("source", "RUNNING", "absent")),
        action=(command, "second"),
    )

    assert text.block(record).splitlines() == [
        "FAILED  morning.2-connectors  The title of morning.2-connectors",
        "",
        "Expected  sink/0  RUNNING",
        "          source  RUNNING",
        "Found     sink/0  FAILED",
        "            org.postgresql.util.PSQLException: relation orders is locked by",
        "              another transaction which does not end",
        "          source  absent",
        f"Action    {command}",
        "          second",
        "Runbook   docs/RUNBOOK.md#morning-2-connectors",
    ]


def test_a_check_of_a_project_s_own_has_no_place_in_our_runbook() -> None:
    assert "Runbook" not in text.block(record_of("morning.own-1-version", Verdict.FAILED, "x"))
    assert record_of("morning.owners").runbook == "docs/RUNBOOK.md#morning-owners"


def test_prose_stays_within_80_columns() -> None:
    record = record_of("morning.x", Verdict.NOT_CHECKED, reason=LONG * 3, differences=(Difference("a", LONG, LONG),))

    body = text.block(record).splitlines()[1:]

    assert max(len(line) for line in body) <= text.COLUMNS


def test_forty_differences_do_not_fill_the_screen() -> None:
    block = text.block(record_of("morning.x", Verdict.FAILED, *(f"t{n}" for n in range(40))))

    assert "… and 30 more, in the report" in block
    assert "t39" not in block


def test_the_most_urgent_comes_first_and_the_blocked_share_a_line() -> None:
    run = run_of(
        record_of("m.a"),
        record_of("m.b", Verdict.WARNED),
        record_of("m.c", Verdict.BLOCKED, blocked_by="m.f"),
        record_of("m.d", Verdict.BLOCKED, blocked_by="m.f"),
        record_of("m.e", Verdict.NOT_CHECKED),
        record_of("m.f", Verdict.FAILED),
    )

    assert [r.step for r in text.needing_attention(run)] == ["m.f", "m.e", "m.b"]
    assert text.blocked_lines(run) == ["BLOCKED  by m.f: m.c, m.d"]
    assert text.totals(run) == "NOT GREEN: 1 passed, 1 warned, 1 failed, 1 not checked, 2 blocked in 4.2 s"


def test_the_overview_has_a_line_per_check_of_at_most_80_columns() -> None:
    run = run_of(record_of("morning.1-services", title="Every expected service is up, " * 5), record_of("morning.x"))

    lines = text.overview(run)

    assert len(lines) == 2
    assert max(map(len, lines)) <= text.COLUMNS


def test_changes_since_the_last_run() -> None:
    before = run_of(
        record_of("m.a"),
        record_of("m.b", Verdict.FAILED, "x", "y"),
        record_of("m.c", Verdict.FAILED, "x"),
        record_of("m.gone"),
    )
    now = run_of(
        record_of("m.a", Verdict.FAILED, "x"),
        record_of("m.b", Verdict.FAILED, "y", "z"),
        record_of("m.c", Verdict.FAILED, "x"),
        record_of("m.new"),
    )

    assert text.changes(before, now) == [
        "m.a: passed → failed",
        "m.b: also z",
        "m.b: no longer x",
        "m.new: not run → passed",
        "Not run this time: m.gone",
    ]
    assert text.changes(now, now) == ["Nothing has changed since the last run."]
    assert text.changes(None, now) == ["This is the first run kept here; there is nothing to compare with."]

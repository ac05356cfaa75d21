"""Which runs are sent, and what a message says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cdcproof.core.secrets import REDACTED, known
from cdcproof.findings import Verdict
from cdcproof.pipeline.notification import Notify
from cdcproof.reporting.formats.message import MOST_CHARACTERS, is_wanted, message
from tests.reporting.runs import record_of, run_of

RULES = Notify(urls_env="URLS")
GREEN = run_of(record_of("morning.a"), record_of("morning.b", Verdict.WARNED, "x"))
RED = run_of(record_of("morning.a"), record_of("morning.b", Verdict.FAILED, "sink/0"))


@pytest.mark.parametrize(
    ("what", "run", "sent"),
    [
        ("a green morning", GREEN, True),
        ("a red morning", RED, True),
        ("a part of a morning that is right", replace(GREEN, missing=("morning.c",), parts=("morning",)), False),
        ("a part of a morning that is red", replace(RED, missing=("morning.c",), parts=("morning",)), True),
        ("a green week", run_of(record_of("weekly.a")), False),
        ("a week that was not checked", run_of(record_of("weekly.a", Verdict.NOT_CHECKED)), True),
        ("a week that is warned", run_of(record_of("weekly.a", Verdict.WARNED)), False),
        ("a gate with a check of another suite that failed", run_of(record_of("staging.a"), record_of("validate.b", Verdict.FAILED)), True),
        ("another suite", run_of(record_of("drill.a", Verdict.FAILED)), False),
    ],
)  # fmt: skip
def test_which_runs_are_sent(what: str, run, sent: bool) -> None:
    assert is_wanted(RULES, run) is sent


def test_suites_and_verdicts_are_the_pipelines_to_choose() -> None:
    rules = Notify(urls_env="URLS", every_run_of=(), red_runs_of=("weekly",), verdicts=("warned",))

    assert not is_wanted(rules, GREEN)
    assert not is_wanted(rules, RED)
    assert is_wanted(rules, run_of(record_of("weekly.a", Verdict.WARNED)))
    assert not is_wanted(rules, run_of(record_of("weekly.a", Verdict.FAILED)))


def test_a_message_says_the_worst_first_and_where_the_rest_is() -> None:
    sent = message(RED, ["morning.b: passed → failed"], "reports/morning.html")

    assert sent.title.startswith("NOT GREEN: morning of example (live), ")
    lines = sent.body.splitlines()
    assert lines[0] == "NOT GREEN: 1 passed, 1 failed in 4.2 s"
    assert "- morning.b: passed → failed" in lines
    assert "FAILED  morning.b  The title of morning.b" in lines
    assert "  sink/0: expected RUNNING, found FAILED" in lines
    assert lines[-2:] == [
        "The whole report: reports/morning.html",
        "What to do about a finding: cdcproof remedy STEP --pipeline example",
    ]


def test_a_green_morning_has_a_line_for_each_of_the_runbooks_steps() -> None:
    run = run_of(
        record_of("morning.1-services"),
        record_of("morning.5-disk", Verdict.WARNED, "/data"),
        record_of("morning.9-topics"),
    )
    body = message(run, ["Nothing has changed since the last run."], "reports/morning.html").body

    assert body.startswith("GREEN: 2 passed, 1 warned in 4.2 s\n\n- Nothing has changed since the last run.\n")
    assert body.count("PASSED  morning.1-services  The title of morning.1-services") == 1
    assert body.count("WARNED  morning.5-disk") == 1
    assert "morning.9-topics" not in body


def test_a_part_is_called_one() -> None:
    assert message(replace(RED, missing=("morning.c",)), [], "x").title.startswith(
        "NOT GREEN: part of morning of example"
    )


def test_a_message_fits_into_a_chat_and_names_the_report_all_the_same() -> None:
    steps = [
        record_of(f"morning.{number}", Verdict.FAILED, *(f"subject {n} {'x' * 200}" for n in range(9)))
        for number in range(60)
    ]
    sent = message(run_of(*steps), [f"change {number} {'y' * 300}" for number in range(40)], "reports/morning.html")

    assert len(sent.body) <= MOST_CHARACTERS
    assert "The whole report: reports/morning.html" in sent.body
    assert max(map(len, sent.body.splitlines())) <= 300


def test_nothing_secret_is_in_a_message() -> None:
    known(["canary secret"])
    record = record_of(
        "morning.a", Verdict.FAILED, "canary secret", reason="password=hunter2", title="with canary%20secret in it"
    )
    sent = message(run_of(record, pipeline="canary secret"), ["canary secret"], "/home/canary secret/morning.html")

    for text in (sent.title, sent.body):
        assert "canary" not in text
        assert "hunter2" not in text
    assert REDACTED in sent.body


def test_the_cut_comes_after_the_secret_is_gone() -> None:
    known(["abcdefghij" * 5])
    changes = ["abcdefghij" * 5 + "z" * pad for pad in range(40)]
    steps = [record_of(f"morning.{n}", Verdict.FAILED, "abcdefghij" * 5 + "z" * (180 + n)) for n in range(60)]
    assert "abcdefgh" not in message(run_of(*steps), changes, "x").body

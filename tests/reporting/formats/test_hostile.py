"""What comes from outside (names, traces, evidence) steers no terminal and no page, however it is written."""

from __future__ import annotations

import json

import pytest

from cdcproof.cli.main import main
from cdcproof.clients.connect.client import Connect
from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.core.output import harmless
from cdcproof.findings import Verdict
from cdcproof.pipeline.model import ConnectService
from cdcproof.reporting.formats import ctrf, html_pages, text
from cdcproof.reporting.formats.summary import summarize
from cdcproof.reporting.judge import scrubbed
from cdcproof.reporting.record import Evidence, table
from tests.canned import serving
from tests.reporting.runs import record_of, run_of

ATTACK = "a\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp.exe<script>alert(1)</script>"


def is_tame(shown: str) -> bool:
    return not any(c in shown for c in "\x1b\x07\r\x9b\u202e")


def test_a_terminal_is_not_steered_by_names_and_traces() -> None:
    record = scrubbed(
        record_of(
            "morning.a", Verdict.FAILED, ATTACK, reason=ATTACK, action=(ATTACK,), evidence=(Evidence(ATTACK, ATTACK),)
        )
    )
    run = run_of(record)
    shown = "\n".join([text.block(record), *text.overview(run, 200), ctrf.of_run(run)])
    assert "\\x1b]0;owned\\x07" in text.block(record)
    assert is_tame(shown)
    assert is_tame(json.dumps(record.as_dict(), ensure_ascii=False))
    assert is_tame(table([{"name": ATTACK}]))


def test_no_page_runs_a_script_of_a_name() -> None:
    run = run_of(scrubbed(record_of("morning.a", Verdict.FAILED, ATTACK, evidence=(Evidence(ATTACK, ATTACK),))))
    summary = html_pages.summary_page(summarize(run, [ATTACK], "page.html"))
    report = html_pages.report_page(run, [ATTACK], "", [ATTACK])
    for page in (summary, report):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


def test_lines_tabs_and_letters_stay_as_they_are() -> None:
    assert harmless("grüße\t1\näöå\r\nnext 表") == "grüße\t1\näöå\nnext 表"


def test_an_error_on_the_screen_is_tame(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "--pipeline", "no-such-\x1b[2J.toml"]) == 2
    assert is_tame(capsys.readouterr().err.replace("\r", ""))


def test_an_answer_that_is_nested_without_measure_is_no_answer() -> None:
    with serving(
        {"GET /": (200, b"[" * 500_000), "GET /connectors?expand=status&expand=info": (200, b'{"a":' * 500_000)}
    ) as server:
        connect = Connect(ConnectService(url=server.url))
        with pytest.raises(UnexpectedAnswerError, match="did not answer with JSON"):
            connect.version()
        with pytest.raises(UnexpectedAnswerError, match="did not answer with JSON"):
            connect.states()

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.cli.main import main
from cdcproof.findings import Verdict
from cdcproof.reporting.formats.html_pages import report_page, summary_page
from cdcproof.reporting.formats.summary import summarize
from cdcproof.reporting.record import Evidence
from tests.reporting.runs import record_of, run_of

MARKUP = "<script>alert(1)</script>"


def _red():
    return run_of(
        record_of("morning.1-services", Verdict.FAILED, "kafka-connect (connect)", action=("docker restart x",)),
        record_of("morning.2-connectors", Verdict.BLOCKED, blocked_by="morning.1-services", evidence=()),
        record_of(
            "morning.3-reconciliation", evidence=(Evidence("Report", "\n".join(f"line {n}" for n in range(99))),)
        ),
        record_of("morning.9-tables", title=MARKUP, evidence=(Evidence(MARKUP, MARKUP),)),
    )


def test_the_text_is_a_page_of_80_columns_with_what_changed_first() -> None:
    page = summarize(_red(), ["morning.1-services: passed → failed"], "/a/" + "long/" * 20 + "morning.html").as_text()
    lines = page.splitlines()

    assert max(len(line) for line in lines[:-2]) <= 80
    assert len(lines) < 60
    assert lines[0].startswith("Daily health check of example (live), 20")
    assert page.index("passed → failed") < page.index("FAILED  morning.1-services") < page.index("Further checks")
    assert "  … and 91 more lines, in the report" in page
    assert "  kafka-connect (connect): expected RUNNING, found FAILED" in page


def test_markdown_shows_what_was_seen_as_code() -> None:
    page = summarize(_red(), ["x"], "r").as_markdown()

    assert page.startswith("# Daily health check")
    assert "## FAILED  morning.1-services" in page
    assert "    source  RUNNING" in page


def test_pages_show_everything_and_take_no_markup_from_what_was_seen() -> None:
    for page in (report_page(_red(), ["x"], ".."), summary_page(summarize(_red(), ["x"], "r"))):
        assert MARKUP not in page
        assert "&lt;script&gt;" in page
        assert "kafka-connect (connect)" in page
        assert "http://" not in page
        assert "https://" not in page
    assert "docker restart x" in report_page(_red(), ["x"], "..")
    assert 'href="../docs/RUNBOOK.md#morning-1-services"' in report_page(_red(), ["x"], "..")


def test_the_command_prints_the_latest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.txt").write_text("the page\n")
    (tmp_path / "summary.md").write_text("# the page\n")
    (tmp_path / "summary.html").write_text("<p>")

    for arguments, told in [
        ([], "the page\n"),
        (["--format", "markdown"], "# the page\n"),
        (["--format", "html"], f"{tmp_path / 'summary.html'}\n"),
    ]:
        assert main(["summary", "--reports-dir", str(tmp_path), *arguments]) == 0
        assert capsys.readouterr().out == told


def test_without_a_summary_the_command_says_how_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--reports-dir", str(tmp_path)]) == 3
    assert "It is written by: pytest -m morning" in capsys.readouterr().err

"""Records from what a check raised: every verdict with its words."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import date, datetime

import pytest

from cdcproof.core.errors import CdcproofError, CouldNotLookError, UsageError
from cdcproof.core.secrets import Secret
from cdcproof.findings import Concern, Difference, Finding, Verdict
from cdcproof.pipeline.model import Waiver
from cdcproof.reporting.judge import EvidenceBook, blocked, failed_afterwards, judge, scrubbed
from cdcproof.reporting.record import Evidence, StepRecord
from cdcproof.reporting.steps import Step

NOON = datetime(2026, 3, 4, 12, 0).astimezone().timestamp()
STEP = Step("morning.2-connectors", "Every connector is RUNNING.", "critical", (), "checks/morning/test_2.py::test")
PASSED = StepRecord(
    step="morning.2-connectors",
    title="Every connector is RUNNING.",
    suite="morning",
    severity="critical",
    verdict=Verdict.PASSED,
    started_at=NOON,
    duration_seconds=1.235,
    evidence=(Evidence("Connectors", "sink RUNNING"),),
)
LATE = Difference("sink", "RUNNING", "FAILED", "a line of its trace")


def judged(raised: BaseException | None, waiver: Waiver | None = None, *, seen: str = "sink RUNNING") -> StepRecord:
    book = EvidenceBook()
    book.saw("Connectors", seen)
    return judge(STEP, raised, book, waiver, started_at=NOON, duration_seconds=1.23456)


def waiver(expires: date) -> Waiver:
    return Waiver(step=STEP.id, reason="the vendor is on it", expires=expires)


def raised(error: BaseException) -> BaseException:
    """With a traceback."""
    try:
        raise error  # noqa: TRY301  for its traceback
    except BaseException as caught:  # noqa: BLE001
        return caught


def test_a_check_that_ran_to_its_end_passed():
    assert judged(None) == PASSED


def test_a_finding_is_a_failure_with_its_differences_and_action():
    assert judged(Finding((LATE,), ("cdcproof connectors restart sink",))) == replace(
        PASSED, verdict=Verdict.FAILED, differences=(LATE,), action=("cdcproof connectors restart sink",)
    )


def test_a_concern_is_a_warning():
    assert judged(Concern((LATE,), ("look",))) == replace(
        PASSED, verdict=Verdict.WARNED, differences=(LATE,), action=("look",)
    )


def test_what_could_not_be_observed_is_not_checked_and_its_sentences_are_comments_between_commands():
    remedy = "start Connect, then\ncdcproof status\npsql -c 'SELECT 1'\nsqlcmd -Q 'SELECT 1'\n# advice\npsqlx"

    assert judged(CouldNotLookError("Connect does not answer", remedy)) == replace(
        PASSED,
        verdict=Verdict.NOT_CHECKED,
        reason="Connect does not answer",
        action=(
            "# start Connect, then",
            "cdcproof status",
            "psql -c 'SELECT 1'",
            "sqlcmd -Q 'SELECT 1'",
            "# advice",
            "# psqlx",
        ),
    )


@pytest.mark.parametrize("error", [CdcproofError("no"), UsageError("no"), CouldNotLookError("no")])
def test_every_error_of_ours_is_not_checked(error):
    assert judged(error) == replace(PASSED, verdict=Verdict.NOT_CHECKED, reason="no")


@pytest.mark.parametrize(
    ("assertion", "found"),
    [(AssertionError(" 3 == 4 "), "3 == 4"), (AssertionError(), "it does not"), (AssertionError("  "), "it does not")],
)
def test_a_bare_assertion_is_a_failure(assertion, found):
    assert judged(assertion) == replace(
        PASSED, verdict=Verdict.FAILED, differences=(Difference("", "the check's assertion holds", found),)
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("lag"), "KeyError: 'lag'"),
        (ValueError("\nfirst line\nsecond line"), "ValueError: first line"),
        (ValueError("  "), "ValueError: no message"),
        (RuntimeError(), "RuntimeError: no message"),
    ],
)
def test_an_error_of_the_check_itself_is_not_checked_and_keeps_its_traceback(error, words):
    error = raised(error)

    assert judged(error) == replace(
        PASSED,
        verdict=Verdict.NOT_CHECKED,
        reason=f"internal error: {words} (please report it; the traceback is in the HTML report)",
        evidence=(
            Evidence("Connectors", "sink RUNNING"),
            Evidence("Traceback", "".join(traceback.format_exception(error))),
        ),
    )


@pytest.mark.parametrize("seen", ["", "  \n"])
def test_a_check_that_looked_at_nothing_failed(seen):
    record = judged(None, seen=seen)

    assert record.verdict is Verdict.FAILED
    assert record.differences == (Difference("", "something to look at", "the check looked at nothing"),)


def test_a_check_that_raised_before_it_looked_fails_by_what_it_raised():
    assert judged(Finding((LATE,)), seen="").differences == (LATE,)


def test_rows_that_were_seen_become_a_table():
    book = EvidenceBook()
    book.saw("Topics", [{"topic": "a", "records": 1}])
    book.saw("Lag", [])

    assert book.pages == [Evidence("Topics", "topic  records\na      1"), Evidence("Lag", "")]
    assert book.looked_at_something


def test_pages_are_kept_each_by_its_title():
    book = EvidenceBook()
    book.saw_each({})
    assert not book.looked_at_something
    book.saw_each({"Topics": [{"topic": "a"}], "Log": "a line"})
    assert book.pages == [Evidence("Topics", "topic\na"), Evidence("Log", "a line")]


class TestWaivers:
    def test_it_excuses_a_failure_to_its_last_day(self):
        for day in (date(2026, 3, 4), date(2026, 3, 5)):
            assert judged(Finding((LATE,), ("act",)), waiver(day)) == replace(
                PASSED,
                verdict=Verdict.WAIVED,
                differences=(LATE,),
                action=("act",),
                reason=f"the vendor is on it (until {day})",
            )

    @pytest.mark.parametrize("error", [None, Concern((LATE,))])
    def test_it_can_go_when_the_check_is_green(self, error):
        record = judged(error, waiver(date(2026, 3, 5)))

        assert record == replace(judged(error), reason="no longer fails: its waiver (until 2026-03-05) can go")

    def test_it_does_not_excuse_what_could_not_be_observed(self):
        error = CouldNotLookError("no answer")

        assert judged(error, waiver(date(2026, 3, 5))) == judged(error)

    @pytest.mark.parametrize(
        ("error", "verdict", "before"),
        [
            (None, Verdict.WARNED, ()),
            (Concern((LATE,), ("act",)), Verdict.WARNED, (LATE,)),
            (Finding((LATE,), ("act",)), Verdict.FAILED, (LATE,)),
            (CouldNotLookError("no answer", "# act"), Verdict.NOT_CHECKED, ()),
        ],
    )
    def test_it_excuses_nothing_once_it_has_expired(self, error, verdict, before):
        record = judged(error, waiver(date(2026, 3, 3)))

        assert record == replace(
            judged(error),
            verdict=verdict,
            differences=(
                *before,
                Difference("waiver of morning.2-connectors", "in force, or removed", "expired on 2026-03-03"),
            ),
            action=(
                *judged(error).action,
                "# repair the cause, then remove the waiver from the pipeline file, or renew it with its reason",
            ),
        )


class TestBlocked:
    cause = replace(PASSED, step="morning.1-services", verdict=Verdict.FAILED)

    def record(self, reason: str, root: str = "morning.1-services") -> StepRecord:
        return replace(
            PASSED, verdict=Verdict.BLOCKED, duration_seconds=0.0, evidence=(), reason=reason, blocked_by=root
        )

    def test_by_a_failure(self):
        assert blocked(STEP, self.cause, "", started_at=NOON) == self.record(
            "needs morning.1-services, which failed; repair that first"
        )

    def test_by_one_subject_of_a_failure(self):
        assert blocked(STEP, self.cause, "connect", started_at=NOON) == self.record(
            "needs morning.1-services (connect), which failed; repair that first"
        )

    def test_by_what_was_not_checked(self):
        assert blocked(STEP, replace(self.cause, verdict=Verdict.NOT_CHECKED), "", started_at=NOON) == self.record(
            "needs morning.1-services, which is not checked; repair that first"
        )

    def test_by_what_is_blocked_itself(self):
        cause = replace(self.cause, verdict=Verdict.BLOCKED, blocked_by="morning.0-access")

        assert blocked(STEP, cause, "", started_at=NOON) == self.record(
            "needs morning.1-services, which is blocked by morning.0-access; repair that first", "morning.0-access"
        )


class TestFailedAfterwards:
    def test_a_green_verdict_cannot_be_kept(self):
        assert failed_afterwards(
            judged(Concern((LATE,))), CouldNotLookError("the topic stays", "delete it")
        ) == replace(
            PASSED, verdict=Verdict.NOT_CHECKED, reason="after the check: the topic stays", action=("# delete it",)
        )

    def test_by_a_finding_too(self):
        assert failed_afterwards(PASSED, Finding((LATE,), ("act",))) == replace(
            PASSED,
            verdict=Verdict.NOT_CHECKED,
            reason="after the check: sink: expected RUNNING, found FAILED",
            action=("act",),
        )

    def test_another_verdict_is_not_softened_and_the_traceback_is_kept_beside_it(self):
        failed = judged(Finding((LATE,), ("act",)))
        error = raised(ValueError("clean-up"))

        assert failed_afterwards(failed, error) == replace(
            failed,
            evidence=(*failed.evidence, Evidence("Traceback", "".join(traceback.format_exception(error)))),
        )


def test_no_text_of_a_record_keeps_a_secret_or_what_a_terminal_would_obey():
    Secret("hunter2hunter2")
    dirty, clean = "a\x1b[2J hunter2hunter2", scrubbed(replace(PASSED, title="a\x1b[2J hunter2hunter2")).title
    assert "hunter2" not in clean
    assert "\x1b" not in clean

    assert scrubbed(
        replace(
            PASSED,
            title=dirty,
            differences=(Difference(dirty, dirty, dirty, dirty),),
            action=(dirty, dirty),
            reason=dirty,
            evidence=(Evidence(dirty, dirty),),
        )
    ) == replace(
        PASSED,
        title=clean,
        differences=(Difference(clean, clean, clean, clean),),
        action=(clean, clean),
        reason=clean,
        evidence=(Evidence(clean, clean),),
    )


def test_a_record_is_clean_when_it_is_made_and_when_its_clean_up_failed():
    Secret("hunter2hunter2")
    finding = Finding((Difference("sink", "RUNNING", "hunter2hunter2"),))

    assert "hunter2" not in str(judged(finding))
    for before in (PASSED, judged(Finding((LATE,)))):
        assert "hunter2" not in str(failed_afterwards(before, raised(ValueError("hunter2hunter2"))))


def test_evidence_is_clean_when_it_is_kept():
    Secret("hunter2hunter2")
    book = EvidenceBook()
    book.saw("of hunter2hunter2", "hunter2hunter2")

    assert "hunter2" not in str(book.pages)
    assert book.pages[0].text

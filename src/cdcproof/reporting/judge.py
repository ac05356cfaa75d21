"""From what a check raised, or did not raise, to its record. Everything in the record is scrubbed here, at its birth."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cdcproof.core.errors import CdcproofError
from cdcproof.core.output import harmless
from cdcproof.core.secrets import scrub
from cdcproof.findings import Concern, Difference, Finding, Verdict
from cdcproof.pipeline.model import Waiver
from cdcproof.reporting.record import Evidence, StepRecord, table
from cdcproof.reporting.steps import Step

TRACEBACK = "Traceback"
"""Title of the evidence that holds the traceback of an error of our own; shown in the HTML report only."""


@dataclass
class EvidenceBook:
    """What one check has seen so far. Checks ask for it as the fixture `evidence`."""

    pages: list[Evidence] = field(default_factory=list)

    def saw(self, title: str, observed: str | Iterable[Mapping[str, object]]) -> None:
        """Keep what was looked at: text, or rows that become a table. What is secret in it is taken out."""
        text = observed if isinstance(observed, str) else table(observed)
        self.pages.append(Evidence(scrub(title), scrub(text)))

    def saw_each(self, pages: Mapping[str, str | Iterable[Mapping[str, object]]]) -> None:
        """Keep several, by their titles; there may be none."""
        for title, observed in pages.items():
            self.saw(title, observed)

    @property
    def looked_at_something(self) -> bool:
        """Whether anything was seen; an empty list is nothing."""
        return any(page.text.strip() for page in self.pages)


def judge(
    step: Step,
    raised: BaseException | None,
    evidence: EvidenceBook,
    waiver: Waiver | None,
    *,
    started_at: float,
    duration_seconds: float,
) -> StepRecord:
    """The record of a check that ran, by what it raised; None when it ran to its end."""
    record = StepRecord(
        step.id,
        step.title,
        step.suite,
        step.severity,
        Verdict.PASSED,
        started_at,
        round(duration_seconds, 3),
        evidence=tuple(evidence.pages),
    )
    if raised is None and not evidence.looked_at_something:
        raised = Finding((Difference("", "something to look at", "the check looked at nothing"),))
    return scrubbed(_waived(_concluded(record, raised), waiver))


def blocked(step: Step, cause: StepRecord, subject: str, *, started_at: float) -> StepRecord:
    """The record of a check that was not run because `cause` makes it meaningless."""
    root = cause.blocked_by or cause.step
    about = f" ({subject})" if subject else ""
    why = f"which is blocked by {root}" if cause.blocked_by else f"which is {cause.verdict}"
    if cause.verdict is Verdict.FAILED:
        why = "which failed"
    return StepRecord(
        step.id,
        step.title,
        step.suite,
        step.severity,
        Verdict.BLOCKED,
        started_at,
        0.0,
        reason=f"needs {cause.step}{about}, {why}; repair that first",
        blocked_by=root,
    )


def failed_afterwards(record: StepRecord, raised: BaseException) -> StepRecord:
    """The record of a check whose clean-up failed: a green verdict cannot be kept, another one is not softened."""
    after = _concluded(record, raised)
    if not record.verdict.is_green:
        return scrubbed(replace(record, evidence=after.evidence))
    reason = f"after the check: {after.reason or str(raised)}"
    return scrubbed(replace(after, verdict=Verdict.NOT_CHECKED, differences=(), reason=reason))


def scrubbed(record: StepRecord) -> StepRecord:
    """The record without secrets in any of its texts, and without what a terminal would obey: traces and names come from outside."""
    return replace(
        record,
        title=_clean(record.title),
        differences=tuple(
            Difference(_clean(d.subject), _clean(d.expected), _clean(d.found), _clean(d.detail))
            for d in record.differences
        ),
        action=tuple(_clean(command) for command in record.action),
        reason=_clean(record.reason),
        evidence=tuple(Evidence(_clean(e.title), _clean(e.text)) for e in record.evidence),
    )


def _clean(text: str) -> str:
    return harmless(scrub(text))


_COMMANDS = ("psql ", "sqlcmd ", "cdcproof ", "#")
"""How the lines of a remedy begin that stay as they are: commands that can be pasted, and advice. The others are sentences."""


def _concluded(record: StepRecord, raised: BaseException | None) -> StepRecord:
    if raised is None:
        return record
    if isinstance(raised, Finding):
        verdict = Verdict.WARNED if isinstance(raised, Concern) else Verdict.FAILED
        return replace(record, verdict=verdict, differences=raised.differences, action=raised.action)
    if isinstance(raised, CdcproofError):
        return replace(
            record,
            verdict=Verdict.NOT_CHECKED,
            reason=raised.message,
            action=tuple(line if line.startswith(_COMMANDS) else f"# {line}" for line in raised.remedy.splitlines()),
        )
    if isinstance(raised, AssertionError):
        found = str(raised).strip() or "it does not"
        return replace(
            record, verdict=Verdict.FAILED, differences=(Difference("", "the check's assertion holds", found),)
        )
    first_line = (str(raised).strip().splitlines() or ["no message"])[0]
    return replace(
        record,
        verdict=Verdict.NOT_CHECKED,
        reason=f"internal error: {type(raised).__name__}: {first_line} "
        "(please report it; the traceback is in the HTML report)",
        evidence=(*record.evidence, Evidence(TRACEBACK, "".join(traceback.format_exception(raised)))),
    )


def _waived(record: StepRecord, waiver: Waiver | None) -> StepRecord:
    if waiver is None:
        return record
    if waiver.expires < datetime.fromtimestamp(record.started_at).astimezone().date():
        return _no_longer_waived(record, waiver)
    if record.verdict is Verdict.FAILED:
        return replace(record, verdict=Verdict.WAIVED, reason=f"{waiver.reason} (until {waiver.expires})")
    if record.verdict.is_green:
        return replace(record, reason=f"no longer fails: its waiver (until {waiver.expires}) can go")
    return record


def _no_longer_waived(record: StepRecord, waiver: Waiver) -> StepRecord:
    """An expired waiver excuses nothing, and is itself a finding: at least a warning."""
    expired = Difference(f"waiver of {record.step}", "in force, or removed", f"expired on {waiver.expires}")
    advice = "# repair the cause, then remove the waiver from the pipeline file, or renew it with its reason"
    passed = record.verdict is Verdict.PASSED
    return replace(
        record,
        verdict=Verdict.WARNED if passed else record.verdict,
        differences=(*record.differences, expired),
        action=(*record.action, advice),
    )

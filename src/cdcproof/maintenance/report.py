"""The post-maintenance report: the runbook's six points, from the journal and from what was observed, in Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cdcproof.core import bounded
from cdcproof.core.durations import exact
from cdcproof.core.errors import CdcproofError, CouldNotLookError, OperationError
from cdcproof.core.files import write_whole
from cdcproof.maintenance.journal import Entry
from cdcproof.maintenance.rollback import saved
from cdcproof.maintenance.site import Site
from cdcproof.maintenance.window import Plan, Window, broken_off, ends
from cdcproof.reporting.formats.html_pages import rendered
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import Change, Comparison, Expectation

_LESSONS = "(to be written by those who were there)"


@dataclass(frozen=True)
class Downtime:
    """How long the target got nothing: from the first order to pause a source until it had caught up. `method` says by what."""

    began_at: datetime | None
    ended_at: datetime | None
    method: str = "by the positions in the journal"

    @property
    def seconds(self) -> float | None:
        """None where it has not ended, or never began."""
        if self.began_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.began_at).total_seconds()

    def __str__(self) -> str:
        if self.began_at is None:
            return "none: no source connector was paused"
        if self.seconds is None:
            return f"since {_shown(self.began_at)}, and not over: the target has not caught up yet"
        return f"{exact(self.seconds)}, {_shown(self.began_at)} to {_shown(self.ended_at)}, {self.method}"


def downtime(entries: Iterable[Entry]) -> Downtime:
    """From when on the target missed what was written at the source, and until when.

    By its freshness where the newest beat was read before and after: it was as old as the beat that arrived last before the window,
    until a newer one had arrived. Else by the orders and positions in the journal.
    """
    found = tuple(entries)
    began = next((e for e in found if (e.command, e.step, e.event) == ("start", "pause-source", "begun")), None)
    ended = next((e for e in reversed(found) if e.step == "caught-up" and e.event == "done"), None)
    if began is None or ended is None or ended.time <= began.time:
        return Downtime(began.time if began else None, None)
    proved = next((e for e in found if (e.command, e.step, e.event) == ("start", "prove", "done")), None)
    last, first = (proved.facts.get("beat") if proved else None), ended.facts.get("beat")
    if last is not None and first is not None and first > last:
        since = datetime.fromtimestamp(float(last), UTC)
        if since <= ended.time:
            return Downtime(since, ended.time, "by the target's freshness")
    return Downtime(began.time, ended.time)


@dataclass(frozen=True)
class Report:
    """What the runbook wants documented."""

    plan: Plan
    outcome: str
    began_at: str
    ended_at: str
    people: tuple[str, ...]
    go: str
    downtime: Downtime
    changes: tuple[tuple[str, Change], ...]
    """``intended`` or ``not intended``, and the fact that differs."""
    not_compared: Mapping[str, str]
    validation: tuple[Mapping[str, Any], ...]
    issues: tuple[str, ...]
    journal: tuple[Entry, ...]
    lessons: str = _LESSONS

    @property
    def declared(self) -> str:
        """The downtime that was announced with the change."""
        return exact(self.plan.downtime_minutes * 60)

    def as_markdown(self) -> str:
        """For a ticket or a wiki."""
        lines = [
            f"# Maintenance of {self.plan.pipeline}: {self.plan.summary}",
            "",
            f"**{self.outcome}**",
            "",
            "## Start and end",
            "",
            f"- began {self.began_at}, ended {self.ended_at}",
            f"- planned {self.plan.begins_at} to {self.plan.ends_at}, risk {self.plan.risk}, by {self.plan.made_by}",
            f"- {self.go}",
            f"- by {', '.join(self.people)}",
            "",
            "## Actual downtime",
            "",
            f"{self.downtime} (announced: {self.declared})",
            "",
            "## Changes made",
            "",
            *_table(("", "what", "before", "after"), ((w, c.subject, c.before, c.after) for w, c in self.changes)),
            *(f"- not compared: {group}. {why}" for group, why in self.not_compared.items()),
            "",
            "## Validation results",
            "",
            *_table(
                ("check", "verdict", "found"), ((r["check"], r["verdict"], r["found"] or "") for r in self.validation)
            ),
            "",
            "## Issues encountered",
            "",
            *([f"- {issue}" for issue in self.issues] or ["none"]),
            "",
            "## Lessons learned",
            "",
            self.lessons,
            "",
            "## Journal",
            "",
            *_table(
                ("at", "step", "", "by", "what"),
                ((e.at, f"{e.command} {e.step}", e.event, f"{e.who}@{e.host}", e.text) for e in self.journal),
            ),
        ]
        return "\n".join(lines) + "\n"


def write(window: Window, site: Site, *, is_over: bool) -> Path:
    """Write `report.md` and `report.html` into the window's folder; the page's path. Raises `OperationError`."""
    made = make(window, site, is_over=is_over)
    page = window.folder / "report.html"
    try:
        write_whole(window.folder / "report.md", made.as_markdown())
        write_whole(page, rendered("maintenance.html", report=made))
    except OSError as error:
        raise OperationError(f"The report cannot be written to {window.folder}: {error.strerror}.") from None
    return page


def make(window: Window, site: Site, *, is_over: bool) -> Report:
    """The report as things stand now."""
    entries = window.journal.entries()
    acting = [e for e in entries if e.command in ("start", "finish", "rollback")]
    last = acting[-1].command if acting else "start"
    validated = next((e for e in reversed(entries) if e.step == "validate" and e.event == "done"), None)
    passed = next((e for e in entries if (e.command, e.step, e.event) == ("start", "go", "done")), None)
    changed, unknown = _changes(window, site)
    down = downtime(entries)
    done = "Rolled back" if last == "rollback" else "Finished"
    return Report(
        plan=window.plan,
        outcome=f"{done}, and the validation is green" if is_over else "NOT OVER: the validation is not green",
        began_at=acting[0].at if acting else "never",
        ended_at=acting[-1].at if acting else "never",
        people=tuple(dict.fromkeys(f"{e.who} on {e.host}" for e in acting)),
        go=passed.text if passed else "no go",
        downtime=down,
        changes=changed,
        not_compared=unknown,
        validation=tuple(validated.facts.get("rows", ())) if validated else (),
        issues=_issues(entries, down, window.plan),
        journal=tuple(ends(entries)),
        lessons=_lessons(window.folder / "report.md"),
    )


def _lessons(path: Path) -> str:
    """What somebody has written into an earlier report already."""
    try:
        text = bounded.read_text(path)
    except FileNotFoundError:
        return _LESSONS
    except (OSError, ValueError) as error:
        raise OperationError(
            f"{path} cannot be read, and what somebody wrote there would be lost: {bounded.reason(error)}.",
            "Move it away, and give the command again.",
        ) from None
    return text.partition("## Lessons learned\n")[2].partition("\n## Journal")[0].strip() or _LESSONS


def _changes(window: Window, site: Site) -> tuple[tuple[tuple[str, Change], ...], Mapping[str, str]]:
    """What differs from how it was when the window began; what was not recorded then, or is not to be had now, is named."""
    try:
        before = baseline.load(window.folder / saved.FACTS)
    except CouldNotLookError:
        return (), {"everything": "nothing was recorded when the window began"}
    try:
        now = site.facts_since(before)
    except CdcproofError as error:
        return (), {"everything": error.message}
    compared = Comparison(before.facts, now, tuple(Expectation.parse(text) for text in window.plan.expect))
    intended = compared.intended()
    named = [("intended" if change in intended else "not intended", change) for change in compared.changes()]
    return tuple(named), compared.unknown()


def _issues(entries: Sequence[Entry], down: Downtime, plan: Plan) -> tuple[str, ...]:
    """What failed, what was noted, where a command was broken off, and a downtime that was longer than announced."""
    broken = broken_off(entries)
    found = [
        f"{e.at} {e.command} {e.step}{' was broken off' if e in broken else ''}: {e.text}".removesuffix(": ")
        for e in entries
        if e.event in ("failed", "noted") or e in broken
    ]
    if down.seconds is not None and down.seconds > plan.downtime_minutes * 60:
        found.append(f"The downtime of {exact(down.seconds)} was longer than announced.")
    return tuple(found)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    if not cells:
        return ["none"]
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else "never"

"""The record of an incident: a Markdown file that people and this program write in turns.

An incident is open from its first call until it is resolved. It is known by its alert and labels, which stand in its head;
everything below is anybody's to edit, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import OperationError, UsageError
from cdcproof.core.files import write_whole
from cdcproof.core.locking import only_one
from cdcproof.core.progress import Progress
from cdcproof.core.secrets import scrub
from cdcproof.oncall.alert import Alert

FOLDER = "incidents"
OBSERVED, DONE, RESOLVED = "Observed", "Done", "Resolved"
_OPEN = "not yet"
_LONGEST_SLUG = 60
_LOCK_SECONDS = 30.0
_MOST_LOG_BYTES = 4 << 20
"""Of the log of acts, its end: some 20,000 acts."""


@dataclass(frozen=True)
class Incident:
    """One incident, as its file has it."""

    path: Path
    text: str
    started: datetime

    @property
    def is_open(self) -> bool:
        """Whether it was not resolved yet."""
        return _field(self.text, "resolved") == _OPEN

    def minutes(self, now: datetime) -> float:
        """How long it has lasted."""
        return max(0.0, (now - self.started).total_seconds() / 60)


def begin(alert: Alert, pipeline: str, folder: Path, now: datetime) -> Incident:
    """A new incident; nothing is written yet."""
    slug = re.sub(r"[^\w.-]+", "_", "-".join([alert.name, *(v for _, v in sorted(alert.labels.items()))]))[
        :_LONGEST_SLUG
    ]
    head = [
        f"# Incident: {alert.name}",
        "",
        f"- pipeline: {pipeline}",
        f"- labels: {_one_line(alert.shown_labels)}",
        f"- check: {alert.check.step if alert.check else 'none'}",
        f"- started: {stamp(now)}",
        f"- resolved: {_OPEN}",
        *(line for heading in (OBSERVED, DONE, RESOLVED) for line in ("", f"## {heading}")),
        "",
    ]
    return Incident(folder / f"{now:%Y%m%d_%H%M%S}-{slug}.md", scrub("\n".join(head)), now)


def open_incident(alert: Alert, folder: Path) -> Incident | None:
    """The newest open incident of this alert with these labels."""
    labels = scrub(_one_line(alert.shown_labels))
    for path in sorted(folder.glob("*.md"), reverse=True):
        found = _read(path)
        if found and found.is_open and _is_of(found.text, alert.name, labels):
            return found
    return None


def with_entry(text: str, heading: str, lines: Sequence[str]) -> str:
    """The text with lines at the end of one of its sections; the section is made where somebody has removed it."""
    kept = text.rstrip("\n").split("\n")
    start = next((n for n, line in enumerate(kept) if line.strip() == f"## {heading}"), None)
    if start is None:
        return "\n".join([*kept, "", f"## {heading}", "", *lines, ""])
    end = next((n for n in range(start + 1, len(kept)) if kept[n].startswith("## ")), len(kept))
    section = kept[start:end]
    while section and not section[-1].strip():
        section.pop()
    rest = kept[end:]
    return "\n".join([*kept[:start], *section, "", *lines, "", *rest]).rstrip("\n") + "\n"


def resolved(text: str, now: datetime, minutes: float, by: str, note: str) -> str:
    """The text of an incident that is over."""
    line = f"- resolved: {stamp(now)}"
    text = re.sub(rf"^- resolved: {re.escape(_OPEN)}$", lambda _: line, text, count=1, flags=re.MULTILINE)
    cause = f": {_one_line(note)}" if note else ""
    return with_entry(text, RESOLVED, [f"- {stamp(now)} by {by}, after {minutes:.0f} min{cause}"])


def acts_since(log: str, started: datetime, text: str) -> list[str]:
    """Lines of the log of acts since the incident began that its record does not have yet."""
    found = []
    for line in log.splitlines():
        at, _, what = line.partition(" ")
        entry = f"- {at} {_one_line(what)}"
        if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at) and at >= stamp(started) and entry not in text:
            found.append(entry)
    return found


@dataclass(frozen=True)
class Records:
    """The records of a pipeline's incidents, in a folder that several people may write to at once; `who` writes now."""

    folder: Path
    acts_log: Path
    who: str

    def current(self, alert: Alert, pipeline: str, now: datetime) -> Incident:
        """The open incident of the alert, else a new one, which is not written yet."""
        return open_incident(alert, self.folder) or begin(alert, pipeline, self.folder, now)

    def observe(self, incident: Incident, now: datetime, lines: Sequence[str]) -> Incident:
        """Add what was seen, and the acts since the last time. Raises `OperationError`."""
        with self._writing():
            if incident.path.exists():
                incident = replace(incident, text=bounded.read_text(incident.path))
            entry = [f"### {stamp(now)} by {self.who}", "", *lines]
            return self._save(incident, with_entry(self._with_acts(incident), OBSERVED, entry))

    def add(self, alert: Alert, now: datetime, *, done: str = "", resolve: bool = False, note: str = "") -> Incident:
        """Add what was done, and end the incident. Raises `UsageError` when none is open, `OperationError` as `observe`."""
        with self._writing():
            found = open_incident(alert, self.folder)
            if found is None:
                raise UsageError(
                    scrub(
                        f"No incident of {alert.name} with the labels {alert.shown_labels} is open in {self.folder}."
                    ),
                    "Give the labels as they were given when it began; the records there have them.",
                )
            text = self._with_acts(found)
            if done:
                text = with_entry(text, DONE, [f"- {stamp(now)} {self.who}: {_one_line(done)}"])
            if resolve:
                text = resolved(text, now, found.minutes(now), self.who, note)
            return self._save(found, text)

    def _with_acts(self, incident: Incident) -> str:
        try:
            log = bounded.last_bytes(self.acts_log, _MOST_LOG_BYTES).decode(errors="replace")
        except OSError:  # nothing was done yet, or it is somebody else's to read
            return incident.text
        acts = acts_since(log, incident.started, incident.text)
        return with_entry(incident.text, DONE, acts) if acts else incident.text

    def _save(self, incident: Incident, text: str) -> Incident:
        text = scrub(text)
        write_whole(incident.path, text)
        return replace(incident, text=text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Within it nobody else writes a record there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with only_one(self.folder / ".lock", "writing a record", Progress(), deadline_seconds=_LOCK_SECONDS):
                yield
        except OSError as error:
            raise OperationError(
                f"The incident's record cannot be written to {self.folder}: {error.strerror}.",
                "Make room or give the right to write there, and keep notes elsewhere meanwhile.",
            ) from None


def stamp(moment: datetime) -> str:
    """``2026-11-29T06:00:00Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read(path: Path) -> Incident | None:
    """None for a file that is no record of ours."""
    try:
        text = bounded.read_text(path)
        started = datetime.fromisoformat(_field(text, "started").replace("Z", "+00:00"))
    except (OSError, ValueError):
        return None
    return Incident(path, text, started if started.tzinfo else started.replace(tzinfo=UTC))


def _is_of(text: str, alert: str, labels: str) -> bool:
    return text.startswith(f"# Incident: {alert}\n") and _field(text, "labels") == labels


def _field(text: str, name: str) -> str:
    found = re.search(rf"^- {name}: (.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())

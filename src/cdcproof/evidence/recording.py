"""A recorded run: its surroundings, what each check was given, and how it was judged then."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cdcproof import __version__
from cdcproof.core import errors
from cdcproof.core.errors import CdcproofError, CouldNotLookError, UnexpectedAnswerError, UsageError
from cdcproof.core.secrets import scrub
from cdcproof.evidence import chain
from cdcproof.evidence.surroundings import Surroundings
from cdcproof.evidence.values import NotReadableError, NotWritableError, Values
from cdcproof.findings import Verdict
from cdcproof.reporting.formats.summary import local_time
from cdcproof.reporting.record import Evidence, StepRecord

FORMAT = 1
HEAD, SURROUNDINGS, SHOWN, OBSERVATION, VERDICT = "head", "surroundings", "shown", "observation", "verdict"


def observation(step: str, fixture: str, value: object, values: Values) -> dict[str, Any]:
    """The content of a line: what a check was given by a fixture. A value that has no form here is named, and is not judged again."""
    about: dict[str, Any] = {"step": step, "fixture": fixture}
    try:
        written = values.write(value)
        json.dumps(written.data)
    except NotWritableError as error:
        return about | {"unwritten": scrub(str(error))}
    except Exception as error:  # noqa: BLE001  a verdict must not depend on whether it can be recorded
        return about | {"unwritten": scrub(f"{type(error).__name__}: {error}")}
    return about | {"value": written.data, "redacted": written.redacted}


def shown(step: str, pages: Iterable[Evidence]) -> dict[str, Any]:
    """The content of a line: the evidence that fixtures have shown, which a replay does not call."""
    return {"step": step, "pages": [{"title": page.title, "text": page.text} for page in pages]}


def failure(step: str, raised: BaseException) -> dict[str, Any]:
    """The content of a line: why a check could not be given what it asked for."""
    text, remedy = (raised.message, raised.remedy) if isinstance(raised, CdcproofError) else (str(raised), "")
    known = next((one for one in type(raised).__mro__ if vars(errors).get(one.__name__) is one), type(raised))
    return {"step": step, "error": known.__name__, "message": scrub(text), "remedy": scrub(remedy)}


def scrubbed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a line without what stands where a secret stands: each text alone does not show that."""
    text = json.dumps(content)
    clean = scrub(text)
    if clean == text:
        return content
    try:
        clean_record: dict[str, Any] = json.loads(clean)
    except ValueError:  # a number stood there
        return content
    return clean_record | {"redacted": True}


@dataclass(frozen=True)
class Recording:
    """What a file holds. `observations` are by step and fixture, `failures` and `verdicts` by step."""

    path: Path
    version: str
    """Of cdcproof, which recorded it."""
    started_at: float
    surroundings: Surroundings
    header: tuple[str, ...] = ()
    observations: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    verdicts: Mapping[str, StepRecord] = field(default_factory=dict)
    shown: Mapping[str, tuple[Evidence, ...]] = field(default_factory=dict)
    """By step, the evidence that its fixtures have shown."""
    last_hash: str = ""

    def observed(self, step: str, fixture: str) -> Any:
        """What the check was given then. Raises what was raised then, and `CouldNotLookError` where the recording does not say."""
        if step in self.failures:
            raise _error(self.failures[step])
        found = self.observations.get((step, fixture))
        if found is None:
            raise CouldNotLookError(
                f"The recording holds no {fixture} for this check: the check did not look then, or another version of "
                f"cdcproof made the recording ({self.version})."
            )
        if "unwritten" in found:
            raise CouldNotLookError(f"The recording holds no {fixture}: {found['unwritten']} cannot be recorded.")
        try:
            return self.surroundings.values().read(found["value"])
        except (NotReadableError, KeyError) as error:
            raise CouldNotLookError(
                f"This version of cdcproof cannot read the {fixture} of the recording, which {self.version} made: {error}.",
                f"Replay it by cdcproof {self.version}.",
            ) from None

    @property
    def words(self) -> str:
        """Which run this was, in a sentence."""
        return (
            f"the observations of the run of {local_time(self.started_at)}, recorded by cdcproof {self.version} in "
            f"{self.path.name} (SHA-256 of its last line: {self.last_hash}), judged again by cdcproof {__version__}."
        )

    def has_any_of(self, steps: Collection[str]) -> bool:
        """Whether one of these checks was part of the recorded run."""
        return not self.verdicts.keys().isdisjoint(steps)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites of the checks that ran."""
        return tuple(sorted({record.suite for record in self.verdicts.values()}))

    def when(self, step: str) -> float:
        """When the check began in the recorded run: a waiver is judged by that day."""
        return self.verdicts[step].started_at if step in self.verdicts else self.started_at

    def without_doubt(self, record: StepRecord) -> StepRecord:
        """The record of a check as it was judged again; *not checked* where it is green only because something was redacted."""
        if not (record.verdict.is_green and self._is_doubtful(record.step)):
            return record
        reason = "It was not green when it was recorded, and secrets were taken out of what it judges: they may be what differed."
        return replace(record, verdict=Verdict.NOT_CHECKED, reason=reason, differences=(), action=())

    def _is_doubtful(self, step: str) -> bool:
        """Whether the check was not green then, and what is secret was taken out of what it judges."""
        then = self.verdicts.get(step)
        redacted = any(one.get("redacted") for (about, _), one in self.observations.items() if about == step)
        return redacted and (then is None or not then.verdict.is_green)


def read(path: Path) -> Recording:
    """Read a file. Raises `UsageError` for one that is not as it was written, or that this version cannot read."""
    try:
        return _read(path, list(chain.read(path)))
    except UnexpectedAnswerError as error:
        raise UsageError(f"The recording cannot be used. {error.message}", error.remedy) from None
    except (NotReadableError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"The recording {path} cannot be read by this version of cdcproof: {type(error).__name__} {error}.",
            "Replay it by the version that recorded it: its first line names it.",
        ) from None


def _read(path: Path, lines: Iterable[Mapping[str, Any]]) -> Recording:
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        by_kind.setdefault(line["kind"], []).append(line)
    head = by_kind[HEAD][0]
    if head["format"] != FORMAT:
        raise UsageError(
            f"The recording {path} has the format {head['format']}, of cdcproof {head['version']}; this version reads {FORMAT}.",
            f"Replay it by cdcproof {head['version']}.",
        )
    observed = by_kind.get(OBSERVATION, [])
    surroundings = by_kind.get(SURROUNDINGS, [])
    if not surroundings:
        raise UsageError(f"The recording {path} holds no check.", "Name the recording of a run in which checks ran.")
    return Recording(
        path,
        str(head["version"]),
        float(head["started_at"]),
        Surroundings.from_dict(surroundings[-1]),
        tuple(surroundings[-1].get("header", ())),
        {(one["step"], one["fixture"]): one for one in observed if "fixture" in one},
        {one["step"]: one for one in observed if "error" in one},
        {record.step: record for one in by_kind.get(VERDICT, []) for record in [StepRecord.from_dict(one["record"])]},
        {one["step"]: tuple(Evidence(**page) for page in one["pages"]) for one in by_kind.get(SHOWN, [])},
        chain.last_hash(path),
    )


def _error(line: Mapping[str, Any]) -> CdcproofError:
    known = getattr(errors, line["error"], None)
    if isinstance(known, type) and issubclass(known, CdcproofError):
        return known(line["message"], line["remedy"])
    return CouldNotLookError(f"The recorded run had an internal error here: {line['error']}: {line['message']}")

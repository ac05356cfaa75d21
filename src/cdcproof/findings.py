"""Verdicts, and the judgements a check may make. Plain Python: no pytest here.

A check observes, shows what it has seen, and demands by `require` that its `Observation` is right.
The words Expected and Found are made here from the two values. A judgement that has nothing to judge
(an empty expectation, NaN) is itself a finding: nothing is ever green because there was nothing to see.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from cdcproof.core.errors import CouldNotLookError

ABSENT = "absent"
NOT_EXPECTED = "not expected"


class Verdict(StrEnum):
    """What a check concluded. `docs/RUNBOOK.md#verdicts` explains each to operators."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    BLOCKED = "blocked"
    WAIVED = "waived"

    @property
    def is_green(self) -> bool:
        """Whether an operator may go on: looked at, and right or knowingly accepted."""
        return self in (Verdict.PASSED, Verdict.WARNED, Verdict.WAIVED)

    @property
    def metric_value(self) -> int:
        """The value of `cdcproof_check_status`; the order is part of the published interface."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected.

    `subject` is what it is about (``"postgres-sink-connector/0"``), empty when the check has only one.
    `detail` is a line more about what was found; the whole story belongs into the evidence.
    """

    subject: str
    expected: str
    found: str
    detail: str = ""

    def as_dict(self) -> dict[str, str]:
        """JSON form."""
        return asdict(self)


class Finding(AssertionError):  # noqa: N818  a finding is a result, not a malfunction
    """Looked, and it is wrong. `action` is a tuple of commands that can be pasted, in order."""

    def __init__(self, differences: tuple[Difference, ...], action: tuple[str, ...] = ()) -> None:
        super().__init__(differences, action)
        self.differences = differences
        self.action = action

    def __str__(self) -> str:
        return "; ".join(f"{d.subject}: expected {d.expected}, found {d.found}".lstrip(": ") for d in self.differences)


class Concern(Finding):
    """Inside the limit but near it, or a risk: the check passes and the verdict is *warned*."""


@dataclass(frozen=True)
class Limit:
    """What each number of an observation must keep. No comparison with NaN holds: it keeps none."""

    bound: str
    """``at most``, ``at least`` or ``below``."""
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.bound} {_limit(self.value)} {self.unit}".rstrip()

    def words(self, number: float) -> str:
        """A number as it is reported beside this limit."""
        return f"{_number(number, self.value)} {self.unit}".rstrip()

    def broken_by(self, found: Mapping[str, float]) -> dict[str, str]:
        """Subject to its number in words, of those that do not keep the limit."""
        keeps = _KEEPS[self.bound]
        return {subject: self.words(number) for subject, number in found.items() if not keeps(number, self.value)}


def at_most(value: float, unit: str) -> Limit:
    """The limit itself keeps it."""
    return Limit("at most", value, unit)


def at_least(value: float, unit: str) -> Limit:
    """The limit itself keeps it."""
    return Limit("at least", value, unit)


def below(value: float, unit: str) -> Limit:
    """The limit itself does not keep it."""
    return Limit("below", value, unit)


@dataclass(frozen=True)
class Observation:
    """What a check observed, and what it had to be: the one shape that `require` judges.

    Mappings are compared key by key and sets member by member, so that a difference is named by its subject; anything else as a whole.
    Where `expected` is a `Limit`, `found` is subject to number.
    """

    found: Any = field(default_factory=dict)
    expected: Any = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    """Subject to a line more about its difference."""
    concerns: Mapping[str, str] = field(default_factory=dict)
    """Subject to what is right, and yet worth a warning."""
    action: tuple[str, ...] = ()
    """Commands that can be pasted, where what was observed says them itself."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """A sentence about what had to be observed and could not be, to what helps, which may be empty."""
    passed_over: tuple[str, ...] = ()
    """Sentences about what could not be observed and need not be: shown, not judged."""
    no_concern: str = "none"
    """What would be found where there is no concern."""
    then: tuple[Observation, ...] = ()
    """What is judged after this, in order, where this is right."""

    def parts(self) -> Iterator[Observation]:
        """This one, and those that are judged after it."""
        yield self
        for one in self.then:
            yield from one.parts()

    def differences(self) -> tuple[Difference, ...]:
        """What is not as expected. An empty expectation, and numbers of which there is none, are a difference too."""
        if not isinstance(self.expected, Limit):
            return _unequal(self.found, self.expected, self.details)
        if not self.found:
            return (Difference("", str(self.expected), "nothing was measured"),)
        broken = self.expected.broken_by(self.found)
        return tuple(Difference(s, str(self.expected), words, self.details.get(s, "")) for s, words in broken.items())

    def rows(self) -> list[dict[str, object]]:
        """One row per subject, for the report."""
        expected = dict.fromkeys(self.found, self.expected) if isinstance(self.expected, Limit) else self.expected
        is_by_subject = isinstance(self.found, Mapping) and isinstance(expected, Mapping)
        found, expected = (self.found, expected) if is_by_subject else ({"": self.found}, {"": expected})
        rows: list[dict[str, object]] = [
            {"what": s, "found": self.concerns.get(s) or found.get(s, ABSENT), "expected": expected.get(s)}
            for s in dict.fromkeys((*expected, *found, *self.concerns))
        ]
        unseen = (*self.unknown, *self.passed_over)
        return rows + [{"what": text, "found": "could not be seen", "expected": None} for text in unseen]

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was found, and nothing can be demanded."""
        return _is_nothing(self.found) and (isinstance(self.expected, Limit) or _is_nothing(self.expected))


def require(observation: Observation, *, action: tuple[str, ...] = (), concern_action: tuple[str, ...] = ()) -> None:
    """Demand that everything is as expected, that nothing is unknown, and that nothing is worth a warning, in this order.

    Raises a `Finding` with `action`, else `CouldNotLookError`, else a `Concern` with `concern_action`. An observation of nothing at all
    is a finding, or *not checked* where it says what is unknown.
    """
    parts = tuple(observation.parts())
    unknown = tuple(item for part in parts for item in part.unknown.items())
    for part in parts:
        if not (unknown and part.is_nothing) and (differences := part.differences()):
            raise Finding(differences, action or part.action or observation.action)
    if unknown:
        remedies = dict.fromkeys(remedy for _, remedy in unknown if remedy)
        raise CouldNotLookError(" ".join(dict(unknown)), "\n".join(remedies))
    if concerns := tuple(Difference(s, part.no_concern, text) for part in parts for s, text in part.concerns.items()):
        raise Concern(concerns, concern_action)


def require_equal(
    found: object,
    expected: object,
    *,
    details: Mapping[str, str] | None = None,
    action: tuple[str, ...] = (),
) -> None:
    """`require` of plain values, for checks of your own; so are all functions below."""
    require(Observation(found, expected, details or {}), action=action)


def require_at_most(
    found: Mapping[str, float],
    limit: float,
    *,
    unit: str,
    details: Mapping[str, str] | None = None,
    action: tuple[str, ...] = (),
) -> None:
    """Demand that every measured value is at most `limit`; NaN is over any limit."""
    require(Observation(found, at_most(limit, unit), details or {}), action=action)


def require_below(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Demand that every measured value is below `limit`; NaN is below none."""
    require(Observation(found, below(limit, unit)), action=action)


def require_at_least(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Demand that every measured value is at least `limit`; NaN is under any limit."""
    require(Observation(found, at_least(limit, unit)), action=action)


def warn_above(
    found: Mapping[str, float],
    limit: float,
    *,
    unit: str,
    details: Mapping[str, str] | None = None,
    action: tuple[str, ...] = (),
) -> None:
    """Raise a `Concern` when a value is above `limit`; the last judgement of a check.

    Nothing measured is a `Finding` here too: a concern is green.
    """
    _warn(Observation(found, at_most(limit, unit), details or {}), action)


def warn_from(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Raise a `Concern` when a value has reached `limit`; as `warn_above` otherwise."""
    _warn(Observation(found, below(limit, unit)), action)


def warn_if_any(found: Mapping[str, str], *, expected: str = "none", action: tuple[str, ...] = ()) -> None:
    """Raise a `Concern` naming each risk; the last judgement of a check."""
    if found:
        raise Concern(tuple(Difference(subject, expected, text) for subject, text in found.items()), action)


def _warn(observation: Observation, action: tuple[str, ...]) -> None:
    if differences := observation.differences():
        raise (Concern if observation.found else Finding)(differences, action)


def _unequal(found: object, expected: object, details: Mapping[str, str]) -> tuple[Difference, ...]:
    if _is_nothing(expected):
        return (Difference("", "something to compare with", "an empty expectation"),)
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        return tuple(
            Difference(
                str(key), _shown(expected, key, NOT_EXPECTED), _shown(found, key, ABSENT), details.get(str(key), "")
            )
            for key in [*expected, *(key for key in found if key not in expected)]
            if key not in found or key not in expected or found[key] != expected[key]
        )
    if isinstance(found, (set, frozenset)) and isinstance(expected, (set, frozenset)):
        return tuple(
            Difference(
                str(member),
                "present" if member in expected else NOT_EXPECTED,
                "present" if member in found else ABSENT,
                details.get(str(member), ""),
            )
            for member in sorted(found ^ expected, key=str)
        )
    return () if found == expected else (Difference("", str(expected), str(found), details.get("", "")),)


_KEEPS: Mapping[str, Callable[[float, float], bool]] = {
    "at most": operator.le,
    "at least": operator.ge,
    "below": operator.lt,
}


def _limit(limit: float) -> str:
    """A limit exactly as it is configured, with thousands set apart."""
    return f"{limit:,}".removesuffix(".0")


def _number(value: float, limit: float) -> str:
    """A measured value with one digit, or as many as it takes to distinguish it from the limit that it misses, unless it is that limit."""
    if math.isnan(value):
        return "no number (NaN)"
    texts = [f"{value:,.{digits}f}".rstrip("0").rstrip(".") for digits in (1, 3, 6)]
    return next((text for text in texts if value == limit or text != _limit(limit)), str(value))


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, Collection) and not value)


def _shown(values: Mapping[object, object], key: object, otherwise: str) -> str:
    return str(values[key]) if key in values else otherwise

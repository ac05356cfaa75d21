"""Verdicts, and the judgements a check may make. Plain Python: no pytest here.

A check looks, then calls one of the `require_…` functions with what it found and what the pipeline expects.
The words Expected and Found are made here from the two values. A judgement that has nothing to judge
(an empty expectation, NaN) is itself a finding: nothing is ever green because there was nothing to see.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

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


def require_equal(
    found: object,
    expected: object,
    *,
    details: Mapping[str, str] | None = None,
    action: tuple[str, ...] = (),
) -> None:
    """Demand that `found` equals `expected`.

    Mappings are compared key by key and sets member by member, so that a difference is named by its
    subject; anything else as a whole. `details` adds a line to the difference of that subject.
    """
    details = details or {}
    if _is_nothing(expected):
        raise Finding((Difference("", "something to compare with", "an empty expectation"),), action)
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        differences = [
            Difference(
                str(key), _shown(expected, key, NOT_EXPECTED), _shown(found, key, ABSENT), details.get(str(key), "")
            )
            for key in [*expected, *(key for key in found if key not in expected)]
            if key not in found or key not in expected or found[key] != expected[key]
        ]
    elif isinstance(found, (set, frozenset)) and isinstance(expected, (set, frozenset)):
        differences = [
            Difference(
                str(member),
                "present" if member in expected else NOT_EXPECTED,
                "present" if member in found else ABSENT,
                details.get(str(member), ""),
            )
            for member in sorted(found ^ expected, key=str)
        ]
    else:
        differences = [] if found == expected else [Difference("", str(expected), str(found), details.get("", ""))]
    if differences:
        raise Finding(tuple(differences), action)


def require_at_most(
    found: Mapping[str, float],
    limit: float,
    *,
    unit: str,
    details: Mapping[str, str] | None = None,
    action: tuple[str, ...] = (),
) -> None:
    """Demand that every measured value is at most `limit`; NaN is over any limit."""
    over = _AT_MOST.broken_by(found, limit, unit, details or {}, action)
    if over:
        raise Finding(over, action)


def require_below(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Demand that every measured value is below `limit`; NaN is below none."""
    over = _BELOW.broken_by(found, limit, unit, {}, action)
    if over:
        raise Finding(over, action)


def require_at_least(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Demand that every measured value is at least `limit`; NaN is under any limit."""
    under = _AT_LEAST.broken_by(found, limit, unit, {}, action)
    if under:
        raise Finding(under, action)


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
    over = _AT_MOST.broken_by(found, limit, unit, details or {}, action)
    if over:
        raise Concern(over, action)


def warn_from(found: Mapping[str, float], limit: float, *, unit: str, action: tuple[str, ...] = ()) -> None:
    """Raise a `Concern` when a value has reached `limit`; as `warn_above` otherwise."""
    over = _BELOW.broken_by(found, limit, unit, {}, action)
    if over:
        raise Concern(over, action)


def warn_if_any(found: Mapping[str, str], *, expected: str = "none", action: tuple[str, ...] = ()) -> None:
    """Raise a `Concern` naming each risk; the last judgement of a check."""
    if found:
        raise Concern(tuple(Difference(subject, expected, text) for subject, text in found.items()), action)


@dataclass(frozen=True)
class _Bound:
    """A limit's words, and whether a value keeps it. No comparison with NaN holds: it keeps none."""

    words: str
    keeps: Callable[[float, float], bool]

    def broken_by(
        self, found: Mapping[str, float], limit: float, unit: str, details: Mapping[str, str], action: tuple[str, ...]
    ) -> tuple[Difference, ...]:
        """The values that do not keep the limit. Nothing measured is a `Finding`."""
        expected = f"{self.words} {_limit(limit)} {unit}"
        if not found:
            raise Finding((Difference("", expected, "nothing was measured"),), action)
        return tuple(
            Difference(subject, expected, f"{_number(value, limit)} {unit}", details.get(subject, ""))
            for subject, value in found.items()
            if not self.keeps(value, limit)
        )


_AT_MOST = _Bound("at most", operator.le)
_AT_LEAST = _Bound("at least", operator.ge)
_BELOW = _Bound("below", operator.lt)


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

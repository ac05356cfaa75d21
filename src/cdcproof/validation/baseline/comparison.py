"""The baseline: what a pipeline was made of when it was last known to be right, and what has changed since. Pure.

Everything is a fact: a subject like ``connectors/postgres-sink-connector/batch.size``, and its value as text. The first part of
a subject is its group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cdcproof.findings import ABSENT, Observation

VERSIONS, DEPLOYMENT, CONNECTORS, SCHEMA, ROWS = "versions", "deployment", "connectors", "schema", "rows"
GROUPS = (VERSIONS, DEPLOYMENT, CONNECTORS, SCHEMA, ROWS)

_GREAT_LOSS = 0.5
"""Rows come and go; a table with less than this share of its rows has lost some."""


@dataclass(frozen=True)
class Facts:
    """What a pipeline is made of; `unknown` says why a group could not be looked at."""

    values: Mapping[str, str]
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A fact that is not what it was; ``absent`` for one that is not there."""

    subject: str
    before: str
    after: str

    @property
    def group(self) -> str:
        """The first part of the subject."""
        return self.subject.partition("/")[0]


@dataclass(frozen=True)
class Expectation:
    """What a change intends: facts whose subject has this pattern (``*`` and ``?``) change, to `value` where one is given."""

    pattern: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """Read ``pattern`` or ``pattern = value``. Raises `ValueError` for a pattern that no fact can have."""
        pattern, equals, value = text.partition("=")
        if pattern.partition("/")[0] not in GROUPS:
            raise ValueError(f"{text!r} must begin with one of: {', '.join(f'{group}/' for group in GROUPS)}")
        return cls(pattern.strip(), value.strip() if equals else None)

    def is_about(self, subject: str) -> bool:
        """Whether the pattern is that of the subject."""
        return fnmatchcase(subject, self.pattern)

    def __str__(self) -> str:
        return self.pattern if self.value is None else f"{self.pattern} = {self.value}"


@dataclass(frozen=True)
class Comparison:
    """What has changed between two looks, and what of it was intended."""

    before: Facts
    after: Facts
    expectations: tuple[Expectation, ...] = ()

    def observation(self) -> Observation:
        """Nothing has changed but what was intended; that a group was not compared is a concern."""
        return Observation(self.found(), self.must_be(), concerns=self.unknown(), no_concern="looked at")

    def pages(self) -> dict[str, list[dict[str, object]]]:
        """Title to what was intended and is so, for the report, where there is something."""
        intended: list[dict[str, object]] = [dict(vars(change)) for change in self.intended()]
        return {"Intended, and so": intended} if intended else {}

    def changes(self) -> tuple[Change, ...]:
        """Every fact that differs, rows left out; of groups that could be looked at both times."""
        return changes(self._known(self.before), self._known(self.after))

    def intended(self) -> tuple[Change, ...]:
        """Changes that were declared."""
        return tuple(change for change in self.changes() if self._declared(change))

    def found(self) -> dict[str, str]:
        """Subject to what it is now, of whatever is not as it should be, and of as much as is needed to see that it was looked at."""
        return {
            **{change.subject: change.after for change in self.changes() if not self._declared(change)},
            **{str(expectation): "not so" for expectation in self._unfulfilled()},
            **{subject: f"{now:,} rows" for subject, (_, now) in self._losses().items()},
            **dict.fromkeys(self._groups(), "looked at"),
        }

    def must_be(self) -> dict[str, str]:
        """What `found` must be."""
        return {
            **{change.subject: self._wanted(change) for change in self.changes() if not self._declared(change)},
            **{str(expectation): "changed as intended" for expectation in self._unfulfilled()},
            **{
                s: f"{before:,} rows in the baseline; half of them at least"
                for s, (before, _) in self._losses().items()
            },
            **dict.fromkeys(self._groups(), "looked at"),
        }

    def unknown(self) -> dict[str, str]:
        """Groups that are not compared, and why."""
        return {**self.before.unknown, **self.after.unknown}

    def rows(self) -> list[dict[str, object]]:
        """One row per group, for the report."""
        counted = self.changes()
        return [
            {
                "looked at": group,
                "facts": sum(subject.startswith(f"{group}/") for subject in self.after.values),
                "changed": sum(change.group == group for change in counted),
                "not looked at": self.unknown().get(group, ""),
            }
            for group in GROUPS
        ]

    def _groups(self) -> Iterable[str]:
        return [group for group in GROUPS if group not in self.unknown()]

    def _known(self, facts: Facts) -> dict[str, str]:
        left_out = {*self.unknown(), ROWS}
        return {s: value for s, value in facts.values.items() if s.partition("/")[0] not in left_out}

    def _declared(self, change: Change) -> bool:
        return any(e.is_about(change.subject) and e.value in (None, change.after) for e in self.expectations)

    def _wanted(self, change: Change) -> str:
        values = [e.value for e in self.expectations if e.is_about(change.subject) and e.value is not None]
        return values[0] if values else change.before

    def _unfulfilled(self) -> Sequence[Expectation]:
        """Declared, and nothing of it happened; one whose value is the wrong one is named by its subject."""
        changed = {change.subject for change in self.changes()}
        now = self.after.values
        return [
            e
            for e in self.expectations
            if not any(
                e.is_about(subject) and (subject in changed or (e.value is not None and now.get(subject) == e.value))
                for subject in (*now, *changed)
            )
        ]

    def _losses(self) -> dict[str, tuple[int, int]]:
        pairs = {
            subject: (int(self.before.values[subject]), int(now))
            for subject, now in self.after.values.items()
            if subject.startswith(f"{ROWS}/") and subject in self.before.values and ROWS not in self.unknown()
        }
        return {subject: pair for subject, pair in pairs.items() if pair[1] < pair[0] * _GREAT_LOSS}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Every fact that differs, in the order of the subjects."""
    return tuple(
        Change(subject, before.get(subject, ABSENT), after.get(subject, ABSENT))
        for subject in sorted(before.keys() | after.keys())
        if before.get(subject) != after.get(subject)
    )

"""Watching for a while: what was not as it must be at any moment, though it may be right again at the end. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from cdcproof.findings import ABSENT, Observation

_UPTIME_SLACK_SECONDS = 5.0
"""A start time that is rounded to whole seconds shows no restart."""
_ANSWERS = "answers"


@dataclass(frozen=True)
class Seen:
    """One look at one part. Every value is by its subject; a subject has the same name in every look.

    `words` must be what is expected, `levels` stay at or below their limits, `counters` never grow, `uptimes` never fall. A level that
    could not be measured is NaN.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    counters: Mapping[str, float] = field(default_factory=dict)
    uptimes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """Something that was watched, and all looks at it with their time in seconds; None for a look that could not be made.

    `expected` is the word of each subject that must be there all the time; any other subject must never be there.
    `limits` is the greatest level by unit; a level's subject ends in its unit: ``connect-sink: records behind``.
    `not_watched` says why it could not be watched at all.
    """

    name: str
    looks: tuple[tuple[float, Seen | None], ...]
    expected: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    not_watched: str = ""

    def found(self) -> dict[str, str]:
        """Subject to ``RUNNING throughout``, or to what it was meanwhile, and for how long."""
        if self.not_watched:
            return {}
        words = {subject: self._story(subject, word) for subject, word in self._all_expected().items()}
        return {**words, **self._restarts(), **self._too_high(), **self._grown()}

    def must_be(self) -> dict[str, str]:
        """What `found` must be."""
        if self.not_watched:
            return {}
        return {
            **{subject: f"{word} throughout" for subject, word in self.expected.items()},
            **dict.fromkeys(self._restarts(), "not restarted"),
            **{subject: f"at most {self._limit(subject):,g}" for subject in self._too_high()},
            **dict.fromkeys(self._grown(), "does not grow"),
        }

    def unseen(self) -> str:
        """When it did not answer, and which levels could mostly not be measured; empty where all was seen throughout."""
        if self.not_watched:
            return ""
        story = self._story(self.name, _ANSWERS)
        silent = [] if story == f"{_ANSWERS} throughout" else [story]
        return "; ".join([*silent, *self._unmeasured()])

    def _unmeasured(self) -> list[str]:
        """One look in two may fail on a busy machine; a clock that is wrong makes all of them fail."""
        looks: dict[str, list[float]] = {}
        for look in self._made():
            for subject, level in look.levels.items():
                looks.setdefault(subject, []).append(level)
        counts = {subject: (sum(map(math.isnan, levels)), len(levels)) for subject, levels in looks.items()}
        return [f"{s}: no number at {no} of {of} looks" for s, (no, of) in counts.items() if no > of / 2]

    def row(self) -> dict[str, object]:
        """One row for the report."""
        made = self._made()
        subjects = {s for look in made for s in (*look.words, *look.levels, *look.counters)}
        return {
            "watched": self.name,
            "looks": f"{len(made)} of {len(self.looks)}",
            "subjects": len(subjects),
            "highest": ", ".join(f"{s} {p:,.4g}" for s, p in self._peaks().items()),
            "not watched": self.not_watched or self.unseen(),
        }

    def _made(self) -> list[Seen]:
        return [look for _, look in self.looks if look]

    def _all_expected(self) -> dict[str, str]:
        return {**{subject: ABSENT for look in self._made() for subject in look.words}, **self.expected}

    def _story(self, subject: str, expected: str) -> str:
        """``RUNNING throughout``, or ``FAILED from 3 s to 5 s, then RUNNING again``."""
        words = [(at, self._word(subject, look)) for at, look in self.looks]
        parts: list[str] = []
        start = 0.0
        for position, (at, word) in enumerate(words):
            if position == 0 or word != words[position - 1][1]:
                start = at
            following = words[position + 1][1] if position + 1 < len(words) else ""
            if word not in (expected, following):
                until = "to the end" if not following else f"to {words[position + 1][0]:.0f} s"
                parts.append(f"{word} from {start:.0f} s {until}")
        if not parts:
            return f"{expected} throughout"
        again = f", {expected} again at the end" if words[-1][1] == expected else ""
        return "; ".join(parts) + again

    def _word(self, subject: str, look: Seen | None) -> str:
        if subject == self.name:
            return _ANSWERS if look else "no answer"
        # that it could not be asked is reported once, as the part's own story
        return look.words.get(subject, ABSENT) if look else self.expected.get(subject, ABSENT)

    def _restarts(self) -> dict[str, str]:
        made = [(at, look.uptimes) for at, look in self.looks if look]
        found = {}
        for (_, before), (at, after) in pairwise(made):
            for subject, uptime in after.items():
                if subject in before and uptime < before[subject] - _UPTIME_SLACK_SECONDS:
                    found[f"{subject}: start"] = f"restarted at {max(0.0, at - uptime):.0f} s"
        return found

    def _peaks(self) -> dict[str, float]:
        peaks: dict[str, float] = {}
        for look in self._made():
            for subject, level in look.levels.items():
                if not math.isnan(level):
                    peaks[subject] = max(level, peaks.get(subject, level))
        return peaks

    def _too_high(self) -> dict[str, str]:
        return {s: f"up to {peak:,.4g}" for s, peak in self._peaks().items() if not peak <= self._limit(s)}

    def _limit(self, subject: str) -> float:
        return self.limits[subject.rpartition(": ")[2]]

    def _grown(self) -> dict[str, str]:
        growth: dict[str, float] = {}
        for before, after in pairwise(look.counters for look in self._made()):
            for subject, value in after.items():
                start = before.get(subject, 0.0)
                # one that has fallen began again at 0
                growth[subject] = growth.get(subject, 0.0) + (value - start if value >= start else value)
        return {subject: f"grew by {by:,g}" for subject, by in growth.items() if by > 0}


@dataclass(frozen=True)
class Soak:
    """All that was watched, for how long."""

    parts: tuple[Part, ...]
    seconds: float

    def observation(self) -> Observation:
        """Everything was as it must be all the time, and was seen throughout; what was not watched is a concern."""
        return Observation(
            self.found(),
            self.must_be(),
            concerns=self.not_watched(),
            no_concern="watched",
            unknown=self.unknown(),
        )

    def rows(self) -> list[dict[str, object]]:
        """One row per part, for the report."""
        return [part.row() for part in self.parts]

    def found(self) -> dict[str, str]:
        """Subject to what it was."""
        return {subject: word for part in self.parts for subject, word in part.found().items()}

    def must_be(self) -> dict[str, str]:
        """What `found` must be."""
        return {subject: word for part in self.parts for subject, word in part.must_be().items()}

    def not_watched(self) -> dict[str, str]:
        """Parts that could not be watched, and why."""
        return {part.name: part.not_watched for part in self.parts if part.not_watched}

    def unknown(self) -> dict[str, str]:
        """Whether a part did not answer meanwhile, or could not be measured: what it was then nobody knows."""
        unseen = "; ".join(f"{part.name}: {part.unseen()}" for part in self.parts if part.unseen())
        remedy = "See what stopped it (pytest -m morning looks at each service), then watch again."
        return {f"Not everything could be watched throughout. {unseen}.": remedy} if unseen else {}

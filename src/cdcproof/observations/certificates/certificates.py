"""How long the certificates of a pipeline last: those that its servers show, and those of the files that the pipeline file names. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cdcproof.findings import Observation

_DAY_SECONDS = 86_400.0
NO_TLS = "no TLS"


@dataclass(frozen=True)
class Certificate:
    """A certificate by what it is for, in Unix seconds; both are None where the server has no TLS, or where `unknown` says why not."""

    subject: str
    begins: float | None = None
    ends: float | None = None
    unknown: str = ""
    look: str = ""
    """A command that shows it."""


@dataclass(frozen=True)
class Certificates:
    """All of them."""

    seen: tuple[Certificate, ...]
    now: float
    fail_days: float
    warn_days: float

    def observation(self) -> Observation:
        """Each that was seen lasts long enough, and each was seen."""
        concerns, enough = self.soon(), f"more than {self.warn_days:g} days left"
        return Observation(
            self.found(), self.expected(), self.details(), concerns=concerns, unknown=self.unknown(), no_concern=enough
        )

    def expected(self) -> dict[str, str]:
        """What holds for each that was seen."""
        return {one.subject: NO_TLS if one.ends is None else self._right for one in self.seen if not one.unknown}

    def found(self) -> dict[str, str]:
        """That, or what is left."""
        return {one.subject: self._word(one) for one in self.seen if not one.unknown}

    def soon(self) -> dict[str, str]:
        """Those that end soon, and are not too late yet."""
        found = {
            one.subject: (days, one.ends) for one in self.seen if (days := self._days(one)) is not None and one.ends
        }
        words = self.found()
        return {
            subject: f"{_left(days)}, until {_day(ends)}"
            for subject, (days, ends) in found.items()
            if words[subject] == self._right and not days > self.warn_days
        }

    def details(self) -> dict[str, str]:
        """Until when."""
        return {one.subject: f"until {_day(one.ends)}" for one in self.seen if one.ends is not None}

    def looks(self) -> tuple[str, ...]:
        """Commands that show what is wrong, or will be."""
        wrong = self.soon().keys() | {name for name, word in self.found().items() if word not in (self._right, NO_TLS)}
        return tuple(dict.fromkeys(one.look for one in self.seen if one.look and one.subject in wrong))

    def unknown(self) -> dict[str, str]:
        """Those that could not be looked at."""
        return {f"{one.subject}: {one.unknown}": one.look for one in self.seen if one.unknown}

    def rows(self) -> list[dict[str, object]]:
        """One row per certificate, for the report."""
        return [
            {
                "of": one.subject,
                "until": None if one.ends is None else _day(one.ends),
                "days left": None if (days := self._days(one)) is None else f"{days:.1f}",
                "says": one.unknown or (NO_TLS if one.ends is None else ""),
            }
            for one in self.seen
        ]

    @property
    def _right(self) -> str:
        return f"more than {self.fail_days:g} days left"

    def _days(self, one: Certificate) -> float | None:
        return None if one.ends is None else (one.ends - self.now) / _DAY_SECONDS

    def _word(self, one: Certificate) -> str:
        days = self._days(one)
        if days is None:
            return NO_TLS
        if one.begins is not None and one.begins > self.now:
            return f"not valid before {_day(one.begins)}"
        return self._right if days > self.fail_days else _left(days)


def _left(days: float) -> str:
    return f"{days:.1f} days left" if days > 0 else f"expired {abs(days):.1f} days ago"


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"

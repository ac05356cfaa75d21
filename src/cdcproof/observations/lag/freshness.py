"""How old the target is: the age there of the newest heartbeat that the source wrote. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cdcproof.findings import Observation, at_most

_ARRIVED = "a heartbeat"
_REMEDY = "See [freshness] in docs/PIPELINE.md: how the heartbeat is written, and as what."


@dataclass(frozen=True)
class Freshness:
    """The newest heartbeat on both sides, by the source's clock, in seconds; None where a side has none.

    `source_unknown` is why that of the source could not be read; it says where the way is interrupted, and decides nothing alone.
    """

    table: str
    """The table at the target."""
    age_seconds: float | None
    source_age_seconds: float | None
    limit_seconds: float
    clock_skew_seconds: float
    source_unknown: str = ""

    def observation(self) -> Observation:
        """A heartbeat has arrived, and is not older than it may be."""
        if unknown := self.unknown():
            return Observation(unknown=unknown)
        age = Observation(self.seconds(), at_most(self.limit_seconds, "s old"), self.details())
        return Observation(self.found(), self.expected(), self.details(), then=(age,))

    def unknown(self) -> dict[str, str]:
        """Whether no side has a heartbeat, or that of the target is of the future."""
        if self.age_seconds is None and self.source_age_seconds is None:
            return {f"There is no heartbeat at the target, {self.source_unknown or 'nor at the source'}.": _REMEDY}
        if self.age_seconds is not None and self.age_seconds < -self.clock_skew_seconds:
            return {
                f"The newest heartbeat at the target is dated {-self.age_seconds:,.0f} s into the future of the source's clock.": (
                    "Compare `date` on the source's host: a clock was set back, or ran ahead. Else another server wrote that row."
                )
            }
        return {}

    def found(self) -> dict[str, str]:
        """The table to ``a heartbeat``, or to that none has arrived."""
        return {self.table: "none has arrived" if self.age_seconds is None else _ARRIVED}

    def expected(self) -> dict[str, str]:
        """There is one."""
        return {self.table: _ARRIVED}

    def seconds(self) -> dict[str, float]:
        """The table to the age of its newest heartbeat."""
        return {} if self.age_seconds is None else {self.table: max(0.0, self.age_seconds)}

    def details(self) -> dict[str, str]:
        """Where to look: at what writes the heartbeat, or on its way."""
        return {self.table: self._source_word()}

    def rows(self) -> list[dict[str, object]]:
        """One row per side, for the report."""
        return [
            {"side": "source", "newest heartbeat, s old": _number(self.source_age_seconds)},
            {"side": "target", "newest heartbeat, s old": _number(self.age_seconds)},
        ]

    def _source_word(self) -> str:
        if self.source_age_seconds is None:
            return f"of the source it is not known: {self.source_unknown or 'its table is empty'}"
        newest = f"at the source the newest is {max(0.0, self.source_age_seconds):,.0f} s old"
        if self.source_age_seconds <= self.limit_seconds:
            return f"{newest}: it is held up on its way"
        return f"{newest}: the source connector writes none"


def _number(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds:,.1f}"

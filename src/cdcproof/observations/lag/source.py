"""How far each source connector has read the source's log, by several looks: what stands still shows only so.

An idle source is no lag: PostgreSQL's session of the slot is then sent that there is nothing, and in SQL Server no captured change
is left unread. Both are seen here; the committed offset of an idle connector may stand still for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.databases.contracts.deployment import LogReading
from cdcproof.findings import Observation, at_most
from cdcproof.pipeline.model import Thresholds

_READS_ON = "reads on"
_MEBIBYTE = 1024 * 1024
_HEADER_BYTES = 64
"""PostgreSQL's log may end behind a page's header, where no position is: what is less than that beyond the end is not beyond it."""


@dataclass(frozen=True)
class Progress:
    """Looks at one connector's reading, the first and the last so many seconds apart. `is_dead`: nobody read the log at either.

    `advances` counts how often it was seen further than ever. One is no proof that it reads: the report that it makes every ten seconds, or
    a minute, may be of what it was given before the first look. A second one is. `still_seconds` is since the last one.
    """

    first: LogReading
    last: LogReading
    waited_seconds: float
    advances: int = 0
    still_seconds: float = 0.0

    @property
    def has_arrived(self) -> bool:
        """Whether it was given all that the log held at the first look; SQL Server's change tables show that by an age."""
        return self.last.unread_seconds is not None or self.last.read >= self.first.end

    @property
    def is_dead(self) -> bool:
        """Whether PostgreSQL has nobody who reads."""
        return self.last.unread_seconds is None and not self.first.session and not self.last.session

    @property
    def blind(self) -> str:
        """The GRANT without which a connector that stands still looks like an idle source; empty where it can."""
        return "" if self.has_arrived or self.has_moved else self.last.grant

    def word(self) -> str:
        """``reads on`` or what else it does."""
        if self.first.stored > self.first.end + _HEADER_BYTES:
            return "beyond the end of the source's log"
        return _READS_ON if self.has_arrived or self.has_moved else f"stood still for {self.still_seconds:.0f} s"

    @property
    def has_moved(self) -> bool:
        """Whether it has read after the first look."""
        return self.advances > 1

    @property
    def behind_mebibytes(self) -> float:
        """What it was not given yet of the log."""
        return 0.0 if self.has_arrived else max(0, self.last.end - self.last.read) / _MEBIBYTE


@dataclass(frozen=True)
class SourceLag:
    """Every source connector that could be seen, by its name. `unseen`: why another could not, with what helps."""

    seen: Mapping[str, Progress]
    unseen: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def observation(self, limits: Thresholds) -> Observation:
        """Every connector goes on reading, and is not further behind than it may be."""
        measured = (
            Observation(self.mebibytes(), at_most(limits.source_lag_mebibytes, "MiB behind")),
            Observation(self.seconds(), at_most(limits.source_lag_seconds, "s behind")),
        )
        return Observation(
            self.found(),
            self.expected(),
            self.details(),
            unknown=self.unknown(),
            then=tuple(one for one in measured if one.found),
        )

    def expected(self) -> dict[str, str]:
        """Every connector goes on reading."""
        return dict.fromkeys(self.seen, _READS_ON)

    def found(self) -> dict[str, str]:
        """Connector to ``reads on``, or to what it does instead."""
        return {name: one.word() for name, one in self.seen.items()}

    def details(self) -> dict[str, str]:
        """Connector to how far behind it is."""
        return {
            name: f"{one.behind_mebibytes:,.1f} MiB of the log were not given to it; its session: {one.last.session}"
            for name, one in self.seen.items()
            if one.last.unread_seconds is None
        }

    def mebibytes(self) -> dict[str, float]:
        """Connector to what it was not given yet, where the source is PostgreSQL."""
        return {n: one.behind_mebibytes for n, one in self.seen.items() if one.last.unread_seconds is None}

    def seconds(self) -> dict[str, float]:
        """Connector to the age of the oldest change that it has not read, where the source is SQL Server."""
        return {n: one.last.unread_seconds for n, one in self.seen.items() if one.last.unread_seconds is not None}

    def unknown(self) -> dict[str, str]:
        """Why connectors could not be seen, each reason with all that helps, or that there is none."""
        none = {} if self.seen else {"No source connector of the pipeline was found at Connect.": ""}
        helps: dict[str, list[str]] = {}
        for why, what_helps in self.unseen.values():
            helps.setdefault(why, []).append(what_helps)
        return {why: "\n".join(dict.fromkeys(filter(None, all_of_it))) for why, all_of_it in helps.items()} or none

    def rows(self) -> list[dict[str, object]]:
        """One row per connector, for the report."""
        seen_rows: list[dict[str, object]] = [
            {
                "connector": name,
                "seen": one.word(),
                "MiB behind": f"{one.behind_mebibytes:,.1f}" if one.last.unread_seconds is None else None,
                "s behind": one.last.unread_seconds,
                "looks apart, s": f"{one.waited_seconds:.1f}",
            }
            for name, one in self.seen.items()
        ]
        return seen_rows + [{"connector": name, "seen": f"not: {why}"} for name, (why, _) in self.unseen.items()]

"""Whether the exporter's page says of each connector what Connect says.

Connect is asked before the page and after it. What changes between the two may stand on the page either way: a restart at that
moment is no contradiction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.findings import Observation

STATE = "connector_state"
Values = Mapping[str, float]


@dataclass(frozen=True)
class PageBesideConnect:
    """Connector to 1 where all of it runs, else to 0: on a page, and by what Connect said `before` and `after` it was fetched.

    `made_at` (Unix seconds) is when the page says that it was made.
    """

    before: Values
    page: Values
    after: Values
    made_at: float

    def observation(self) -> Observation:
        """The page says of each connector what Connect says."""
        return Observation(self.page, self.expected())

    def expected(self) -> dict[str, float]:
        """What the page may say: what it says where Connect said so before or after it, else what Connect said last."""
        found = dict(self.after)
        for connector in self.before.keys() | self.after.keys() | self.page.keys():
            said = self.page.get(connector)
            if said in (self.before.get(connector), self.after.get(connector)):
                found.pop(connector, None)
                if said is not None:
                    found[connector] = said
        return found

    @property
    def agrees(self) -> bool:
        """Whether the page says nothing that Connect did not."""
        return self.expected() == self.page

    def rows(self) -> list[dict[str, object]]:
        """One row per connector, for the report."""
        return [
            {
                "connector": c,
                "state": self.page.get(c),
                "Connect before": self.before.get(c),
                "after": self.after.get(c),
            }
            for c in sorted(self.page.keys() | self.before.keys() | self.after.keys())
        ]


def settled(looks: Sequence[PageBesideConnect]) -> PageBesideConnect:
    """The last of the looks. Raises `UnexpectedAnswerError` where it contradicts Connect and the page was never made anew."""
    last = looks[-1]
    if not last.agrees and len(looks) > 1 and last.made_at == looks[0].made_at:
        raise UnexpectedAnswerError(
            "The metrics of the connector exporter prove nothing: they contradict Connect, and are still those of the first of "
            f"{len(looks)} looks: a copy, which may be older than what Connect says.",
            "Look for a cache in front of the exporter, or an exporter that hangs: fetch the page twice and compare its "
            "cdcproof_exporter_rendered_timestamp_seconds.",
        )
    return last

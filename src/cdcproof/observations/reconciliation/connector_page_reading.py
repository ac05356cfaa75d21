"""The exporter's page about the connectors, beside what Connect says: looked at again while the two differ."""

from __future__ import annotations

from collections.abc import Callable

from cdcproof.clients.prometheus import Metrics
from cdcproof.core.waiting import last_look
from cdcproof.observations.reconciliation.connector_page import STATE, PageBesideConnect, Values, settled
from cdcproof.observations.reconciliation.exporter_page import made_at

_SECONDS = 5.0
"""The workers of a cluster need a moment to learn of each other's states, and a proxy may keep a page for a moment."""


def look(ask: Callable[[], Values], fetch: Callable[[], Metrics]) -> PageBesideConnect:
    """`ask` asks Connect for what the page should say, `fetch` gets the page.

    Raises what they raise, and `UnexpectedAnswerError` where the page contradicts Connect and is never made anew.
    """
    seen: list[PageBesideConnect] = []

    def once() -> PageBesideConnect:
        before = ask()
        page = fetch()
        seen.append(PageBesideConnect(before, page.labelled(STATE, "connector"), ask(), made_at(page)))
        return seen[-1]

    last_look(once, lambda one: one.agrees, deadline_seconds=_SECONDS)
    return settled(seen)

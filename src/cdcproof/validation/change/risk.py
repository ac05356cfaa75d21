"""How risky a change is, by the runbook's categories. Pure.

Low (less than 5 minutes of downtime): adding tables, parallelism, minor settings. Medium (up to 30): connector configurations, schema
changes that the sink follows by itself, new connectors, resources. High (more than 30): major versions, database migrations,
network changes, whatever makes a connector begin anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cdcproof.findings import ABSENT
from cdcproof.validation.baseline.comparison import CONNECTORS, DEPLOYMENT, ROWS, SCHEMA, VERSIONS, Change

_LOW_MINUTES, _MEDIUM_MINUTES = 5, 30

_TABLES = ("table.include.list", "topics", "message.key.columns")
_EVOLVES = {"schema.evolution": "basic", "auto.evolve": "true"}
_NETWORK_VARIABLE = re.compile(r"HOST|LISTENER|BOOTSTRAP|URL|PORT|ADDRESS|CONNECT$")


class Risk(StrEnum):
    """The runbook's three classes, compared by `level`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def level(self) -> int:
        """0, 1 or 2."""
        return list(Risk).index(self)


_SETTINGS = (
    (re.compile(r"^tasks\.max$"), (Risk.LOW, "connector parallelism")),
    (
        re.compile(r"^(topic\.prefix|database\.server\.name|slot\.name|publication\.name|connector\.class)$"),
        (Risk.HIGH, "the connector begins anew"),
    ),
    (
        re.compile(r"(^|\.)(hostname|host|port|bootstrap\.servers|dbname|names|instance|url)$"),
        (Risk.HIGH, "database migration or network change"),
    ),
    (
        re.compile(
            r"(^|\.)(batch|queue|poll|fetch|linger|buffer|heartbeat|interval|timeout|retries|retry|backoff|log|pool|metrics)"
            r"(\.|_|$)"
        ),
        (Risk.LOW, "minor setting"),
    ),
)
"""The settings of connectors that the runbook's categories single out; the first that fits counts."""


@dataclass(frozen=True)
class Judged:
    """One change, its risk, and the runbook's category that it falls into."""

    change: Change
    risk: Risk
    category: str


@dataclass(frozen=True)
class Classified:
    """A whole change: its parts, and the downtime that was declared."""

    judged: tuple[Judged, ...]
    downtime_minutes: float

    @property
    def risk(self) -> Risk:
        """The highest risk of any part, or of the downtime."""
        risks = [of_downtime(self.downtime_minutes), *(judged.risk for judged in self.judged)]
        return max(risks, key=lambda risk: risk.level)


def of_downtime(minutes: float) -> Risk:
    """The class of a downtime: below 5 minutes, to 30, above."""
    if minutes < _LOW_MINUTES:
        return Risk.LOW
    return Risk.MEDIUM if minutes <= _MEDIUM_MINUTES else Risk.HIGH


def classify(changes: Iterable[Change], wanted: Mapping[str, str], downtime_minutes: float) -> Classified:
    """Judge every change; `wanted` are all facts as they will be. Rows are data, not a change."""
    evolves = any(
        value == _EVOLVES.get(subject.rpartition("/")[2]) and subject.startswith(f"{CONNECTORS}/")
        for subject, value in wanted.items()
    )
    parts = _whole_things([change for change in changes if change.group != ROWS])
    judged = (Judged(change, *_judge(change, evolves=evolves)) for change in parts)
    return Classified(tuple(sorted(judged, key=lambda one: (-one.risk.level, one.change.subject))), downtime_minutes)


def _whole_things(changes: Sequence[Change]) -> list[Change]:
    """A connector, table or service that comes or goes is one change, not one for each of its settings."""
    wholes: dict[str, Change] = {}
    mark = {CONNECTORS: "connector.class", SCHEMA: "(key)", DEPLOYMENT: "image"}
    for change in changes:
        whole, _, last = change.subject.rpartition("/")
        if last == mark.get(change.group) and ABSENT in (change.before, change.after):
            wholes[whole] = Change(
                whole,
                ABSENT if change.before == ABSENT else "there",
                ABSENT if change.after == ABSENT else "there",
            )
    rest = [c for c in changes if not any(c.subject.startswith(f"{whole}/") for whole in wholes)]
    return [*wholes.values(), *rest]


def _judge(change: Change, *, evolves: bool) -> tuple[Risk, str]:
    judge = {CONNECTORS: _judge_connector, DEPLOYMENT: _judge_deployment, VERSIONS: _judge_version}.get(change.group)
    return judge(change) if judge else _judge_schema(change, evolves=evolves)


def _judge_connector(change: Change) -> tuple[Risk, str]:
    key = change.subject.split("/", 2)[2:]
    if not key:
        if change.before == ABSENT:
            return Risk.MEDIUM, "new connector"
        return Risk.HIGH, "a connector goes: its tables are no longer replicated"
    if key[0] in _TABLES:
        before, after = (
            {part.strip() for part in value.split(",")} - {ABSENT} for value in (change.before, change.after)
        )
        return (Risk.LOW, "tables are added") if before <= after else (Risk.MEDIUM, "tables are taken out")
    found = next((verdict for pattern, verdict in _SETTINGS if pattern.search(key[0])), None)
    return found or (Risk.MEDIUM, "connector configuration")


def _judge_deployment(change: Change) -> tuple[Risk, str]:
    _, _, *setting = change.subject.split("/", 2)
    if not setting:
        return (Risk.MEDIUM, "new service") if change.before == ABSENT else (Risk.HIGH, "a service goes")
    (name,) = setting
    if name == "image":
        return _judge_version(change)
    if name in ("ports", "networks"):
        return Risk.HIGH, "network change"
    if name in ("memory", "cpus"):
        return Risk.MEDIUM, "resource adjustment"
    if name.startswith("environment/") and _NETWORK_VARIABLE.search(name):
        return Risk.HIGH, "network change"
    return Risk.MEDIUM, "service configuration"


def _judge_version(change: Change) -> tuple[Risk, str]:
    before, after = _version(change.before), _version(change.after)
    if ABSENT in (change.before, change.after):
        return Risk.MEDIUM, "a plug-in comes or goes"
    if before is None or after is None or before[0] != after[0]:
        return Risk.HIGH, "other software, or of an unknown version"
    if before[1] != after[1]:
        return Risk.HIGH, "major version upgrade"
    return Risk.MEDIUM, "minor version"


def _judge_schema(change: Change, *, evolves: bool) -> tuple[Risk, str]:
    _, _, _, *column = change.subject.split("/", 3)
    if not column:
        return (Risk.LOW, "a table is added") if change.before == ABSENT else (Risk.HIGH, "a table goes")
    if change.before == ABSENT and evolves:
        return Risk.MEDIUM, "schema change that the sink follows by itself"
    return Risk.HIGH, "schema change that the sink does not follow by itself"


def _version(text: str) -> tuple[str, str] | None:
    """What it is and its major version: ``("quay.io/debezium/connect", "3")``, ``("PostgreSQL", "18")``; None without a version."""
    found = re.search(r"(\d+)(?:\.\d+)*", text.rpartition(":")[2] if ":" in text else text)
    if not found:
        return None
    place = text.rindex(found[0])
    return text[:place].rstrip(": v"), found[1]

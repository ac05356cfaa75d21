"""Up to which offset the dead letters of each topic were handled: what `cdcproof connectors dlq --clear` has deleted.

Kafka does not say who deleted a record, retention or a person. What was handled is kept beside the acts log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.core.stored import Kind


@dataclass(frozen=True)
class _Handled:
    clusters: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cluster to ``topic/partition`` to the offset before which all was handled."""


_FILE = Kind(
    _Handled,
    "What was handled of the dead letters cannot be read",
    "Move the file away. What was deleted before is then not known to be handled.",
    version=1,
    version_key="format",
)


def note(reports: Path, cluster: str, ends: Mapping[Place, int]) -> None:
    """Keep that all before these offsets was handled. Raises `OperationError`, or `ConfigError` of a damaged file."""
    path = _path(reports)
    before = _FILE.read(path) or _Handled()
    mine = {f"{topic}/{partition}": offset for (topic, partition), offset in ends.items()}
    clusters = before.clusters | {cluster: before.clusters.get(cluster, {}) | mine}
    _FILE.write(path, _Handled(clusters))


def noted(reports: Path, cluster: str) -> dict[Place, int]:
    """What was kept so. Raises `ConfigError` of a damaged file."""
    path = _path(reports)
    stored = _FILE.read(path) or _Handled()
    places = ((place.rpartition("/"), offset) for place, offset in stored.clusters.get(cluster, {}).items())
    try:
        return {(topic, int(partition)): offset for (topic, _, partition), offset in places}
    except ValueError:
        _FILE.refuse(path, "a place in it is no topic/partition")


def _path(reports: Path) -> Path:
    return reports / "handled-dead-letters.json"

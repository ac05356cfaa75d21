"""How everything was before a window touched it: connectors with secrets and positions, and the facts of a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cdcproof.clients.connect.client import Connector, Offset
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import deploy
from cdcproof.connectors.journal import Before
from cdcproof.core.secrets import inline_secrets, known
from cdcproof.core.stored import Kind
from cdcproof.pipeline.model import Pipeline

_FILE = "connectors-before.json"
FACTS = "facts-before.json"


@dataclass(frozen=True)
class Saved:
    """Connector to how it was, of every connector that is not another pipeline's."""

    connectors: Mapping[str, Before]

    def with_sink_positions(self, groups: Mapping[str, Mapping[Place, int]]) -> Saved:
        """The same with where each sink had come to when it was paused: before that nothing is delivered again."""
        return Saved(
            {
                name: replace(before, offsets=_as_offsets(groups[name])) if name in groups else before
                for name, before in self.connectors.items()
            }
        )


_STORED = Kind(
    Saved,
    "How the connectors were before the window cannot be read",
    "Without it they are put back by hand: cdcproof connectors apply.",
    "Make room: without it nothing could be put back.",
)


def of(connectors: Iterable[Connector], control: Control, pipeline: Pipeline) -> Saved:
    """Ask Connect for all that is needed to put each connector back."""
    return Saved({c.name: deploy.before(control, c) for c in connectors if not pipeline.is_neighbour(c.name)})


def write(saved: Saved, folder: Path) -> Path:
    """Keep it in the window's folder; secrets are in it, so that only its owner may read it. Raises `OperationError`."""
    _STORED.write(folder / _FILE, saved)
    return folder / _FILE


def read(folder: Path) -> Saved:
    """What was kept. Raises `ConfigError` where it is missing or cannot be read."""
    saved = _STORED.read(folder / _FILE)
    if saved is None:
        _STORED.refuse(folder / _FILE, "there is no such file")
    for before in saved.connectors.values():
        known(before.config[key] for key in inline_secrets(before.config or {}) if before.config)
    return saved


def _as_offsets(committed: Mapping[Place, int]) -> tuple[Offset, ...]:
    return tuple(
        {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}
        for (topic, partition), offset in sorted(committed.items())
    )

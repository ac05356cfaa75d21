"""How everything was before a window touched it: connectors with secrets and positions, and the facts of a baseline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cdcproof.clients.connect.client import Connector, Offset
from cdcproof.clients.kafka.consumer_groups import Place
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import deploy
from cdcproof.connectors.journal import Before
from cdcproof.core.errors import ConfigError, OperationError
from cdcproof.core.files import write_whole
from cdcproof.core.secrets import inline_secrets, known
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


def of(connectors: Iterable[Connector], control: Control, pipeline: Pipeline) -> Saved:
    """Ask Connect for all that is needed to put each connector back."""
    return Saved({c.name: deploy.before(control, c) for c in connectors if not pipeline.is_neighbour(c.name)})


def write(saved: Saved, folder: Path) -> Path:
    """Keep it in the window's folder; secrets are in it, so that only its owner may read it. Raises `OperationError`."""
    stored = {"connectors": {name: asdict(before) for name, before in saved.connectors.items()}}
    try:
        write_whole(folder / _FILE, json.dumps(stored, indent=1), mode=0o600)
    except OSError as error:
        raise OperationError(
            f"{folder / _FILE} cannot be written: {error.strerror}.", "Make room: without it nothing could be put back."
        ) from None
    return folder / _FILE


def read(folder: Path) -> Saved:
    """What was kept. Raises `ConfigError` where it is missing or cannot be read."""
    path = folder / _FILE
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {name: _before(each) for name, each in stored["connectors"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"How the connectors were before the window cannot be read: {type(error).__name__} {error}",
            "Without it they are put back by hand: cdcproof connectors apply.",
            path,
        ) from None
    for before in found.values():
        known(before.config[key] for key in inline_secrets(before.config or {}) if before.config)
    return Saved(found)


def _before(stored: Mapping[str, Any]) -> Before:
    offsets = stored["offsets"]
    return Before(**{**stored, "offsets": None if offsets is None else tuple(offsets)})


def _as_offsets(committed: Mapping[Place, int]) -> tuple[Offset, ...]:
    return tuple(
        {"partition": {"kafka_topic": topic, "kafka_partition": partition}, "offset": {"kafka_offset": offset}}
        for (topic, partition), offset in sorted(committed.items())
    )

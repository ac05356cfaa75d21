"""The connectors' configurations and states, as Connect has them: secrets in clear where they are so there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cdcproof.backup.parts.part import Part
from cdcproof.clients.connect.client import ConnectorStates
from cdcproof.core.errors import OperationError
from cdcproof.core.json_text import parsed
from cdcproof.core.secrets import inline_secrets, known
from cdcproof.pipeline.model import Pipeline


@dataclass(frozen=True)
class SavedConnector:
    """A connector of the backup: RUNNING, PAUSED or STOPPED, source or sink."""

    name: str
    kind: str
    state: str
    config: Mapping[str, str] = field(repr=False)


def save(states: ConnectorStates, pipeline: Pipeline) -> Part:
    """Every connector but those of other pipelines. Raises `OperationError` where one of the pipeline's own is not there."""
    found = states.leaving_out(pipeline.is_neighbour).connectors
    missing = [own.name for own in pipeline.connectors if own.name not in {one.name for one in found}]
    if missing:
        raise OperationError(
            f"Kafka Connect has no connector {', '.join(missing)}. A backup needs the configuration of each.",
            "cdcproof connectors status",
        )
    text = json.dumps(
        {one.name: {"kind": one.kind, "state": one.state, "config": dict(one.config)} for one in found}, indent=1
    )
    open_ = [one.name for one in found if inline_secrets(one.config)]
    notes = (
        [f"{', '.join(open_)}: the configuration holds a password in clear, and so does the backup."] if open_ else []
    )
    return Part(text, f"{len(found)} connectors", tuple(notes))


def read(text: str) -> dict[str, SavedConnector]:
    """Connector by name. Raises `ValueError`, `KeyError` or `TypeError` for something else."""
    found = {
        name: SavedConnector(name, stored["kind"], stored["state"], stored["config"])
        for name, stored in parsed(text).items()
    }
    for one in found.values():
        known(str(one.config[key]) for key in inline_secrets(one.config))
    return found

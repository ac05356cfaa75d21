"""What has to be done so that the connectors run as their files say. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cdcproof.clients.connect.client import Connector, ConnectorStates
from cdcproof.connectors.deployment.definition import Definition
from cdcproof.connectors.deployment.difference import KeyChange, differences


@dataclass(frozen=True)
class Step:
    """One connector: as it should be, as it is (None: it is not there), and what differs."""

    definition: Definition
    running: Connector | None
    changes: tuple[KeyChange, ...]

    @property
    def name(self) -> str:
        """The connector's name."""
        return self.definition.name

    @property
    def action(self) -> str:
        """``create``, ``update`` or ``nothing``."""
        return "create" if self.running is None else "update" if self.changes else "nothing"

    @property
    def summary(self) -> str:
        """One line for people."""
        keys = f"{len(self.changes)} key{'' if len(self.changes) == 1 else 's'}"
        return {
            "create": f"to be created, {keys}",
            "update": f"{keys} differ" + ("s" if len(self.changes) == 1 else ""),
        }.get(self.action, "no difference")

    def as_dict(self) -> dict[str, object]:
        """JSON form, without secrets."""
        return {"name": self.name, "action": self.action, "changes": [asdict(change) for change in self.changes]}


def plan(definitions: Iterable[Definition], running: ConnectorStates) -> tuple[Step, ...]:
    """The steps, in the order of the files. Raises `ConfigError` for a `[redacted]` that stands for nothing."""
    steps = []
    for definition in definitions:
        found = running.get(definition.name)
        wanted = definition.with_kept_secrets(found.config if found else None)
        steps.append(Step(wanted, found, differences(found.config if found else None, wanted.config)))
    return tuple(steps)

"""Connectors as Connect may report them, for tests."""

from __future__ import annotations

from cdcproof.clients.connect.client import Connector, Task


def connector(state: str = "RUNNING", *tasks: str, name: str = "c", kind: str = "sink", **config: str) -> Connector:
    """A connector whose failed tasks have a trace; ``__`` in a key stands for a dot."""
    return Connector(
        name,
        kind,
        state,
        "w",
        tuple(
            Task(n, t, "w", "E: broken\nCaused by: E: the cause" if t == "FAILED" else "") for n, t in enumerate(tasks)
        ),
        {key.replace("__", "."): value for key, value in config.items()},
        "E: connector" if state == "FAILED" else "",
    )

from __future__ import annotations

from pathlib import Path

import pytest

from cdcproof.clients.connect.client import Connector, ConnectorStates
from cdcproof.connectors.deployment.definition import Definition
from cdcproof.connectors.deployment.plan import plan
from cdcproof.core.errors import ConfigError


def runs(name: str, **config: str) -> Connector:
    return Connector(name, "sink", "RUNNING", "w", (), {"name": name, **config})


def defined(name: str, **config: str) -> Definition:
    return Definition(name, config, Path(f"{name}.json"))


def test_each_file_is_a_step_and_what_has_no_file_is_none() -> None:
    running = ConnectorStates((runs("same", a="1"), runs("other", a="1", b="2"), runs("extra")))
    steps = plan([defined("new", a="1"), defined("same", a="1"), defined("other", a="2")], running)
    assert [(step.name, step.action, step.summary) for step in steps] == [
        ("new", "create", "to be created, 1 key"),
        ("same", "nothing", "no difference"),
        ("other", "update", "2 keys differ"),
    ]
    assert steps[2].as_dict() == {
        "name": "other",
        "action": "update",
        "changes": [
            {"key": "a", "before": "1", "after": "2"},
            {"key": "b", "before": "2", "after": "absent"},
        ],
    }


def test_one_key_differs_in_the_singular() -> None:
    [step] = plan([defined("c", a="2")], ConnectorStates((runs("c", a="1"),)))
    assert step.summary == "1 key differs"


def test_a_redacted_value_is_the_one_that_runs() -> None:
    secret = {"db.password": "plan-secret-1"}
    redacted = Definition("c", {"db.password": "[redacted]"}, Path("c.json"))
    running = ConnectorStates((Connector("c", "sink", "RUNNING", "w", (), secret),))
    [step] = plan([redacted], running)
    assert (step.action, step.definition.config) == ("nothing", secret)
    with pytest.raises(ConfigError, match=r"c\.json"):
        plan([redacted], ConnectorStates(()))

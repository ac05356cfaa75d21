from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.clients.connect.client import Connect
from cdcproof.connectors.control import Control
from cdcproof.connectors.deployment import gate
from cdcproof.connectors.deployment.deploy import Result
from cdcproof.connectors.deployment.gate import Applied, ConnectorFiles
from cdcproof.core.waiting import Deadline
from cdcproof.pipeline.model import HttpService
from tests.canned import EXPANDED, connector, serving
from tests.pipelines import pipeline_of

CLASS = "io.debezium.connector.jdbc.JdbcSinkConnector"
VALIDATED = f"PUT /connector-plugins/{CLASS}/config/validate"


def answer(*errors: str, reads: str = "tasks.max") -> dict[str, object]:
    field = {"definition": {"name": reads}, "value": {"name": reads, "value": "x", "errors": list(errors)}}
    return {"name": CLASS, "error_count": len(errors), "configs": [field]}


def looked(folder: Path, *errors: str, reads: str = "tasks.max", **running: str) -> ConnectorFiles:
    """The gate's look at one file, `sink.json`, at a Connect that runs it with `running` and answers with `errors`."""
    config = {"connector.class": CLASS, "tasks.max": "1"}
    (folder / "sink.json").write_text(json.dumps({"name": "sink", "config": config}))
    runs = {"sink": connector("sink", {"name": "sink", **config, **running})}
    with serving({EXPANDED: (200, runs), VALIDATED: (200, answer(*errors, reads=reads))}) as server:
        connect = Connect(HttpService(url=server.url), patience_seconds=0)
        control = Control(connect, Deadline(5), print, print)
        return gate.look(pipeline_of("orders", paths={"connectors": str(folder)}), control)


def test_a_file_is_validated_though_nothing_differs(tmp_path: Path) -> None:
    files = looked(tmp_path, "Not a number")

    assert files.changes() == ""
    assert files.found() == {"sink: tasks.max": "Not a number"}
    assert files.found() != files.expected()


def test_a_file_that_is_accepted(tmp_path: Path) -> None:
    files = looked(tmp_path, **{"tasks.max": "4"})

    assert files.found() == files.expected() == {"sink": "accepted"}
    assert files.changes().splitlines() == ["sink", "- tasks.max = 4", "+ tasks.max = 1"]
    assert files.rows() == [{"connector": "sink", "file": "sink.json", "would be": "update", "keys": 1}]


def test_a_key_that_nothing_reads_is_a_concern(tmp_path: Path) -> None:
    files = looked(tmp_path, **{"tasks.max": "4"})
    assert files.observation().concerns == {}
    slip = looked(tmp_path, reads="task.max")
    assert slip.found() == slip.expected()
    assert slip.observation().concerns == {"sink": "tasks.max: the plug-in does not read this key; is it task.max?"}


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (Result("sink", "update", "success", "it runs"), "applied, and every task runs"),
        (Result("sink", "update", "failure", "task 0 FAILED: no"), "failure: task 0 FAILED: no"),
        (Result("sink", "update", "unproved", "PAUSED, as it was"), "unproved: PAUSED, as it was"),
    ],
)
def test_only_what_runs_has_been_applied(result: Result, found: str) -> None:
    applied = Applied((result,))

    assert applied.found() == {"sink": found}
    assert (applied.found() == applied.expected()) is (result.status == "success")

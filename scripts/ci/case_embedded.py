"""The cases and faults of `cases.py` that need a Kafka Connect: one after the other, on an embedded pipeline of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from case_tools import CASES, OPEN, ROOT, SECRETS, Work, call, equal, has, need


@cache
def embedded() -> ModuleType:
    """What the faults share, as soon as the pipeline runs and is equal."""
    os.environ |= {"CDCPROOF_INSTANCE": os.environ.get("CDCPROOF_INSTANCE", "cases")}
    SECRETS.clear()  # the pipeline makes its own
    OPEN.callback(call, "cdcproof", "down")
    for command in ("up", "load", "reconcile --pipeline embedded --validate-checksums"):
        code, said = call("cdcproof", *command.split())
        need(code == 0, f"cdcproof {command}: exit {code}: {said}")
    os.chdir(ROOT)
    sys.path.insert(0, str(CASES / "chaos"))
    return import_module("chaos")


def fault(script: Path, work: Work) -> None:
    embedded()
    # dead_letters.py imports a name that the module has not
    green = "chaos.green = lambda run: all(step['verdict'] == 'passed' for step in run.values())"
    run = f"import runpy, sys; sys.path.insert(0, sys.argv[1]); import chaos; {green}; runpy.run_path(sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", run, script.parent, script],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
        cwd=ROOT,
    )
    need(done.returncode == 0, done.stdout + done.stderr)


def case_20(case: Path, work: Work) -> None:
    there = embedded()
    try:
        there.sql("source", "CREATE TABLE other (id int PRIMARY KEY)", "ALTER PUBLICATION cdcproof ADD TABLE other")
        equal(there.checks()["morning.9-tables"]["verdict"], "passed")
    finally:
        there.sql("source", "DROP TABLE other")


def case_22(case: Path, work: Work) -> None:
    there = embedded()
    own = there.connectors.config(there.instance(), there.SINK)
    try:
        there.connect("PUT", "/connectors/other-sink/config", {**own, "name": "other-sink", "topics": "other"})
        need(there.until(lambda: there.states().get("other-sink") == ["RUNNING"] * 2), there.states())
        run = there.checks()
        has(str(run["morning.2-connectors"]["differences"]), "other-sink")
        equal([step for step, found in run.items() if found["verdict"] in ("blocked", "not checked")], [])
    finally:
        there.connect("DELETE", "/connectors/other-sink")


def case_30(case: Path, work: Work) -> None:
    there = embedded()
    lists = {"source": there.connectors.config(there.instance(), there.SOURCE)["table.include.list"]}
    lists |= {"sink": there.connectors.config(there.instance(), there.SINK)["topics"]}
    changes = {k.replace(".", "__"): v for k, v in json.loads((case / "sink-changes.json").read_text()).items()}
    # the embedded sink takes Debezium's envelope, in which Cast finds no `code`: the rows are taken out of it first
    unwrap = "io.debezium.transforms.ExtractNewRecordState"
    changes |= {
        "transforms": "unwrap,route,cast",
        "transforms__unwrap__type": unwrap,
        "collection__name__format": "${topic}",
    }
    changes |= {"transforms__route__type": "org.apache.kafka.connect.transforms.RegexRouter"}
    changes |= {"transforms__route__regex": ".*[.]public[.](.*)", "transforms__route__replacement": "$1"}
    column = "CASE WHEN g % 2 = 0 THEN 'ABC' ELSE '17' END"
    try:
        there.sql(
            *("source", "CREATE TABLE people (id int PRIMARY KEY, name text, code text)"),
            *("GRANT SELECT ON people TO PUBLIC", "ALTER PUBLICATION cdcproof ADD TABLE people"),
        )
        there.configure(there.SOURCE, table__include__list=f"{lists['source']},public.people")
        there.sql("source", f"INSERT INTO people SELECT g, 'n', {column} FROM generate_series(1, 20) g")
        there.configure(there.SINK, **changes, topics=f"{lists['sink']},{there.topic('people')}")
        there.until(lambda: there.sql("target", "SELECT count(*) FROM people")[0][0] == 10)
        found = there.checks()["morning.9-dead-letters"]
        equal(found["verdict"], "failed")
        has(str(found["differences"]), " records", "dlq-field-sink")
    finally:
        there.configure(there.SINK)
        there.configure(there.SOURCE)
        there.sql("source", "DROP TABLE people")
        there.sql("target", "DROP TABLE IF EXISTS people")

"""Backups of two real PostgreSQL servers, without a Kafka; in a process of its own where it is to be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cdcproof.backup import run as backup
from cdcproof.backup.parts.part import Part
from cdcproof.backup.run import Outcome, Request
from cdcproof.core.progress import Progress
from cdcproof.pipeline.model import Pipeline
from tests.pipelines import pipeline_of
from tests.postgres_server import PASSWORD, Servers

STEPS = (
    "lock",
    "source: PostgreSQL database warehouse_source",
    "target: PostgreSQL database warehouse_target",
    "verify",
    "committed",
)


def prepare(servers: Servers, rows: int = 500) -> None:
    """A source and a target database, made anew."""
    for server, name in ((servers.source, "warehouse_source"), (servers.target, "warehouse_target")):
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name}")
        server.execute(
            "CREATE TABLE customers (id bigint PRIMARY KEY, t text, name text, at timestamptz, n double precision)",
            'CREATE TABLE "odd ""name" (a int[], b bytea, c jsonb, d interval)',
            f"INSERT INTO customers SELECT i, 'x' || i, 'Žofie ' || i, now(), i / 3.0 FROM generate_series(1, {rows}) i",
            """INSERT INTO "odd ""name" VALUES ('{1,NULL}', '\\x00ff', '{"a": 1}', '1 mon -3 days'), (NULL, NULL, NULL, NULL)""",
            database=name,
        )


def pipeline(source_port: int, target_port: int, **more: object) -> Pipeline:
    """A pipeline between them."""
    side = {"type": "postgresql", "host": "127.0.0.1", "user": "postgres", "schema": "public", "password_env": "PG_PW"}
    return pipeline_of(
        "customers",
        source={**side, "port": source_port, "database": "warehouse_source"},
        target={**side, "port": target_port, "database": "warehouse_target"},
        **more,
    )


def of(servers: Servers, **more: object) -> Pipeline:
    """The pipeline between these servers; its password is in the environment."""
    os.environ["PG_PW"] = PASSWORD
    return pipeline(servers.source.port, servers.target.port, **more)


def run(pipeline: Pipeline, directory: Path, on_step: Callable[[str], None] = lambda _: None, **more: Any) -> Outcome:
    """A backup whose parts are the pipeline file alone."""
    backup._save_parts = _parts
    request = Request(pipeline, directory / "w.toml", directory, 7, on_step=on_step, **more)
    return backup.run(request, Progress())


def _parts(work: backup._Work) -> str:
    with work.step("pipeline file"):
        work.write("pipeline", "pipeline.toml", Part('name = "w"\n', "w.toml"))
    return "cluster"


def killed_at(step: str) -> Callable[[str], None]:
    """Nothing is left to clean up after SIGKILL."""

    def on_step(seen: str) -> None:
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_step


def in_a_process_that_is_killed(work: Callable[[], object]) -> None:
    """Run it in a process of its own, which must end by SIGKILL."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL

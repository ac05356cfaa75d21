"""What the flags of `reconcile` come to, before anything is connected to."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cdcproof.cli.reconcile import compare
from cdcproof.cli.reconcile.inputs import read

_ROOT = Path(__file__).parents[3]
_FLAGS = [
    word
    for side in ("source", "target")
    for flag, value in (("type", "postgresql"), ("host", side), ("database", "d"), ("user", "u"), ("password", "p"))
    for word in (f"--{side}-{flag}", value)
]
_FILE = ["--pipeline", str(_ROOT / "fixtures/pipelines/warehouse.toml")]


@pytest.mark.parametrize("words", [[*_FLAGS, "--tables", "orders"], _FILE], ids=["by flags", "by a pipeline file"])
@pytest.mark.parametrize(("given", "seconds"), [([], 3600.0), (["--statement-timeout", "90s"], 90.0)])
def test_a_statement_may_take_an_hour_or_what_was_given(
    words: list[str], given: list[str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def connect(_: Any, __: Any, statement_timeout_seconds: float) -> Any:
        limits.append(statement_timeout_seconds)
        return nullcontext()

    monkeypatch.setattr("cdcproof.cli.reconcile.inputs.connect", connect)
    monkeypatch.setenv("SQLSERVER_PASSWORD", "p")
    monkeypatch.setenv("POSTGRES_PASSWORD", "p")
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    inputs = read(parser.parse_args([*words, *given]))
    for side in (inputs.source, inputs.target):
        side.open()
    assert [*limits, inputs.statement_timeout_seconds] == [seconds] * 3

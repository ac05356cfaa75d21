"""What a deployment asks of SQL Server. None runs here: its SQL is parsed, its answers are those of its references."""

from __future__ import annotations

from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from cdcproof import pipeline
from cdcproof.databases import tsql as door_tsql
from cdcproof.databases.base import TableName
from cdcproof.databases.deployment import tsql
from cdcproof.databases.deployment.base import LogStart
from cdcproof.databases.deployment.sqlserver import SQLServerDeployment
from cdcproof.secrets import Secret

STATEMENTS = {name: value for name, value in vars(tsql).items() if name.isupper()}


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_is_one_t_sql_select_and_nothing_else(name: str) -> None:
    (parsed,) = sqlglot.parse(STATEMENTS[name], dialect="tsql", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    assert not list(parsed.find_all(exp.Into, exp.Insert, exp.Update, exp.Delete, exp.Command))


def door(monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[tuple[Any, ...]]]) -> SQLServerDeployment:
    """A door whose server answers each statement so; one it is not meant to be asked is a KeyError."""
    config = pipeline.Database.model_validate(
        {
            "type": "sqlserver",
            "host": "h",
            "port": 1433,
            "database": "w",
            "user": "u",
            "password_env": "P",
            "schema": "dbo",
        }
    )
    made = SQLServerDeployment(config, Secret("deployment-pw"), 30)
    monkeypatch.setattr(made, "_query", lambda statement, *_: answers[statement])
    return made


def test_each_capture_instance_tells_its_oldest_change(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[tuple[Any, ...]]] = {
        door_tsql.DATABASE_STATE: [(True, 1)],
        tsql.LOG_STARTS: [
            ("dbo_orders", bytes.fromhex("0000002500000d9800a2"), "dbo", "orders"),
            ("dbo_hidden", bytes(10), "dbo", "hidden"),
            ("dbo_none", None, "dbo", "none"),
        ],
    }
    assert door(monkeypatch, answers).log_starts() == (
        LogStart("dbo_orders", 0x25_00000D98_00A2, TableName("dbo", "orders")),
        LogStart("dbo_hidden", 0, TableName("dbo", "hidden")),
        LogStart("dbo_none", 0, TableName("dbo", "none")),
    )


def test_without_cdc_there_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    assert door(monkeypatch, {door_tsql.DATABASE_STATE: [(False, 1)]}).log_starts() == ()

"""A backup is proven by a restore beside the databases, which leaves nothing behind, however it ends."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cdcproof.core.errors import ConfigError, OperationError, UsageError
from cdcproof.core.progress import Progress
from cdcproof.maintenance import proof
from tests.backup import made
from tests.backup.made import committed
from tests.pipelines import pipeline_of


class Server:
    """A server that remembers the databases that were made on it."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.there: set[str] = set()

    def name_with(self, database: str, suffix: str) -> str:
        return database + suffix


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    def make(_: Any, plan: Any, *__: Any) -> None:
        found.made.append(plan.beside)
        found.there.add(plan.beside)

    monkeypatch.setattr(proof, "maintenance", lambda *_: None)
    monkeypatch.setattr(proof, "connect_to_restore", lambda _: nullcontext(found))
    monkeypatch.setattr(proof.restore_database, "make", make)
    monkeypatch.setattr(proof.restore_database, "prove", lambda *_: "1 tables have the rows")
    monkeypatch.setattr(proof.restore_database, "drop", lambda _, __, name: found.there.discard(name))
    return found


def prove(folder: Path) -> str:
    return proof.prove(pipeline_of("orders"), folder, Progress())


def test_the_newest_backup_is_restored_beside_and_dropped(server: Server, tmp_path: Path) -> None:
    committed(tmp_path, "test", datetime(2026, 12, 1, tzinfo=UTC))
    newest = committed(tmp_path, "test", datetime(2026, 12, 2, tzinfo=UTC))
    assert prove(tmp_path).startswith(f"{newest.folder.name} was restored beside: source, 1 tables")
    assert (server.made, server.there) == (["warehouse_source_proof"], set())


def test_what_is_not_as_the_manifest_says_is_an_error_and_is_dropped(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(tmp_path, "test", datetime(2026, 12, 1, tzinfo=UTC))

    def differs(*_: Any) -> str:
        raise OperationError("The restored source differs from the backup: public.customers has 19 rows, not 20")

    monkeypatch.setattr(proof.restore_database, "prove", differs)
    with pytest.raises(OperationError, match="19 rows, not 20"):
        prove(tmp_path)
    assert server.there == set()


def test_a_backup_of_which_no_table_can_be_compared_is_no_proof(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a SQL Server on which every table was written to meanwhile."""
    moving = replace(made.STATE, tables=tuple(replace(table, exact=False) for table in made.STATE.tables))
    monkeypatch.setattr(made, "STATE", moving)
    committed(tmp_path, "test", datetime(2026, 12, 1, tzinfo=UTC))
    with pytest.raises(OperationError, match="nothing can be proven: every table of the source was written to"):
        prove(tmp_path)
    assert server.made == []


def test_a_damaged_backup_is_not_restored_at_all(server: Server, tmp_path: Path) -> None:
    kept = committed(tmp_path, "test", datetime(2026, 12, 1, tzinfo=UTC))
    (kept.folder / "pipeline_20261201_000000.toml").write_text('name = "x"\n')
    with pytest.raises(ConfigError, match="differs from its manifest"):
        prove(tmp_path)
    assert server.made == []


def test_without_a_backup_nothing_is_proven(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no whole backup of test"):
        prove(tmp_path)

"""A SQL Server source, as far as a server goes that knows no SQL: which statements are sent, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.backup import databases
from cdcproof.backup.databases import Orders
from cdcproof.backup.manifest import DatabaseBackup
from cdcproof.errors import CdcproofError, OperationError
from cdcproof.pipeline import Pipeline
from tests.backup.sqlserver import FakeServer, config
from tests.pipelines import pipeline_of
from tests.tds_server import Refusal, tds_server

pytest.importorskip("pyodbc", reason="pyodbc cannot be loaded: unixODBC is not installed", exc_type=ImportError)
STAMP = "20261129_020000"


@pytest.fixture
def server(tmp_path: Path) -> FakeServer:
    return FakeServer(tmp_path)


@pytest.fixture
def pipeline(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    monkeypatch.setenv("MSSQL_PW", "a password")
    with tds_server(server.answer) as running:
        yield pipeline_of("customers").model_copy(update={"source": config(running.port)})


def back_up(pipeline: Pipeline, folder: Path, as_server: str) -> DatabaseBackup:
    folder.mkdir(parents=True)
    return databases.back_up(pipeline, "source", Orders(folder, as_server, STAMP, lambda _: None))


def test_the_server_backs_up_by_its_own_path_and_verifies(
    pipeline: Pipeline, server: FakeServer, tmp_path: Path
) -> None:
    made = back_up(pipeline, tmp_path / "backups" / "w", "/backups/w")

    file = f"/backups/w/sqlserver/warehouse_{STAMP}.bak"
    assert server.done == [
        f"BACKUP DATABASE [warehouse] TO DISK = N'{file}' WITH CHECKSUM, COPY_ONLY, COMPRESSION, FORMAT, INIT, NAME = N'cdcproof'",
        f"RESTORE VERIFYONLY FROM DISK = N'{file}' WITH CHECKSUM",
    ]
    assert (tmp_path / "backups" / "w" / made.place).read_bytes().startswith(b"TAPE")
    assert made.place == f"sqlserver/warehouse_{STAMP}.bak"
    assert (made.rows, [table.exact for table in made.state.tables]) == (5, [True])
    assert made.state.log_text == "00000027:00000ac0:0003"
    assert made.state.identity.history == "AF0C"
    assert made.state.properties["captured"] == ["dbo.customers"]
    assert made.state.properties["owner"] == "sa"


def test_a_table_that_is_written_to_meanwhile_is_not_called_exact(
    pipeline: Pipeline, server: FakeServer, tmp_path: Path
) -> None:
    server.rows = [5, 6]
    made = back_up(pipeline, tmp_path / "backups" / "w", "/backups/w")
    assert [(table.rows, table.exact) for table in made.state.tables] == [(6, False)]


def test_express_is_not_asked_to_compress(pipeline: Pipeline, server: FakeServer, tmp_path: Path) -> None:
    server.edition = 4
    back_up(pipeline, tmp_path / "backups" / "w", "/backups/w")
    assert "COMPRESSION" not in server.done[0]


@pytest.mark.parametrize("statement", ["BACKUP", "RESTORE VERIFYONLY"])
def test_what_the_server_refuses_is_the_reason(
    pipeline: Pipeline, server: FakeServer, tmp_path: Path, statement: str
) -> None:
    server.refusals[statement] = Refusal(3202, "Write on 'w.bak' failed: 112(There is not enough space on the disk.)")
    with pytest.raises(CdcproofError, match="not enough space on the disk"):
        back_up(pipeline, tmp_path / "backups" / "w", "/backups/w")


def test_a_file_that_is_not_seen_here_names_the_key(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "sqlserver").mkdir(parents=True)
    with pytest.raises(OperationError, match="it is not at") as refused:
        back_up(pipeline, tmp_path / "backups" / "w", "/elsewhere")
    assert "backup.server_directory" in refused.value.remedy


def test_a_path_of_windows_is_one() -> None:
    assert str(databases.server_path(r"D:\backups", "sqlserver/w.bak")) == r"D:\backups\sqlserver\w.bak"
    assert str(databases.server_path("/backups", "sqlserver/w.bak")) == "/backups/sqlserver/w.bak"

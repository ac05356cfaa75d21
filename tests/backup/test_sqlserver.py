"""A SQL Server source, as far as a server goes that knows no SQL: which statements are sent, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdcproof.backup import folders, manifest
from cdcproof.backup.folders import Directory
from cdcproof.backup.manifest import DatabaseBackup, Manifest
from cdcproof.backup.parts import databases
from cdcproof.backup.parts.databases import Orders
from cdcproof.backup.restore import run as restore
from cdcproof.core.errors import CdcproofError, OperationError
from cdcproof.core.progress import Progress
from cdcproof.pipeline.model import Paths, Pipeline
from tests.backup.made import NOW
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


def restored(pipeline: Pipeline, tmp_path: Path, *, exists: bool = True) -> tuple[restore.Outcome, str]:
    """A restore of the source from a whole backup of it, and the name that the old database would get."""
    directory = tmp_path / "backups"
    with Directory(directory, "test").locked() as lock, Directory(directory, "test").begin(NOW, lock) as work:
        made = databases.back_up(
            pipeline, "source", Orders(work.folder, f"/backups/{work.folder.name}", STAMP, lambda _: None)
        )
        files = manifest.stored_files(work.folder)
        whole = Manifest(work.final.name, "test", STAMP, "", "", "0", "", (made,), {}, files)
        folders.commit(work, whole)
    server_directory = pipeline.model_copy(
        update={
            "backup": pipeline.backup.model_copy(update={"server_directory": "/backups"}),
            "paths": Paths(reconciliation_reports=tmp_path / "reconciliation_reports"),
        }
    )
    request = restore.Request(server_directory, directory, STAMP, databases_only=True)
    outcome = restore.run(request, Progress())
    aside = outcome.plan.sides[0].aside if outcome.plan else ""
    return outcome, aside


def test_a_restore_goes_beside_is_checked_and_takes_the_name(
    pipeline: Pipeline, server: FakeServer, tmp_path: Path
) -> None:
    outcome, aside = restored(pipeline, tmp_path)

    assert outcome.failures == ()
    file = f"/backups/test_{STAMP}/sqlserver/warehouse_{STAMP}.bak"
    beside = f"warehouse_restore_{STAMP}"
    assert server.done[2:] == [
        f"RESTORE VERIFYONLY FROM DISK = N'{file}' WITH CHECKSUM",
        f"RESTORE FILELISTONLY FROM DISK = N'{file}'",
        f"RESTORE DATABASE [{beside}] FROM DISK = N'{file}' WITH CHECKSUM, KEEP_CDC, RECOVERY, "
        f"MOVE N'w' TO N'/var/opt/mssql/data/{beside}_w.mdf', MOVE N'w_log' TO N'/var/opt/mssql/log/{beside}_w_log.ldf'",
        f"ALTER AUTHORIZATION ON DATABASE::[{beside}] TO [sa]",
        f"DBCC CHECKDB ([{beside}]) WITH NO_INFOMSGS",
        "USE [warehouse]",
        "EXEC sys.sp_cdc_drop_job @job_type = N'capture'",
        "EXEC sys.sp_cdc_drop_job @job_type = N'cleanup'",
        "USE [master]",
        "ALTER DATABASE [warehouse] SET SINGLE_USER WITH ROLLBACK IMMEDIATE",
        f"ALTER DATABASE [warehouse] MODIFY NAME = [{aside}]",
        f"ALTER DATABASE [{beside}] MODIFY NAME = [warehouse]",
        f"ALTER DATABASE [{aside}] SET MULTI_USER",
        "USE [warehouse]",
        "EXEC sys.sp_cdc_add_job @job_type = N'capture'",
        "EXEC sys.sp_cdc_add_job @job_type = N'cleanup'",
        "USE [master]",
    ]
    assert sorted(server.databases) == sorted(["master", "warehouse", aside])
    bak = tmp_path / file.lstrip("/")
    assert server.modes == [0o644, 0o711, 0o755]  # another account's server could read it, and now cannot
    assert [path.stat().st_mode & 0o777 for path in (bak, bak.parent)] == [0o600, 0o700]


def test_a_page_that_is_wrong_leaves_the_old_database(pipeline: Pipeline, server: FakeServer, tmp_path: Path) -> None:
    server.refusals["DBCC"] = Refusal(8928, "Object ID 5: Page (1:9) could not be processed.")
    outcome, _ = restored(pipeline, tmp_path)

    assert "could not be processed" in outcome.failures[0]
    assert sorted(server.databases) == ["master", "warehouse"]
    assert not [one for one in server.done if "MODIFY NAME" in one]


def test_a_second_rename_that_fails_gives_the_name_back(pipeline: Pipeline, server: FakeServer, tmp_path: Path) -> None:
    server.refusals[f"ALTER DATABASE [warehouse_restore_{STAMP}] MODIFY NAME"] = Refusal(
        5030, "could not be exclusively locked"
    )
    outcome, _ = restored(pipeline, tmp_path)

    assert "exclusively locked" in outcome.failures[0]
    assert "warehouse" in server.databases
    assert server.done[-1] == "ALTER DATABASE [warehouse] SET MULTI_USER"


def test_rows_that_are_missing_after_the_restore_are_noticed(
    pipeline: Pipeline, server: FakeServer, tmp_path: Path
) -> None:
    server.rows = [5, 5, 4]
    outcome, _ = restored(pipeline, tmp_path)

    assert "dbo.customers has 4 rows, not 5" in outcome.failures[0]
    assert sorted(server.databases) == ["master", "warehouse"]

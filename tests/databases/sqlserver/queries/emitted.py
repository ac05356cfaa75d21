"""Every shape of T-SQL that the code can emit, for the judges of `judges`: made by the code's own functions, over columns of every type."""

from __future__ import annotations

import importlib
import itertools
import json
import pkgutil
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cdcproof import databases
from cdcproof.core.secrets import Secret
from cdcproof.databases.contracts.deployment import CaptureHealth, CaptureJob, Needs
from cdcproof.databases.contracts.test_rows import SingleRow
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.sqlserver.database import SQLServer
from cdcproof.databases.sqlserver.errors import DriverError as OdbcError
from cdcproof.databases.sqlserver.errors import Errors
from cdcproof.databases.sqlserver.queries import backup, catalogue, column_sql, deployment, health, statements
from cdcproof.databases.sqlserver.queries import rights as rights_queries
from cdcproof.databases.sqlserver.sessions import deployment as deployed_to
from cdcproof.databases.sqlserver.sessions import test_rows
from cdcproof.databases.sqlserver.sessions.deployment import SQLServerDeployment
from cdcproof.databases.table_read import WHOLE, Chunking, ColumnRead, Segment, Since, Slice, TableRead
from cdcproof.databases.values.types import CONTRACT, Form, form_of, ways_of
from cdcproof.environments.live import Live
from cdcproof.observations.databases.capture_job import CaptureJobs
from cdcproof.pipeline.model import Database
from cdcproof.remedies.commands import CommandLine
from cdcproof.remedies.databases import DatabaseRemedies
from tests.databases.sqlserver.queries.judges import Known
from tests.pipelines import pipeline_of

TABLE = TableName("dbo", "odd]name")
WIDE = TableName("dbo", "wide")
CHANGES = TableName("cdc", "dbo_odd]name_CT")
FIXTURES = Path(__file__).parents[4] / "fixtures/sql/sqlserver"
SELECT = ("SqlSelectStatement",)
NO_TREE = ("SqlNullStatement",)
"""What the binder parses, and has no class for."""
NO_GRAMMAR = ", KEEP_CDC"
"""An option of RESTORE that ScriptDom does not know, and the binder does (Microsoft's reference: "RESTORE Statements")."""


@dataclass(frozen=True)
class Emitted:
    """A statement, of which kinds it must consist, and whether a server without collations in UTF-8 may be asked it."""

    text: str
    kinds: tuple[str, ...] = SELECT
    before_2019: bool = False


def _column(type_name: str, **details: Any) -> Column:
    column = Column("", type_name, nullable=True, **details)
    declared = column_sql.declared(column)
    return replace(column, name=f"odd] {declared.replace('decimal', type_name)}")


COLUMNS = (
    *map(_column, ("bit", "money", "smallmoney", "text", "ntext", "image", "uniqueidentifier", "date", "datetime")),
    *(_column(name, precision=digits, scale=0) for name, digits in (("tinyint", 3), ("smallint", 5), ("int", 10), ("bigint", 19))),
    *(_column(name, precision=p, scale=s) for name in ("decimal", "numeric") for p, s in ((1, 0), (9, 2), (19, 4), (38, 0), (38, 10), (38, 38))),
    _column("float", precision=53),
    _column("real", precision=24),
    *(_column(name, length=n) for name in ("char", "varchar", "binary", "varbinary") for n in (1, 20, 2000, 2001, 2666, 2667, 4000, 4001, 8000)),
    *(_column(name, length=n) for name in ("nchar", "nvarchar") for n in (1, 20, 2000, 2001, 2667, 4000)),
    *map(_column, ("varchar", "nvarchar", "varbinary")),
    _column("sysname", length=128),
    _column("smalldatetime"),
    *(_column(name, scale=scale) for name in ("time", "datetime2", "datetimeoffset") for scale in (0, 3, 6, 7)),
)  # fmt: skip
"""Of every compared type, in lengths around those by which statements differ."""
XML = _column("xml")
"""Of which no least and no greatest value is asked."""

_TEXTS = ("character varying", "character")
_TIMES = ("time without time zone", "timestamp without time zone", "timestamp with time zone")
_DETAILS: dict[str, list[dict[str, Any]]] = {
    "numeric": [{"precision": p, "scale": s} for p, s in ((10, 2), (38, 20), (None, None))],
    **{name: [{"length": 10}, {"length": 3000}] for name in _TEXTS},
    **{name: [{"scale": scale} for scale in (0, 3, 6)] for name in _TIMES},
}
TARGETS = [
    Column("c", name, nullable=True, **details)
    for name, entry in CONTRACT["postgresql"].items()
    if entry.kind
    for details in _DETAILS.get(name, [{}])
]


def _told() -> list[ColumnRead]:
    """Each column in each form that it has with some column of a target, as it is and as sinks write it."""
    columns = (*COLUMNS, XML)
    pairs = [(column, target, None, None) for column in columns for target in TARGETS]
    pairs += [
        (column, target, way.source, way.target)
        for column in columns
        for target in TARGETS
        for way in ways_of("sqlserver", column, "postgresql", target)
    ]
    read = ((replace(ours, reading=one), replace(theirs, reading=other)) for ours, theirs, one, other in pairs)
    forms = ((ours, form_of("sqlserver", ours, "postgresql", theirs)) for ours, theirs in read)
    return list(dict.fromkeys(ColumnRead(column, form) for column, form in forms if form))


TOLD = _told()
COLLATIONS = {
    told.column.name: "SQL_Latin1_General_CP1_CI_AS"
    for told in TOLD
    if told.column.length and told.column.type != "sysname"
}
"""Of some: the database's own is taken for the others."""
ID = next(told for told in TOLD if told.column.type == "bigint" and told.form.scale == 0)
MIXED = [next(told for told in TOLD if told.column.type == name) for name in ("decimal", "varchar", "ntext")]  # fmt: skip


def _scan(*columns: ColumnRead, key: int = 1, width: int = 0, **limits: Any) -> TableRead:
    chunking = Chunking(width=width) if width else Chunking(columns=key, buckets=64)
    return TableRead(TABLE, columns, key, chunking, **limits)


def each_type() -> Iterator[Emitted]:
    """Every type and form as a value, as a key, and as a literal."""
    versions = itertools.cycle(["", "odd] version"])
    for told in TOLD:
        if told.column == ID.column:
            continue  # it stands beside each of the others
        value, key, pair = _scan(ID, told, width=9), _scan(told, ID), _scan(told, ID, key=2)
        yield from map(Emitted, _sums_and_streams(value, Segment(5, None)))
        yield from map(Emitted, _sums_and_streams(key, WHOLE))
        planted = replace(value, planted=(("1", "AB"), ("2", None), ("3", "AB")))
        yield from map(Emitted, _sums_and_streams(planted, WHOLE))
        sliced = replace(planted, slice=Slice(1, 3))
        yield from map(Emitted, _sums_and_streams(sliced, WHOLE))
        yield Emitted(statements.rows_of_chunks(sliced, [0, 7], next(versions)))
        yield Emitted(statements.rows_of_chunks(planted, [0, 7], next(versions)))
        yield Emitted(statements.rows_of_chunks(planted, [3], next(versions), utf8=False), before_2019=True)
        yield Emitted(statements.rows_of_chunks(value, [0, 7], next(versions)))
        yield Emitted(statements.rows_of_chunks(value, [3], next(versions), utf8=False), before_2019=True)
        yield Emitted(statements.rows_of_chunks(key, [3], next(versions)))
        yield Emitted(statements.sample(key, 200))
        yield Emitted(statements.sample(value, 200, utf8=False), before_2019=True)
        yield Emitted(statements.rows_by_hash(pair, 3, next(versions)))
        if column_sql.found_by_value(told):
            nulls = [[False, True], [True, False]]
            for utf8 in (True, False):
                whole = statements.rows_by_value(pair, 2, COLLATIONS, next(versions), utf8=utf8)
                some = statements.rows_by_value_or_null(pair, nulls, COLLATIONS, next(versions), utf8=utf8)
                yield from (Emitted(text, before_2019=not utf8) for text in (whole, some))
        for utf8 in (True, False):
            literals = statements.literal_forms(told.column, told.form, [True, False, True], utf8=utf8)
            streamed = statements.stream_literals([told, ID], [["it's ?", None], ["1", "2"]], utf8=utf8)
            yield from (Emitted(text, before_2019=not utf8) for text in (literals, streamed.select))
    for column in COLUMNS:
        yield Emitted(catalogue.latest_statement(TABLE, column), before_2019=True)
        yield Emitted(catalogue.changed_keys_statement(CHANGES, [column, ID.column], 5), before_2019=True)
        yield Emitted(catalogue.range_statement(TABLE, column), before_2019=True)


def _sums_and_streams(scan: TableRead, segment: Segment) -> Iterator[str]:
    yield statements.chunk_sums(scan, segment)
    yield statements.stream(scan, segment).select
    if scan.chunking.width:
        yield statements.sums_of_chunks(scan, [0, -4, 7, 8], 3)


def each_limit() -> Iterator[Emitted]:
    """Every combination of chunks, segments, slices, filters and what is newer, of a table of some types."""
    chunkings = ({"width": 1}, {"width": 1 << 40}, {"key": 1}, {"key": 3})
    segments = (WHOLE, Segment(0, None), Segment(None, 5_000_000_000), Segment(-(1 << 63), 7))
    slices = (None, Slice(None, 3), Slice(-5, 1 << 62))
    since = (
        None,
        Since("odd] version", "0x00000000000000A3"),
        Since("odd] datetime2(7)", "2025-01-02T03:04:05.1234567"),
    )
    predicates = ("", "[odd]] bigint] > 5 OR 1 = 0 -- all")
    next_segment = itertools.cycle(segments)
    for chunking, part, newer, predicate in itertools.product(chunkings, slices, since, predicates):
        scan = _scan(ID, *MIXED, **chunking, slice=part, since=newer, predicate=predicate)  # type: ignore[arg-type]
        yield from map(Emitted, _sums_and_streams(scan, next(next_segment)))
        for version in ("", "odd] version"):
            yield Emitted(statements.rows_of_chunks(scan, [0, -1, 7], version))
            yield Emitted(
                statements.rows_of_chunks(scan, [0], version, utf8=False), before_2019=bool(scan.chunking.width)
            )
            yield Emitted(statements.rows_by_value(scan, 1, COLLATIONS, version))
            yield Emitted(statements.rows_by_hash(scan, 2, version))


def large() -> Iterator[Emitted]:
    """As much as a statement may have to hold: columns of a table, chunks, keys of many columns, literals."""
    wide = [ColumnRead(Column(f"n{i}", "nvarchar", nullable=True, length=4000 if i % 2 else 20), Form(MIXED[1].form.kind, long=bool(i % 2))) for i in range(1023)]  # fmt: skip
    scan = replace(_scan(ID, *wide, width=5), table=WIDE)
    yield from map(Emitted, (statements.chunk_sums(scan, WHOLE), statements.stream(scan, WHOLE).select))
    yield Emitted(statements.rows_of_chunks(_scan(ID, *MIXED, width=3), range(0, 1000, 2), ""))
    yield Emitted(statements.rows_of_chunks(_scan(*MIXED, ID), range(500), ""))
    by_column = {told.column: told for told in TOLD if column_sql.found_by_value(told)}
    keys = [told for column, told in by_column.items() if column not in {one.column for one in MIXED}][:20]
    nulls = [[(row + place) % 7 == 0 for place in range(20)] for row in range(100)]
    yield Emitted(statements.rows_by_value(_scan(*keys, *MIXED, key=20), 100, COLLATIONS, "odd] version"))
    yield Emitted(statements.rows_by_value_or_null(_scan(*keys, *MIXED, key=20), nulls, COLLATIONS, "odd] version"))
    yield Emitted(statements.rows_by_hash(_scan(*keys, *MIXED, key=20), 2000, ""))
    yield Emitted(statements.literal_forms(ID.column, ID.form, [True] * 2000))


def constants() -> Iterator[Emitted]:
    """What the catalogue, the log and the deployment ask, wherever it stands, and statements without a type of their own."""
    texts = {
        f"{module.__name__}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    for name, text in texts.items():
        if text.lstrip().startswith("SELECT"):
            yield Emitted(text, before_2019=not name.endswith("HAS_UTF8"))
        elif text.lstrip().startswith("SET"):
            pieces = text.format(milliseconds=5000).split(";")
            yield Emitted(text.format(milliseconds=5000), ("SqlNullStatement",) * len(pieces), before_2019=True)
    yield from (Emitted(catalogue.count_statement(TABLE, predicate)) for predicate in ("", "[odd]] bigint] > 5 -- all"))
    names = [column.name for column in COLUMNS]
    yield Emitted(catalogue.data_in_statement(TABLE, names, "[odd]] bigint] > 5 -- all"), before_2019=True)
    yield Emitted(catalogue.changes_beyond_statement(CHANGES))
    yield Emitted(catalogue.next_transactions_statement(5))
    yield Emitted(deployment.oldest_unread_statement(CHANGES))
    yield Emitted(catalogue.changed_keys_statement(CHANGES, [], 5))
    yield Emitted(health.unread_statement(CHANGES, 50_000))
    yield Emitted(health.at_statement(CHANGES))
    yield Emitted(health.newest_statement(TABLE, "odd] bigint"))
    yield Emitted(health.SPACE_USED, ("SqlExecuteModuleStatement",), before_2019=True)


def modules() -> list[Any]:
    """All in which T-SQL stands."""
    found = pkgutil.walk_packages(databases.__path__, f"{databases.__name__}.")
    names = [one.name for one in found if ".sqlserver." in one.name and not one.ispkg]
    return [importlib.import_module(name) for name in names]


def written() -> Iterator[Emitted]:
    """The round trip's statements."""
    values = {
        "odd] bigint": 5,
        "odd] varchar(20)": "x",
        "odd] date": date(2025, 1, 2),
        "odd] decimal(9, 2)": Decimal("1.5"),
    }
    row = SingleRow(TABLE, {"odd] bigint": 5, "odd] varchar(20)": "a"}, tuple(values))
    for locked in (True, False):
        yield Emitted(test_rows.select_statement(row, locked=locked), before_2019=True)
    yield Emitted(test_rows.insert_statement(TABLE, values), ("SqlInsertStatement",), before_2019=True)
    yield Emitted(test_rows.update_statement(row, values), ("SqlUpdateStatement",), before_2019=True)
    yield Emitted(test_rows.delete_statement(row), ("SqlDeleteStatement",), before_2019=True)
    connector = json.loads((FIXTURES.parents[1] / "connectors/sqlserver-source-connector.json").read_text())
    yield Emitted(connector["config"]["heartbeat.action.query"], ("SqlUpdateStatement",), before_2019=True)


def backed_up() -> Iterator[Emitted]:
    """The statements of backup and restore, in their order."""
    database, file = "odd]name", "/var/opt/mssql/it's/w_20261129_020000.bak"
    yield Emitted(backup.sum_statement(TABLE), before_2019=True)
    for compressed in (True, False):
        made = backup.backup_statement(database, file, compressed=compressed)
        yield Emitted(made, ("SqlBackupDatabaseStatement",), before_2019=True)
    for made in (backup.verify_statement(file), backup.files_statement(file)):
        yield Emitted(made, ("SqlRestoreInformationStatement",), before_2019=True)
    moves = [("odd'name", "C:\\it's\\odd.mdf"), ("odd_log", "/var/odd.ldf")]
    yield Emitted(backup.restore_statement(database, file, moves), ("SqlRestoreDatabaseStatement",), before_2019=True)
    yield Emitted(backup.check_statement(database), ("SqlDBCCStatement",), before_2019=True)
    for statement in (
        backup.alone_statement(database),
        backup.shared_statement(database),
        backup.rename_statement(database, "odd]name_before"),
        backup.owner_statement(database, "odd]owner"),
    ):
        yield Emitted(statement, NO_TREE, before_2019=True)
    yield Emitted(backup.drop_statement("master"), ("SqlDropDatabaseStatement",), before_2019=True)
    yield Emitted(backup.use_statement("master"), ("SqlUseStatement",), before_2019=True)
    for kind in ("capture", "cleanup"):
        for job in (backup.add_job_statement, backup.drop_job_statement):
            yield Emitted(job(kind), ("SqlExecuteModuleStatement",), before_2019=True)


def advised() -> Iterator[Emitted]:
    """The permissions that people are told to grant and to revoke."""
    config = Database.model_validate(
        {"type": "sqlserver", "host": "h", "port": 1433, "database": "w", "user": "odd]user", "password_env": "P", "schema": "dbo"}
    )  # fmt: skip

    texts: set[str] = set()
    needs = Needs((TABLE,), (CHANGES,), ("INSERT",), ("dbo",), reads_log=True, sees_server=True, backs_up=True)
    reads = Needs((TABLE, TableName("dbo", "owned]table")), sees_server=True)
    for may_see, may_all in ((False, False), (True, False), (True, True)):
        answer = partial(_answer, may_see, may_all)
        session = SQLServer(config, Secret("a password"), 5)
        deployed = SQLServerDeployment(config, Secret("a password"), 5)
        with patch.object(session, "query", answer), patch.object(deployed, "query", answer):
            rights = deployed.rights("odd]user", needs)
            reader = deployed.rights("odd]user", reads)
            texts |= {*reader.missing.values(), *reader.excessive.values()}
            texts |= {session.isolation().remedy, deployed._grant_of_jobs()}
            texts |= {*deployed.obstacles("odd]user", writes=True).values()}
            texts |= {
                *session.permissions.missing([TABLE]).values(),
                *rights.missing.values(),
                *rights.excessive.values(),
            }
    texts |= {*rights_queries.grants("odd]login", "odd]user", needs).values()}
    texts |= {
        "ALTER ROLE [odd]]role] DROP MEMBER [odd]]user];",
        "ALTER AUTHORIZATION ON DATABASE::[odd]]name] TO [sa];",
        "ALTER AUTHORIZATION ON SCHEMA::[odd]]name] TO [dbo];",
    }
    texts.add(Errors(config, 5).translated(OdbcError("", 229, ""), TABLE).remedy)
    kinds = {
        "GRANT": "SqlGrantStatement",
        "REVOKE": "SqlRevokeStatement",
        "USE": "SqlUseStatement",
        "ALTER": "SqlNullStatement",
        "EXEC": "SqlExecuteModuleStatement",
        "IF": "SqlIfElseStatement",
        "SELECT": "SqlSelectStatement",
    }
    texts |= {
        catalogue.enable_table(TABLE),
        catalogue.enable_table(TABLE, "odd]name_new"),
        deployed_to.ENABLE_DATABASE,
        *_of_jobs(),
    }
    for text in sorted(text for text in texts if not text.startswith("#")):
        pieces = [
            piece.split()[0] for piece in text.split(";") if piece.strip() and not piece.lstrip().startswith("--")
        ]
        yield Emitted(text, tuple(kinds[piece] for piece in pieces), before_2019=True)


def _of_jobs() -> Iterator[str]:
    """What the action of morning.7-capture-job offers, whatever is wrong with the jobs."""
    healthy = CaptureHealth("Running", (), None, None, (), "NOTHING", 0)
    disabled = [
        CaptureJob(kind, f"odd]job's {kind}", enabled=False, running=False, continuous=True, retention_minutes=60)
        for kind in ("capture", "cleanup")
    ]
    remedies = DatabaseRemedies(CommandLine(Live(), pipeline_of("orders"), "w"))
    for jobs in ((), tuple(disabled)):
        seen = CaptureJobs(replace(healthy, jobs=jobs), {"source": 9e9})
        for words in (shlex.split(command, comments=True) for command in remedies.look_at_capture_job(seen)):
            if words:
                yield words[words.index("-Q") + 1]


def _answer(may_see: bool, may_all: bool, statement: str, *values: Any, **_: str) -> list[tuple[Any, ...]]:
    """A server's to an account that may see a table with a masked column, or may all."""
    known: dict[str, list[tuple[Any, ...]]] = {
        catalogue.COLUMNS: [("c", "int", 0, 0, 10, 0, 4, "masked")],
        catalogue.DATABASE_STATE: [(1, 1)],
        catalogue.ISOLATION: [(0, 0)],
        catalogue.USER: [("odd]user",)],
        rights_queries.USER: [("odd]login", "odd]user")],
        rights_queries.SERVER_ROLES: [("dbcreator",)] if may_all else [],
        rights_queries.SERVER_PERMISSIONS: [("CONTROL SERVER",)],
        rights_queries.DATABASE_ROLES: [],
        rights_queries.OWN_ROLES: [("odd]role",)] if may_all else [],
        rights_queries.DATABASE_PERMISSIONS: [("ALTER ANY USER",)],
        rights_queries.SCHEMA_PERMISSIONS: [("UPDATE",)],
        rights_queries.OWNED: [("SCHEMA" if may_all else "OBJECT",)] if values[-1:] == ("owned]table",) else [],
        deployment.LOGIN: [(1, 1, 1)],
    }
    return known.get(statement, [(int(may_all or (may_see and values[:1] == ("dbo",))),)])


def everything() -> list[Emitted]:
    """All of them, each text once."""
    found = (each_type(), each_limit(), large(), constants(), written(), backed_up(), advised())
    return list({one.text: one for one in itertools.chain(*found)}.values())


def fixtures() -> dict[str, str]:
    """The scripts that set a SQL Server up, with sqlcmd's variable put in."""
    scripts = {path.name: path.read_text(encoding="utf-8") for path in sorted(FIXTURES.glob("*.sql"))}
    return {name: text.replace("$(CDCPROOF_PASSWORD)", "a password") for name, text in scripts.items()}


def known() -> Known:
    """The tables of the statements, and the part of Microsoft's reference that they ask: system views, functions, procedures."""
    names = [*(column.name for column in (*COLUMNS, XML)), "odd] version"]
    marks = ["__$start_lsn", "__$seqval", "__$operation", "__$update_mask"]
    tables: dict[str, Sequence[str]] = {
        str(TABLE): names,
        str(CHANGES): [*marks, *names],
        "dbo.cdcproof_heartbeat": ["id", "beat_at"],
        str(WIDE): [ID.column.name, "odd] version", *(f"n{i}" for i in range(1023))],
    }
    return Known({**tables, **_VIEWS}, _FUNCTIONS, _TABLE_FUNCTIONS, _PROCEDURES)


_VIEWS = {
    name: columns.split()
    for name, columns in {
        "sys.tables": "name object_id schema_id is_ms_shipped is_tracked_by_cdc is_memory_optimized max_column_id_used",
        "sys.objects": "name object_id principal_id schema_id parent_object_id type create_date modify_date is_ms_shipped",
        "sys.schemas": "name schema_id principal_id",
        "sys.views": "name object_id schema_id parent_object_id type create_date modify_date is_ms_shipped with_check_option",
        "sys.synonyms": "name object_id schema_id base_object_name type create_date modify_date is_ms_shipped",
        "sys.database_principals": "name principal_id type type_desc default_schema_name owning_principal_id sid is_fixed_role",
        "sys.database_permissions": "class class_desc major_id minor_id grantee_principal_id grantor_principal_id type permission_name state state_desc",
        "sys.columns": "object_id name column_id system_type_id user_type_id max_length precision scale collation_name "
        "is_nullable is_computed encryption_type is_masked",
        "sys.types": "name system_type_id user_type_id schema_id is_user_defined is_assembly_type",
        "sys.indexes": "object_id name index_id type is_unique is_primary_key",
        "sys.index_columns": "object_id index_id index_column_id column_id key_ordinal is_included_column",
        "sys.partitions": "partition_id object_id index_id partition_number rows",
        "sys.databases": "name database_id is_cdc_enabled snapshot_isolation_state is_read_committed_snapshot_on replica_id group_database_id log_reuse_wait_desc "
        "create_date collation_name state_desc recovery_model_desc compatibility_level owner_sid",
        "sys.database_recovery_status": "database_id database_guid family_guid last_log_backup_lsn recovery_fork_guid "
        "first_recovery_fork_guid fork_point_lsn",
        "sys.security_policies": "name object_id schema_id is_enabled",
        "sys.security_predicates": "object_id security_predicate_id target_object_id predicate_definition predicate_type",
        "sys.dm_db_log_stats": "database_id recovery_model log_min_lsn log_end_lsn",
        "sys.dm_hadr_database_replica_states": "database_id group_id replica_id is_local last_hardened_lsn last_redone_lsn "
        "redo_queue_size",
        "sys.dm_cdc_log_scan_sessions": "session_id start_time end_time duration scan_phase error_count start_lsn current_lsn end_lsn "
        "tran_count last_commit_lsn last_commit_time log_record_count command_count latency empty_scan_count failed_sessions_count",
        "sys.dm_server_services": "servicename startup_type status status_desc process_id",
        "cdc.change_tables": "object_id version source_object_id capture_instance start_lsn end_lsn role_name index_name",
        "sys.dm_os_sys_info": "cpu_count physical_memory_kb sqlserver_start_time",
        "sys.dm_exec_sessions": "session_id login_name host_name program_name status database_id open_transaction_count is_user_process "
        "last_request_start_time is_user_process",
        "sys.dm_exec_requests": "session_id start_time blocking_session_id command status wait_type wait_time wait_resource total_elapsed_time sql_handle",
        "sys.dm_exec_sql_text": "dbid objectid number encrypted text",
        "sys.dm_tran_locks": "request_session_id resource_type resource_description resource_database_id request_mode request_status",
        "sys.database_files": "file_id name type_desc state_desc size max_size growth is_percent_growth",
        "sys.configurations": "configuration_id name value minimum maximum value_in_use description",
        "sys.dm_cdc_errors": "session_id phase_number entry_time error_number error_severity error_state error_message start_lsn begin_lsn",
        "sys.dm_db_log_space_usage": "database_id total_log_size_in_bytes used_log_space_in_bytes used_log_space_in_percent",
        "msdb.dbo.cdc_jobs": "database_id job_type job_id maxtrans maxscans continuous pollinginterval retention threshold",
        "msdb.dbo.sysjobs": "job_id name enabled",
        "msdb.dbo.sysjobactivity": "session_id job_id start_execution_date stop_execution_date job_history_id",
        "msdb.dbo.sysjobhistory": "instance_id job_id step_id run_status message",
        "cdc.captured_columns": "object_id column_name column_id column_type column_ordinal is_computed",
        "sys.dm_tran_session_transactions": "session_id transaction_id transaction_descriptor is_user_transaction is_local",
        "sys.dm_tran_active_transactions": "transaction_id name transaction_begin_time transaction_type transaction_state",
        "sys.dm_os_performance_counters": "object_name counter_name instance_name cntr_value cntr_type",
        "cdc.lsn_time_mapping": "start_lsn tran_begin_time tran_end_time tran_id",
    }.items()
}
_FUNCTIONS = {"sys.fn_cdc_get_max_lsn": 0, "sys.fn_cdc_get_min_lsn": 1, "sys.fn_cdc_map_lsn_to_time": 1}
_TABLE_FUNCTIONS = ("sys.dm_db_log_stats", "sys.dm_exec_sql_text")
_PROCEDURES = {
    "sys.sp_cdc_add_job": [
        "@job_type",
        "@start_job",
        "@maxtrans",
        "@maxscans",
        "@continuous",
        "@pollinginterval",
        "@retention",
    ],
    "sys.sp_cdc_drop_job": ["@job_type"],
    "sys.sp_spaceused": ["@objname", "@updateusage", "@mode", "@oneresultset"],
    "sys.sp_cdc_enable_db": [],
    "sys.sp_cdc_enable_table": [
        "@source_schema",
        "@source_name",
        "@capture_instance",
        "@supports_net_changes",
        "@role_name",
    ],
    "sys.sp_cdc_help_jobs": [],
    "sys.sp_cdc_start_job": ["@job_type"],
    "msdb.dbo.sp_update_job": ["@job_name", "@enabled"],
    "sys.sp_cdc_change_job": ["@job_type", "@maxtrans", "@maxscans", "@continuous", "@pollinginterval", "@retention"],
}

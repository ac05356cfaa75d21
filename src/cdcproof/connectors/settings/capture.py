"""Whether the source captures everything that the pipeline file expects: found and expected.

Half of it may be missing without an error anywhere: an operation, some rows, a column, a table. Only looking shows that. What a
connector's own settings leave out is for `settings` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.accounts import Account
from cdcproof.connectors.settings.config import Config
from cdcproof.connectors.settings.travelling import let_through, names, travelling_names
from cdcproof.core.errors import CdcproofError, CouldNotLookError
from cdcproof.databases.administration import administer
from cdcproof.databases.connections import connect_for_deployment as open_database
from cdcproof.databases.contracts.deployment import CapturedTable, CaptureState
from cdcproof.databases.names import TableName
from cdcproof.databases.postgresql.sessions.deployment import add_to_publication, create_publication, publish_everything
from cdcproof.databases.sqlserver.queries.catalogue import enable_table
from cdcproof.databases.sqlserver.sessions.deployment import ENABLE_DATABASE
from cdcproof.findings import ABSENT, Observation
from cdcproof.pipeline.model import Database, Pipeline, Table

_PLUGIN = "decoderbufs"
"""What Debezium's `plugin.name` is by default."""
_SKIPPED = "t"
"""What Debezium's `skipped.operations` is by default: TRUNCATE."""

Change = Callable[[Mapping[str, Mapping[str, str]]], Sequence[str]]
"""The commands that give connectors other settings, by their names."""
StateOf = Callable[[str, str], CaptureState]
"""Asked by publication and slot, which are empty for SQL Server."""


def state_of(pipeline: Pipeline, publication: str, slot: str) -> CaptureState:
    """Ask the source, by the account of the checks."""
    with open_database(pipeline.source) as database:
        return database.capture_state(publication, slot)


def look(accounts: Iterable[Account], tables: Sequence[Table], state_of: StateOf, change: Change) -> Observation:
    """The database's settings, TRUNCATE where a sink would apply it, and each table. Nothing is expected without a source connector.

    Raises `CouldNotLookError` where a table may be captured, and this account may not see it.
    """
    accounts = tuple(accounts)
    found: dict[str, str] = {}
    expected: dict[str, str] = {}
    action: list[str] = []
    words: dict[str, dict[str, tuple[str, ...]]] = {}
    for account in (account for account in accounts if account.side == "source"):
        publication, slot = names(account.config)
        state = state_of(publication, slot)
        ours, seen = _settings(account, publication, slot, state)
        sinks = [other for other in accounts if other.side == "target"]
        travels, sent = _truncates(account, sinks, publication, state)
        expected, found = {**expected, **ours, **travels}, {**found, **seen, **sent}
        for subject, word in {**seen, **sent}.items():
            action += _mend(account, subject, word, change) if word != expected[subject] else ()
        is_made = _makes_publication(account.config) and state.settings.get(f"publication {publication}") == ABSENT
        for table in tables:
            if _is_passed_over(account, table, state, accounts):
                continue
            word, commands = ("captured", ()) if is_made else _of_table(account.database, table, publication, state)
            words.setdefault(table.source, {})[word] = commands
    for subject, answers in words.items():  # one connector that carries the table is enough
        expected[subject] = "captured"
        found[subject] = "captured" if "captured" in answers else "; ".join(answers)
        action += [] if "captured" in answers else [command for commands in answers.values() for command in commands]
    return Observation(found, expected, action=tuple(dict.fromkeys(action)))


def partitions(
    configs: Mapping[str, Config], pipeline: Pipeline
) -> dict[str, dict[TableName, frozenset[TableName]] | None]:
    """Connector that reads a PostgreSQL source to its `travelling_names`; None where the source cannot be asked."""
    found: dict[str, dict[TableName, frozenset[TableName]] | None] = {}
    for name, config in configs.items():
        if pipeline.source.type == "postgresql" and connector_config.source_address(config):
            try:
                found[name] = travelling_names(config, state_of(pipeline, *names(config)))
            except CdcproofError:  # a password that is not set, too: what the settings say can be judged without
                found[name] = None
    return found


def _makes_publication(config: Config) -> bool:
    return config.get("publication.autocreate.mode", "all_tables") != "disabled"


def _settings(
    account: Account, publication: str, slot: str, state: CaptureState
) -> tuple[dict[str, str], dict[str, str]]:
    """The database's settings, expected and found."""
    if account.database.type == "sqlserver":
        return {"CDC of the database": "on"}, dict(state.settings)
    makes_publication = _makes_publication(account.config)
    expected = {
        "wal_level": "logical",
        f"publication {publication}": "present",
        f"slot {slot}": account.config.get("plugin.name", _PLUGIN),
    }
    found = {subject: state.settings.get(subject, ABSENT) for subject in expected}
    missing = [operation for operation in ("insert", "update", "delete") if operation not in state.operations]
    if found[f"publication {publication}"] == ABSENT:
        if makes_publication:
            found[f"publication {publication}"] = "present"  # the connector makes it, as it makes its slot
    elif missing:
        found[f"publication {publication}"] = f"present, without {', '.join(missing)}"
    words = found[f"slot {slot}"]
    if words.startswith(ABSENT) and words != f"{ABSENT}, 0 free":
        found[f"slot {slot}"] = expected[f"slot {slot}"]
    return expected, found


def _truncates(
    account: Account, sinks: Iterable[Account], publication: str, state: CaptureState
) -> tuple[dict[str, str], dict[str, str]]:
    """Whether a TRUNCATE travels, expected and found, for each sink that would apply it. SQL Server refuses it."""
    found: dict[str, str] = {}
    skipped = {one.strip() for one in account.config.get("skipped.operations", _SKIPPED).split(",")}
    for sink in sinks:
        if account.database.type == "postgresql" and sink.config.get("truncate.enabled") == "true":
            word = "travels" if "truncate" in state.operations else f"not in publication {publication}"
            word = f"left out by skipped.operations of {account.connector}" if "t" in skipped else word
            found[f"TRUNCATE, for truncate.enabled of {sink.connector}"] = word
    return dict.fromkeys(found, "travels"), found


def _is_passed_over(account: Account, table: Table, state: CaptureState, accounts: Sequence[Account]) -> bool:
    """Whether the table is another connector's: this one's lists do not let it through, and another's do."""
    name = TableName.parse(table.source)
    captured = _captured(account.database, name, state)
    parts = captured.names if captured else frozenset({name})
    others = [other for other in accounts if other.side == "source" and other is not account]
    return not let_through(account, parts) and any(let_through(other, parts) for other in others)


def _captured(database: Database, table: TableName, state: CaptureState) -> CapturedTable | None:
    """How the table is captured. For SQL Server and its connector case does not count in a name."""
    if database.type != "sqlserver":
        return state.captured.get(table)
    return next((one for name, one in state.captured.items() if str(name).casefold() == str(table).casefold()), None)


def _of_table(database: Database, table: Table, publication: str, state: CaptureState) -> tuple[str, tuple[str, ...]]:
    """How a table is captured, in a word, and the commands that mend it."""
    name = TableName.parse(table.source)
    captured = _captured(database, name, state)
    if captured:
        return _of_captured(database, table, captured)
    if state.hidden:
        raise CouldNotLookError(f"Whether {name} is captured cannot be seen: the source hides tables.", state.hidden)
    statement = enable_table(name) if database.type == "sqlserver" else add_to_publication(publication, [name])
    return "not captured", (administer(database, statement),)


def _of_captured(database: Database, table: Table, captured: CapturedTable) -> tuple[str, tuple[str, ...]]:
    faults: list[str] = []
    commands: list[str] = []
    accepted = {column.lower() for column in table.exclude}
    left_out = [column for column in captured.left_out if column.lower() not in accepted]
    if captured.condition and not table.source_filter:
        faults.append(f"only rows where {captured.condition}")
    if left_out:
        faults.append(f"without {', '.join(left_out)}")
    if faults:
        commands.append(administer(database, captured.whole))
    if captured.unidentified:
        faults.append(f"updates and deletes refused: {captured.unidentified}")
        commands.append(administer(database, captured.identified))
    return f"captured, {', '.join(faults)}" if faults else "captured", tuple(commands)


def _mend(account: Account, subject: str, found: str, change: Change) -> list[str]:
    """What an administrator of the source does about a setting."""
    database, (publication, slot) = account.database, names(account.config)
    if subject == "wal_level":
        return [administer(database, "ALTER SYSTEM SET wal_level = 'logical';"), "# then restart the server"]
    if subject == f"publication {publication}" and found == ABSENT:
        tables = [TableName.parse(table.source) for table in account.tables]
        return [administer(database, create_publication(publication, tables))]
    if subject == f"publication {publication}" or found == f"not in publication {publication}":
        return [administer(database, publish_everything(publication))]
    if subject == f"slot {slot}":
        show = administer(database, "SELECT slot_name, plugin, active FROM pg_replication_slots;")
        full = "drop a slot that nobody needs, or raise max_replication_slots"
        other = f"correct plugin.name, or slot.name, of {account.connector}"
        return [show, f"# then {full if found.startswith(ABSENT) else other}"]
    if subject == "CDC of the database":
        return [administer(database, ENABLE_DATABASE)]
    return list(change({account.connector: {"skipped.operations": "none"}}))

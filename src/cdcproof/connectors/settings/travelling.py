"""The names by which tables travel: a partitioned table's own, or those of its partitions."""

from __future__ import annotations

from collections.abc import Iterable

from cdcproof.connectors.settings import config as connector_config
from cdcproof.connectors.settings.accounts import Account
from cdcproof.connectors.settings.config import Config
from cdcproof.databases.contracts.deployment import CaptureState
from cdcproof.databases.names import TableName
from cdcproof.pipeline.model import Table


def names(config: Config) -> tuple[str, str]:
    """The publication and the slot of a source connector; empty for SQL Server, which has none."""
    address = connector_config.source_address(config)
    return (address.publication or "", address.slot or "") if address else ("", "")


def travelling_names(config: Config, state: CaptureState) -> dict[TableName, frozenset[TableName]]:
    """Partitioned table to the names by which its changes travel, also where it is not in the publication yet."""
    by_root = config.get("publish.via.partition.root") == "true"
    return {
        root: state.captured[root].names if root in state.captured else frozenset({root}) if by_root else leaves
        for root, leaves in state.partitions.items()
    }


def let_through(account: Account, names: Iterable[TableName]) -> bool:
    """Whether the include and exclude lists of a source connector let all of these tables through."""
    address = connector_config.source_address(account.config)
    database = address.database if address else None
    return all(connector_config.captures(account.config, database, name) for name in names)


def tables_read(account: Account, tables: Iterable[Table], state: CaptureState) -> tuple[TableName, ...]:
    """What a source connector selects from: each table that its lists let through, or those of its partitions."""
    parts = travelling_names(account.config, state)
    roots = (TableName.parse(table.source) for table in tables)
    return tuple(
        name for root in roots for name in sorted(parts.get(root, frozenset({root}))) if let_through(account, [name])
    )

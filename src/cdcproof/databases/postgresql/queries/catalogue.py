"""What PostgreSQL's catalogue is asked. Nothing is asked here.

PostgreSQL's documentation, "System Catalogs".
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

# The control file knows a standby's timeline only as of its last restartpoint; what writes WAL is asked for the file that it writes.
IDENTITY: LiteralString = """
    SELECT current_database(), oid::text,
           CASE WHEN NOT pg_is_in_recovery() AND has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')
                THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) ELSE '' END,
           has_function_privilege('pg_control_system()', 'EXECUTE'),
           pg_is_in_recovery() AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')
    FROM pg_database WHERE datname = current_database()"""
# Its files change with TRUNCATE and whatever rewrites it. A partitioned table has none itself, and its partitions come and go.
# A column that is added gives every row a value without a write. relnatts counts those that were dropped, too.
TABLE_IDENTITY: LiteralString = """
    SELECT concat_ws(' ', c.oid, pg_relation_filenode(c.oid), c.relnatts) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relname = %s"""
# The primary says where its log ends at least every 30 s (wal_sender_timeout); without pg_monitor that is not shown. By its clock, and ours.
CURRENT: LiteralString = """
    SELECT pg_is_in_recovery(), extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
           EXISTS (SELECT FROM pg_stat_wal_receiver w WHERE w.last_msg_receipt_time > clock_timestamp() - interval '1 minute'
                       AND w.latest_end_lsn <= pg_last_wal_replay_lsn())"""
STARTED: LiteralString = "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE pg_postmaster_start_time()::text END"
IS_STANDBY: LiteralString = "SELECT pg_is_in_recovery()"
SYSTEM_IDENTIFIER: LiteralString = "SELECT system_identifier::text FROM pg_control_system()"
STANDBY_TIMELINE: LiteralString = "SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint()"

# A partition is a table too: a connector may capture it, and a sink write it, by its own name.
TABLES: LiteralString = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind IN ('r', 'p')"""

UNLOGGED: LiteralString = """
    SELECT n.nspname, c.relname, fn.nspname, f.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class f ON f.oid = c.oid OR f.oid IN (SELECT relid FROM pg_partition_tree(c.oid))
    JOIN pg_namespace fn ON fn.oid = f.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY(%s) AND f.relkind = 'r' AND f.relpersistence = 'u' ORDER BY 1, 2, 3, 4"""

# A domain is read as what it is made of; format_type without a modifier gives the standard's name of a type. An extension's
# type is named without its schema. A numeric's scale has 11 bits and a sign (since PostgreSQL 15). What says NOT NULL holds NULLs all
# the same in tables that inherit from it, in foreign tables and partitions, and where it is NOT VALID (since 18).
COLUMNS: LiteralString = """
    SELECT a.attname,
           CASE WHEN t.typcategory = 'A' THEN 'array' WHEN t.typtype = 'e' THEN 'enum' WHEN t.typtype = 'c' THEN 'composite'
                WHEN t.typtype = 'r' THEN 'range' WHEN t.typtype = 'm' THEN 'multirange'
                WHEN t.typnamespace <> 'pg_catalog'::regnamespace THEN t.typname ELSE format_type(t.oid, NULL) END,
           NOT a.attnotnull OR (c.relkind = 'r' AND c.relhassubclass) OR c.relkind = 'f' OR EXISTS (
               SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class f ON f.oid = p.relid WHERE f.relkind = 'f') OR EXISTS (
               SELECT FROM pg_constraint k
               WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)),
           CASE WHEN t.oid = 'numeric'::regtype AND d.modifier >= 0 THEN ((d.modifier - 4 & 2047) # 1024) - 1024
                ELSE information_schema._pg_datetime_precision(t.oid, d.modifier) END,
           information_schema._pg_numeric_precision(t.oid, d.modifier),
           a.attgenerated <> '',
           information_schema._pg_char_max_length(t.oid, d.modifier)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        WITH RECURSIVE base (type, modifier) AS (
            SELECT a.atttypid, a.atttypmod
            UNION ALL
            SELECT u.typbasetype, u.typtypmod FROM base JOIN pg_type u ON u.oid = base.type WHERE u.typtype = 'd')
        SELECT base.* FROM base JOIN pg_type u ON u.oid = base.type WHERE u.typtype <> 'd') d
    JOIN pg_type t ON t.oid = d.type
    WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""

# A collation may take different texts for equal since PostgreSQL 12.
WRITTEN_COLUMNS: LiteralString = """
    SELECT a.attname, a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attidentity = 'a', a.attgenerated <> '',
           coalesce(to_jsonb(l) ->> 'collisdeterministic', 'true') <> 'true'
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

PRIMARY_KEY: LiteralString = """
    SELECT a.attname FROM pg_index i
    JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, position)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
    WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary
    ORDER BY k.position"""

# Under these names changes travel: by default a partitioned table's are its leaves'.
PUBLISHED: LiteralString = "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s"

# A slot that never reserved WAL has no wal_status; whatever it was meant to keep is not kept. Left out are a physical slot that
# keeps nothing, and what a standby copies of the primary's slots (since PostgreSQL 17), which nobody can read there.
SLOTS: LiteralString = """
    SELECT slot_name, active, coalesce(wal_status, 'unreserved'), coalesce(pg_wal_lsn_diff(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
               restart_lsn), 0)::bigint, coalesce(database, '')
    FROM pg_replication_slots s
    WHERE (database IS NOT NULL OR restart_lsn IS NOT NULL) AND coalesce(to_jsonb(s) ->> 'synced', 'false') <> 'true'
    ORDER BY slot_name"""

PERMISSIONS: LiteralString = """
    SELECT n.nspname, c.relname, has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'),
           row_security_active(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname || '.' || c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY 1, 2"""

_PARTS: LiteralString = """
    WITH RECURSIVE parts (oid) AS (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN parts ON parts.oid = i.inhparent)"""

# Pages and whether they are pages of heaps throughout: a view or a foreign table has no ctid and no xmin of its own.
STORAGE: LiteralString = (
    _PARTS  # noqa: S608  only text of ours
    + """
    SELECT count(*), coalesce(bool_and(c.relkind = 'p' OR coalesce(m.amname, '') = 'heap'), false),
           coalesce(max(pg_relation_size(c.oid)) / current_setting('block_size')::bigint, 0)::bigint
    FROM parts JOIN pg_class c ON c.oid = parts.oid LEFT JOIN pg_am m ON m.oid = c.relam"""
)


class Storage(NamedTuple):
    """What `STORAGE` returns: how many tables it is, whether a row has a place and a writer (`ctid`, `xmin`), pages of the largest part."""

    number: int
    is_heap: bool
    pages: int


# Which files the rows are in (a table that is rewritten gets others), and before which number all transactions have ended.
MARK: LiteralString = (
    _PARTS  # noqa: S608  only text of ours
    + """
    SELECT string_agg(coalesce(pg_relation_filenode(oid), 0)::text, ',' ORDER BY oid),
           pg_snapshot_xmin(pg_current_snapshot())::text
    FROM parts"""
)

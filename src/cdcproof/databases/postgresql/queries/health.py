"""The SQL that is asked of PostgreSQL at each scrape. Nothing is asked here."""

from __future__ import annotations

from typing import LiteralString

# Without the role pg_monitor, a session of another account shows neither its state nor what kind of backend it is.
SESSIONS: LiteralString = """
    SELECT count(*) FILTER (WHERE query = '<insufficient privilege>' OR state = 'disabled'),
           count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle'),
           count(*) FILTER (WHERE state LIKE 'idle in transaction%%'),
           coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8,
           coalesce(extract(epoch FROM max(clock_timestamp() - query_start) FILTER (WHERE state = 'active')), 0)::float8,
           count(*) FILTER (WHERE wait_event_type = 'Lock')
    FROM pg_stat_activity
    WHERE (backend_type = 'client backend' OR query = '<insufficient privilege>') AND pid <> pg_backend_pid()"""
DATABASE: LiteralString = """
    SELECT current_setting('max_connections')::int, xact_commit, xact_rollback, deadlocks,
           blks_hit::float8 / nullif(blks_hit + blks_read, 0)
    FROM pg_stat_database WHERE datname = current_database()"""
SIZE: LiteralString = "SELECT pg_database_size(current_database())"
CLOCK: LiteralString = "SELECT extract(epoch FROM clock_timestamp())::float8"
CONFIRMED: LiteralString = """
    SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots
    WHERE slot_name = %s AND database = current_database() AND confirmed_flush_lsn IS NOT NULL"""
PUBLISHED: LiteralString = """
    SELECT t.schemaname, t.tablename, c.oid::bigint
    FROM pg_publication_tables t
    JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
    WHERE t.pubname = %s"""
COPY_SLOT: LiteralString = "SELECT FROM pg_copy_logical_replication_slot(%s, %s, true, 'pgoutput')"
DROP_SLOT: LiteralString = "SELECT pg_drop_replication_slot(%s)"
# Messages of pgoutput, as in PostgreSQL's "Logical Replication Message Formats": I, U and D are followed by the number of the relation,
# B by the end and the time of its transaction, in microseconds since 2000.
COUNT: LiteralString = """
    WITH messages AS MATERIALIZED (
        SELECT number, xid::text AS xid, get_byte(data, 0) AS kind, substring(data FROM 2 FOR 4) AS relation,
               substring(data FROM 10 FOR 8) AS committed
        FROM pg_logical_slot_peek_binary_changes(%s, NULL, %s, 'proto_version', '1', 'publication_names', %s)
             WITH ORDINALITY AS m (lsn, xid, data, number)),
    changes AS (SELECT number, xid FROM messages
                WHERE kind IN (ascii('I'), ascii('U'), ascii('D')) AND relation = ANY (%s::bytea[]))
    SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM changes),
           (SELECT ('x' || encode(committed, 'hex'))::bit(64)::bigint FROM messages
            WHERE kind = ascii('B') AND xid = (SELECT xid FROM changes ORDER BY number LIMIT 1) LIMIT 1),
           (extract(epoch FROM clock_timestamp() - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint"""
# safe_wal_size is NULL without max_slot_wal_keep_size, and for a slot that is lost; it came with PostgreSQL 13.
SLOTS: LiteralString = """
    SELECT slot_name, coalesce(pg_wal_lsn_diff(
               CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint,
           CASE WHEN coalesce(wal_status, '') = 'lost' THEN 0 ELSE (to_jsonb(s) ->> 'safe_wal_size')::bigint END
    FROM pg_replication_slots s WHERE NOT temporary ORDER BY slot_name"""

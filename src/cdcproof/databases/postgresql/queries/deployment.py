"""The SQL that is asked of PostgreSQL about a deployment. Nothing is asked here."""

from __future__ import annotations

# wal_status lost: what the slot should keep is gone, whatever restart_lsn says
LOG_STARTS = """
    SELECT slot_name, (restart_lsn - '0/0'::pg_lsn)::bigint FROM pg_replication_slots
    WHERE database = current_database() AND restart_lsn IS NOT NULL AND wal_status <> 'lost' ORDER BY slot_name"""
CAPTURE = """
    SELECT current_setting('wal_level'),
           current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)::int,
           EXISTS (SELECT FROM pg_publication WHERE pubname = %s),
           (SELECT plugin FROM pg_replication_slots WHERE slot_name = %s)"""
# Without the role pg_monitor a session of another account shows its pid alone.
READING = """
    SELECT coalesce((s.confirmed_flush_lsn - '0/0')::bigint, 0), coalesce((r.write_lsn - '0/0')::bigint, 0),
           coalesce(s.active_pid || coalesce(' since ' || r.backend_start, ''), ''),
           s.active_pid IS NOT NULL AND r.backend_start IS NULL
    FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.slot_name = %s"""
# By the primary's clock, and the standby's. An idle primary commits nothing, so that this grows.
REPLAYED_AGE = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
OPERATIONS = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate FROM pg_publication WHERE pubname = %s"
# Filters and lists came with PostgreSQL 15. They are set where the table, or the one it is a partition of, was added. Generated columns
# are made anew at the target.
PUBLISHED = """
    SELECT p.schemaname, p.tablename, coalesce(to_jsonb(p) ->> 'rowfilter', ''),
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                   AND NOT coalesce(to_jsonb(p) -> 'attnames', to_jsonb(ARRAY[a.attname])) ? a.attname::text
                 ORDER BY a.attnum),
           coalesce(an.nspname, p.schemaname), coalesce(ac.relname, p.tablename)
    FROM pg_publication_tables p
    JOIN pg_publication b ON b.pubname = p.pubname
    JOIN pg_namespace n ON n.nspname = p.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
    LEFT JOIN pg_publication_rel r ON r.prpubid = b.oid
          AND (r.prrelid = c.oid OR r.prrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))
    LEFT JOIN pg_class ac ON ac.oid = r.prrelid LEFT JOIN pg_namespace an ON an.oid = ac.relnamespace
    WHERE p.pubname = %s"""
PARTS = """
    SELECT n.nspname, c.relname, m.nspname, f.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN LATERAL pg_partition_tree(c.oid) t ON t.isleaf
    JOIN pg_class f ON f.oid = t.relid JOIN pg_namespace m ON m.oid = f.relnamespace
    WHERE c.relkind = 'p' AND f.relkind <> 'p'"""
# Without an identity PostgreSQL refuses to update and to delete rows of a table whose updates and deletes are published.
UNIDENTIFIED = """
    WITH keys AS (SELECT indrelid, bool_or(indisprimary) AS has_key, bool_or(indisreplident) AS has_index
                  FROM pg_index WHERE indisvalid GROUP BY indrelid)
    SELECT n.nspname, c.relname,
           CASE c.relreplident WHEN 'n' THEN 'REPLICA IDENTITY NOTHING' WHEN 'i' THEN 'REPLICA IDENTITY of an index that is gone'
                ELSE 'no primary key and REPLICA IDENTITY DEFAULT' END,
           coalesce(k.has_key, false)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN keys k ON k.indrelid = c.oid
    WHERE c.relkind = 'r' AND n.nspname || '.' || c.relname = ANY (%s)
      AND CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true WHEN 'i' THEN NOT coalesce(k.has_index, false)
               ELSE NOT coalesce(k.has_key, false) END"""

LOGIN = """
    SELECT rolcanlogin, coalesce(rolvaliduntil <= now(), false), rolvaliduntil::text,
           has_database_privilege(oid, current_database(), 'CONNECT')
    FROM pg_roles WHERE rolname = %s"""
# Of a role in this database, a role, a database, in the order in which they count. Our own sessions set it, so that they do not show the server's.
READ_ONLY = """
    SELECT s.setrole <> 0, s.setdatabase <> 0, option LIKE '%%=on' OR option LIKE '%%=true' OR option LIKE '%%=1' OR option LIKE '%%=yes'
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS option
    WHERE option LIKE 'default_transaction_read_only=%%'
      AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = %s))
      AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ORDER BY (s.setrole <> 0) DESC, (s.setdatabase <> 0) DESC LIMIT 1"""

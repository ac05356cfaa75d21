#!/bin/sh
# The target's tables, owned by the account of the sink connector. Run once, by the image's entry point.
set -e
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d warehouse_target -c 'SET ROLE sink' -f /sql/tables.sql \
  -c 'GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO round_trip'

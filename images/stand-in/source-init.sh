#!/usr/bin/env bash
# What sqlserver-init does, on the PostgreSQL server that stands in: database, tables, rows, publication, accounts.
set -euo pipefail

sql() { psql -v ON_ERROR_STOP=1 -q "$@"; }

sql -d postgres -f /sql/postgresql/source_accounts.sql
sql -d warehouse_source -f /sql/postgresql/tables.sql -f /sql/postgresql/rows.sql -f /sql/postgresql/source_only.sql \
  -v customers=500 -v products=100 -v orders=1000 -v shipments=800

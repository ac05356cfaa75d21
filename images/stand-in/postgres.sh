#!/usr/bin/env bash
# What the official PostgreSQL image's entry point does, as far as we use it: on the first start a cluster with
# POSTGRES_USER and POSTGRES_PASSWORD, then the scripts of /docker-entrypoint-initdb.d; then the server, as account postgres.
set -euo pipefail

as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$(dirname "$PGDATA")"
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  chown postgres:postgres /tmp/password
  as_postgres initdb -D "$PGDATA" -U "$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 --auth=scram-sha-256 \
    --auth-local=trust --no-sync --pwfile=/tmp/password >/dev/null
  rm /tmp/password
  echo "host all,replication all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  cat >>"$PGDATA/postgresql.conf" <<'CONF'
listen_addresses = '*'
wal_level = logical
fsync = off
timezone = 'UTC'
CONF
  # on its socket only, so that nobody takes it for ready
  as_postgres pg_ctl -D "$PGDATA" -w -s -o "-c listen_addresses=''" start
  for script in /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh) bash "$script" ;;
      *.sql) psql -v ON_ERROR_STOP=1 -q -U "$POSTGRES_USER" -d postgres -f "$script" ;;
    esac
  done
  as_postgres pg_ctl -D "$PGDATA" -w -s -m fast stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups -- postgres -D "$PGDATA"

#!/usr/bin/env bash
# The runbook's backup. Options: cdcproof backup --help
# Environment: BACKUP_DIR, RETENTION_DAYS, S3_BUCKET, CDCPROOF_PIPELINE
set -euo pipefail
own=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/.venv/bin/cdcproof
[[ -x $own ]] || own=cdcproof
exec "$own" backup "$@"

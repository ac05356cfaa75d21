#!/usr/bin/env bash
# The runbook's restore. Options: cdcproof restore --help
# Environment: BACKUP_DIR, S3_BUCKET, CDCPROOF_PIPELINE
set -euo pipefail
own=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)/.venv/bin/cdcproof
[[ -x $own ]] || own=cdcproof
exec "$own" restore "$@"

#!/usr/bin/env bash
# collect-diagnostics.sh [--output-dir DIR] …: what on call needs, in one redacted archive under /tmp.
# Every flag of `cdcproof diagnose` is taken; its exit status: 0 all was collected, 3 not all.
set -euo pipefail
root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd)
[ -d fixtures/pipelines ] || cd -- "$root"
program=$root/.venv/bin/cdcproof
[ -x "$program" ] || program=cdcproof
exec "$program" diagnose "$@"

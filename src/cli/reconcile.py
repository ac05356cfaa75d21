"""`python -m src.cli.reconcile`, as the runbook and cron call it: `cdcproof reconcile`, installed or not."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    try:
        from cdcproof.cli.reconcile import main
    except ModuleNotFoundError as error:
        sys.exit(
            f"reconcile: this Python has no module {error.name}. Use .venv/bin/python, which `make morning` sets up."
        )
    sys.exit(main(sys.argv[1:]))

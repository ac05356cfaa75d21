"""`python -m src.cli.reconcile`, as the runbook and cron call it: `cdcproof reconcile`, installed or not."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_NEEDED = ("psycopg", "pydantic", "jinja2")
"""What a Python that is not the project's own lacks. Looked for first: most is imported only when it is used."""


def _unfit() -> str:
    """Why this Python cannot run it; empty when it can."""
    if sys.version_info < (3, 11):  # noqa: UP036  cron's python3 may be of any age
        return f"is version {sys.version.split()[0]}, and 3.11 or newer is needed"
    missing = [name for name in _NEEDED if find_spec(name) is None]
    return f"has no module {missing[0]}" if missing else ""


def _main() -> int:
    unfit = _unfit()
    if unfit:
        own = _ROOT / ".venv" / "bin" / "python"
        remedy = f"Use {own}." if own.exists() else "Set up .venv with `make morning`, and use .venv/bin/python."
        print(f"reconcile: {sys.executable} {unfit}.\n{remedy}", file=sys.stderr)
        return 3
    sys.path.insert(0, str(_ROOT / "src"))
    from cdcproof.cli.main import program  # noqa: PLC0415  only a fit Python can
    from cdcproof.cli.reconcile import main  # noqa: PLC0415

    return program(lambda: main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(_main())

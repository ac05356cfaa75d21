"""Write again every file that follows from the catalogue of checks, or from what drills and mutants measured: `make generate`."""

from __future__ import annotations

import sys
from pathlib import Path

from cdcproof.monitoring.generated import generated

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.drills import document as drills
from tests.mutants import record as mutants


def main() -> int:
    """Write what differs, and name it."""
    root = Path(__file__).parents[1]
    for path, content in (generated(root) | drills.document(root) | mutants.document()).items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            print(f"{path.relative_to(root)}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The reports of the embedded pipeline in a checkout, which go with it; those of a real pipeline are evidence, and stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.json_text import parsed

OURS = "embedded"
_RUNS = ("latest.json", "*/latest.json", "runs/*.json", "*/runs/*.json")
_KEPT = (".gitkeep", "acts.log")
"""The log of acts says who did what, wherever that was."""


def remove(root: Path) -> list[str]:
    """Delete what the embedded pipeline wrote below `root`; return a sentence for each directory that stays."""
    stays = []
    reconciled = root / "reconciliation_reports"
    if reconciled.is_dir():
        if set(_pipelines(reconciled, "reconciliation_report_*.json")) <= {OURS}:
            shutil.rmtree(reconciled)
        else:
            stays.append(f"{reconciled} stays: it has reports of another pipeline.")
    reports = root / "reports"
    if reports.is_dir():
        deployed = {path.name for path in (reports / "connectors").glob("*") if path.is_dir()}
        if {*_pipelines(reports, *_RUNS), *deployed} <= {OURS}:
            for path in (path for path in reports.iterdir() if path.name not in _KEPT):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        else:
            stays.append(f"{reports} stays: it has reports of another pipeline.")
        if (reports / "acts.log").exists():
            stays.append(f"{reports / 'acts.log'} stays: it says who did what.")
    return stays


def _pipelines(directory: Path, *patterns: str) -> Iterator[str]:
    """The names of the pipelines whose reports these are; empty for one that does not say."""
    for path in (path for pattern in patterns for path in directory.glob(pattern)):
        try:
            stored = parsed(bounded.read_text(path))
        except (OSError, ValueError):
            yield ""
        else:
            yield str(stored.get("pipeline", "")) if isinstance(stored, dict) else ""

"""Where the reports of a pipeline are, in a directory that several pipelines may share.

The directory belongs to the pipeline that wrote into it first. Another one has a folder of its name in it, with the
same files. So no pipeline replaces a report of another one, and the only pipeline of a checkout has the short paths.
"""

from __future__ import annotations

from pathlib import Path

from cdcproof.reporting import journal


def folder_of(pipeline: str, reports: Path) -> Path:
    """Where the reports of this pipeline are, or will be written."""
    owner = journal.owner(reports)
    return reports if owner in (None, pipeline) else reports / pipeline


def folder_of_newest(reports: Path) -> Path:
    """Where the pipeline that ran last keeps its reports; `reports` itself when none has run."""
    runs = [path for path in (reports / "latest.json", *reports.glob("*/latest.json")) if path.is_file()]
    return max(runs, key=lambda path: path.stat().st_mtime_ns).parent if runs else reports

"""The first page of the archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cdcproof.diagnostics.parts import File, Item, Missing
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting.formats.html_pages import rendered

_SHOWN = ("services/states.txt", "connect/states.txt", "kafka/lag-of-", "system/disks.txt")
"""What stands on the first page itself."""


@dataclass(frozen=True)
class Section:
    """The files of one folder of the archive."""

    folder: str
    files: tuple[File, ...]


def index(
    pipeline: Pipeline,
    environment: str,
    *,
    started: datetime,
    since_seconds: float,
    wanted: Sequence[Item],
    files: Sequence[File],
    missing: Sequence[Missing],
    remarks: Sequence[str],
) -> str:
    """What stands out, what could not be collected, and the way to every file."""
    return rendered(
        "diagnostics.html",
        pipeline=pipeline,
        environment=environment,
        started=f"{started:%Y-%m-%d %H:%M:%S} UTC",
        since_hours=f"{since_seconds / 3600:g}",
        titles={item.name: item.title for item in wanted},
        sections=sections(files),
        shown=[file for file in files if file.path.startswith(_SHOWN)],
        missing=missing,
        remarks=remarks,
    )


def sections(files: Iterable[File]) -> list[Section]:
    """By folder, in the order in which the folders come."""
    folders: dict[str, list[File]] = {}
    for file in files:
        folders.setdefault(file.path.rpartition("/")[0].partition("/")[0] or "more", []).append(file)
    return [Section(folder, tuple(found)) for folder, found in folders.items()]

"""The newest reports: of checks, of reconciliations, and what was done to the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.secrets import scrub
from cdcproof.diagnostics.archive import MOST_FILE_BYTES
from cdcproof.diagnostics.parts import File, Missing, Part, Remark, Scope, as_json, file_name
from cdcproof.pipeline.model import Pipeline
from cdcproof.reporting import journal, places
from cdcproof.reporting.formats.text import needing_attention

_MOST_BYTES = 16 << 20
_NEWEST = 3
_PAGES = ("summary.txt", "morning.html", "latest.json")


def checks(scope: Scope) -> Iterator[Part]:
    """The latest run of checks, its pages, and the newest incidents."""
    folder = places.folder_of(scope.pipeline.name, scope.pipeline.paths.reports)
    for name in _PAGES:
        yield from _copy(folder / name, f"reports/{name}")
    for path in _newest(folder / "evidence", "[0-9]*Z-*.jsonl"):
        yield from _recording(path)
    for path in _newest(folder / "incidents", "*.md"):
        yield from _copy(path, f"reports/incidents/{file_name(path.name)}")
    if (folder / "latest.json").exists():
        run = journal.latest(folder)
        for record in needing_attention(run):
            yield Remark(f"The latest run of checks: {record.step} was {record.verdict}: {record.title}")
    else:
        yield Remark(f"No run of checks is kept in {folder}")


def reconciliations(scope: Scope) -> Iterator[Part]:
    """The newest reports of reconciliations."""
    folder = scope.pipeline.paths.reconciliation_reports
    found = _newest(folder, "reconciliation_report_*.json")
    for path in found:
        yield from _copy(path, f"reports/reconciliation/{file_name(path.name)}")
    if not found:
        yield Remark(f"There is no report of a reconciliation in {folder}")


def acts(scope: Scope) -> Iterator[Part]:
    """Who changed what, and the pipeline file as it was read."""
    yield from _copy(scope.pipeline.paths.reports / "acts.log", "reports/acts.log.txt")
    yield File("pipeline.json", as_json(_as_read(scope.pipeline)))


def _as_read(pipeline: Pipeline) -> object:
    return pipeline.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _newest(folder: Path, pattern: str) -> list[Path]:
    """By name, which begins or ends with the time; links lead elsewhere and are left alone."""
    found = [path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)[:_NEWEST]


def _recording(path: Path) -> Iterator[Part]:
    """A recording of a run: it can be judged again only if it is whole and as it was written."""
    to = f"reports/evidence/{file_name(path.name)}"
    for part in _copy(path, to):
        if isinstance(part, File) and len(part.text.encode()) > MOST_FILE_BYTES:
            yield Missing(to, f"{path} is larger than a file of the archive may be: send it beside the archive.")
        else:
            yield part
        if isinstance(part, File) and scrub(part.text) != part.text:
            yield Remark(f"{to} has lost further secrets, and cannot be replayed any more; {path} can be")


def _copy(path: Path, to: str) -> Iterator[Part]:
    """A file as it is; nothing where there is none."""
    if not path.is_file() or path.is_symlink():
        return
    try:
        if path.stat().st_size > _MOST_BYTES:
            yield Missing(to, f"{path} has more than {_MOST_BYTES >> 20} MiB.")
        else:
            yield File(to, bounded.read_text(path, _MOST_BYTES, errors="replace"))
    except OSError as error:
        yield Missing(to, f"{path} cannot be read: {error.strerror}.")

"""The baseline over a window: kept as it was when the window began; a rollback puts it back, and gives it the databases that were restored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cdcproof.core import bounded
from cdcproof.core.errors import CouldNotLookError, OperationError
from cdcproof.core.files import write_whole
from cdcproof.maintenance.site import Site
from cdcproof.validation.baseline import recording as baseline
from cdcproof.validation.baseline.comparison import VERSIONS

_KEPT, _REPLACED = "baseline-before.json", "replaced/baseline.json"
DATABASES = (f"{VERSIONS}/source/database", f"{VERSIONS}/target/database")
"""What a restore changes beside the rows: which databases they are."""


def keep(site: Site, folder: Path) -> None:
    """Copy the pipeline's baseline into the window's folder, where there is one. Raises `OperationError`."""
    text = _text(baseline.place(site.pipeline))
    if text:
        _write(folder / _KEPT, text)


def put_back(site: Site, folder: Path) -> str:
    """Before a rollback is validated: what was saved within the window describes the change. What was done, in a sentence."""
    kept, now = _text(folder / _KEPT), _text(baseline.place(site.pipeline))
    if not kept:
        return "there was no baseline when the window began"
    if kept == now:
        return "the baseline is that of the window's start"
    _write(folder / _REPLACED, now)
    _write(baseline.place(site.pipeline), kept)
    return f"the baseline of the window's start is back; the one that was there is {folder / _REPLACED}"


def adopt_databases(site: Site, folder: Path) -> str:
    """After a restore whose validation is green: the same facts, of the databases as they are now. What was done, in a sentence."""
    if not _text(folder / _KEPT):
        return "there was no baseline when the window began: cdcproof baseline save"
    known = baseline.load(folder / _KEPT)
    now = site.facts_since(known).values
    own = {fact: now[fact] for fact in DATABASES if fact in known.facts.values and fact in now}
    facts = replace(known.facts, values={**known.facts.values, **own})
    baseline.save(replace(known, facts=facts), baseline.place(site.pipeline))
    return "the baseline of the window's start is of the restored databases now"


def _text(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        return bounded.read_text(path)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise CouldNotLookError(f"The baseline {path} cannot be read: {bounded.reason(error)}.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text, mode=0o640)
    except OSError as error:
        raise OperationError(f"{path} cannot be written: {error.strerror}.") from None

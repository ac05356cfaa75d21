"""docs/DRILLS.md, from the table of faults and from what the drills measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cdcproof.monitoring.catalogue import BY_STEP
from cdcproof.monitoring.generated import with_part
from tests.drills.catalogue import CLASSES, COMMANDS, FAULTS, Fault, Shown
from tests.drills.detections import Detected, recorded

Seconds = Mapping[tuple[str, str], Detected]
_ORDER = {check: number for number, check in enumerate((*BY_STEP, *COMMANDS))}


def document(root: Path) -> dict[Path, str]:
    """The document, to its whole content as it has to be."""
    path = root / "docs" / "DRILLS.md"
    measured, seconds = recorded()
    text = path.read_text(encoding="utf-8")
    parts = {
        "measured": "\n".join(f"- {what}: {value}" for what, value in measured.items()) + "\n",
        "classes": _classes(),
        **{shown.name.lower().replace("_", " "): _matrix(shown, seconds) for shown in Shown},
    }
    for name, part in parts.items():
        text = with_part(text, name, part)
    return {path: text}


def _classes() -> str:
    lines = ["| # | what fails | seen by | shown |", "|---:|---|---|---|"]
    for number, what in CLASSES.items():
        faults = [fault for fault in FAULTS if number in fault.of]
        checks = sorted({fault.check for fault in faults}, key=_ORDER.__getitem__)
        shown = dict.fromkeys(one for one in Shown if one in {fault.shown for fault in faults})
        lines.append(f"| {number} | {what} | {', '.join(map(_link, checks))} | {'; '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _matrix(shown: Shown, seconds: Seconds) -> str:
    faults = sorted((fault for fault in FAULTS if fault.shown is shown), key=lambda fault: _ORDER[fault.check])
    if shown is Shown.PIPELINE:
        header = [
            "| fault | check | names | seconds | of which the check | Action | test |",
            "|---|---|---|---:|---:|---|---|",
        ]
    else:
        header = ["| fault | check | names | Action | test |", "|---|---|---|---|---|"]
    return "\n".join((*header, *_lines(faults, seconds))) + "\n"


def _lines(faults: Iterable[Fault], seconds: Seconds) -> Iterable[str]:
    for fault in faults:
        found = seconds.get((fault.test, fault.check))
        cells = [fault.fault, _link(fault.check), fault.names]
        if fault.shown is Shown.PIPELINE:
            cells += [f"{found.seconds:.1f}", f"{found.check_seconds:.2f}"] if found else ["-", "-"]
        cells += ["mends" if fault.mends else "-", f"[{fault.function}](../tests/{fault.file})"]
        yield f"| {' | '.join(cells)} |"


def _link(check: str) -> str:
    return f"[{check}](RUNBOOK.md#{BY_STEP[check].anchor})" if check in BY_STEP else f"`{check}`"

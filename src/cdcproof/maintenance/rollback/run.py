"""`cdcproof maintenance rollback`: everything as it was before the window; each step of it may be repeated."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from cdcproof.clients.connect.client import Connector
from cdcproof.connectors import commands
from cdcproof.connectors.deployment import deploy
from cdcproof.connectors.deployment.deploy import HALTED
from cdcproof.connectors.deployment.difference import differences
from cdcproof.connectors.journal import Before, Change, Deployment, Journal
from cdcproof.connectors.states import STOPPED
from cdcproof.connectors.undo import undo
from cdcproof.core.errors import CdcproofError, CouldNotLookError, OperationError, UsageError
from cdcproof.maintenance.rollback import kept_baseline, saved
from cdcproof.maintenance.rollback.saved import Saved
from cdcproof.maintenance.site import Site
from cdcproof.maintenance.steps.finish import caught_up, conclude, resume, services_up
from cdcproof.maintenance.steps.steps import StepResult, Steps, ended
from cdcproof.maintenance.window import Phase, Window, sha256

COMMAND = "rollback"
STEPS = (
    "halt",
    "services-down",
    "files",
    "services-up",
    "databases",
    "configurations",
    "caught-up",
    "baseline",
    "validate",
    "report",
)
_SETTLE_SECONDS = 1.0
Restore = Callable[[], StepResult]


def rollback(window: Window, site: Site, steps: Steps, restore: Restore | None = None) -> bool:
    """Put everything back; whether the validation is green, and so the window is over. `restore` puts the databases back.

    Raises `UsageError` where nothing was begun, and what a step raises: the same command then goes on.
    """
    reached = window.phase()
    if reached is Phase.PLANNED or reached.is_over:
        raise UsageError(f"The window {window.plan.id} is {reached}: there is nothing to roll back.")
    kept = saved.read(window.folder)
    restored = ended(window.journal.entries(), COMMAND, "databases")
    if restore and restored:  # a second restore would lose what was written since
        steps.again("services-up", lambda: services_up(window, site))
        if not restored.facts.get("waits"):
            for kind in ("sink", "source"):
                steps.again(f"resume-{kind}", lambda kind=kind: resume(window, site, steps, kind))  # type: ignore[misc]
    else:
        _back(window, site, steps, kept, restore)
    _demand_decision(window, site)
    steps.again("caught-up", lambda: caught_up(site))
    steps.again("baseline", lambda: StepResult(_written_or_said(lambda: kept_baseline.put_back(site, window.folder))))
    if not restore:
        return conclude(window, site, steps, None)

    def adopt() -> None:
        steps.again(
            "baseline", lambda: StepResult(_written_or_said(lambda: kept_baseline.adopt_databases(site, window.folder)))
        )

    return conclude(window, site, steps, None, expect=kept_baseline.DATABASES, proven=adopt)


def _written_or_said(act: Callable[[], str]) -> str:
    """What was done with the baseline, or why not: that it cannot be written keeps no rollback from its end, its validation judges."""
    try:
        return act()
    except CdcproofError as error:
        return f"NOT WRITTEN: {error.message} Once it can be: cdcproof baseline save"


def _demand_decision(window: Window, site: Site) -> None:
    """Raise `OperationError` where a restore leaves it to people whether the connectors may be started, and nobody has started them."""
    restored = ended(window.journal.entries(), COMMAND, "databases")
    if not restored or not restored.facts.get("waits"):
        return
    control = site.control()
    found = control.states(*(connector.name for connector in site.pipeline.connectors))
    halted = [c.name for c in site.pipeline.connectors if (seen := found.get(c.name)) is None or seen.state in HALTED]
    if halted:
        raise OperationError(
            f"The databases are restored, and {', '.join(halted)} wait for a decision: {restored.facts['waits']}",
            "Decide, start them (cdcproof connectors resume), then give the rollback again: it goes on from here.",
        )


def _back(window: Window, site: Site, steps: Steps, kept: Saved, restore: Restore | None) -> None:
    """Files, configurations, and databases where they are restored; afterwards the connectors run."""
    steps.again("halt", lambda: _halt(site, steps))
    if _touches_services(window, restore):
        steps.again("services-down", lambda: _down(site))
        steps.once("files", lambda: _files_back(window))
    steps.again("services-up", lambda: services_up(window, site))
    if restore:  # it sets the positions, and starts the connectors: their configurations must be back by then
        steps.again("configurations", lambda: _configurations_alone(kept, site))
        steps.once("databases", restore)
    else:
        steps.again("configurations", lambda: _configurations(kept, site, steps))


def _touches_services(window: Window, restore: Restore | None) -> bool:
    """Whether the window brought services down or planned new files for them, or databases come from a backup."""
    went_down = any((e.command, e.step) == ("start", "services-down") for e in window.journal.entries())
    return went_down or bool(window.plan.compose) or restore is not None


def _halt(site: Site, steps: Steps) -> StepResult:
    """Stop what runs with the configuration that is to go: else Connect would start it once more when it comes back."""
    parts = []
    try:
        control = site.control()
        found = control.states(*(connector.name for connector in site.pipeline.connectors))
        for connector in site.pipeline.connectors:
            seen = found.get(connector.name)
            if seen is None or seen.state == STOPPED:
                parts.append(f"{connector.name} {'is not at Connect' if seen is None else STOPPED}")
                continue
            asks = partial(control.connect.can_stop, seen.name)
            can_stop = control.ask(f"whether {seen.name} can be stopped", asks)
            done = commands.stop(control, seen.name) if can_stop else commands.pause(control, seen.name)
            parts.append(f"{seen.name} {done.outcome.text}")
    except CouldNotLookError as error:  # the change may have broken Connect: its services come back with what they were
        steps.note("halt", f"Kafka Connect could not be asked, so its connectors were not halted: {error.message}")
    return StepResult("; ".join(parts))


def _down(site: Site) -> StepResult:
    services = site.services()
    services.down()
    return StepResult(f"down: {services.describe()}")


def _files_back(window: Window) -> StepResult:
    """Put the planned files back in their places; what stands there now is kept beside the copies."""
    parts = []
    for number, file in enumerate(window.plan.compose, start=1):
        kept, original = window.folder / file.kept, Path(file.original)
        if sha256(kept) != file.sha256:
            raise OperationError(
                f"{kept} differs from the file that was kept when the window was planned.", "Put the file back by hand."
            )
        if original.exists() and sha256(original) == file.sha256:
            parts.append(f"{original} is as it was")
            continue
        try:
            if original.exists():
                replaced = window.folder / "replaced" / f"{number}-{original.name}"
                replaced.parent.mkdir(exist_ok=True, mode=0o700)
                shutil.copy2(original, replaced)
            shutil.copy2(kept, original)
        except OSError as error:
            raise OperationError(f"{original} cannot be written: {error.strerror}.") from None
        parts.append(f"{original} put back")
    return StepResult("; ".join(parts) or "no file was planned to change")


def _configurations_alone(kept: Saved, site: Site) -> StepResult:
    """Give each connector that is there the configuration that it had, and leave it stopped. A restore makes those that are lost."""
    control = site.control()
    found = control.states(*kept.connectors)
    parts = []
    for name, before in kept.connectors.items():
        now = found.get(name)
        if now is None or before.config is None:
            continue
        if now.state not in HALTED:
            raise OperationError(f"{name} is {now.state}, and has to be stopped before the databases are restored.")
        if differences(now.config, before.config):
            deploy.put(control, name, before.config)
            parts.append(f"{name} has its configuration again")
    return StepResult("; ".join(parts) or "every configuration is as it was")


def _configurations(kept: Saved, site: Site, steps: Steps) -> StepResult:
    """Give each connector what it had. Positions go back too, where delivering once more does no harm."""
    control = site.control()
    found = control.states(*kept.connectors)
    harmless = _is_harmless(kept, site)
    left: dict[str, str] = {}
    changes = []
    for name, before in kept.connectors.items():
        now = found.get(name)
        why = _why_not_again(before, now, harmless=harmless)
        changes.append(
            Change(name, replace(before, offsets=None, offsets_unknown=why) if why else before, _config(now))
        )
    for name in _new(kept, found.connectors, site):
        steps.note(
            "configurations", f"{name} was not there before the window, and is left: cdcproof connectors delete {name}"
        )
    journal = Journal.of(site.pipeline).at(control.connect)
    # the source first, so that no sink runs before its topics are written by what wrote them before
    order = sorted(changes, key=lambda change: _kind(site, change.connector) == "source")
    deployment: Deployment = journal.begin("maintenance rollback", tuple(order))
    results = undo(deployment, control, journal, site.pipeline, _SETTLE_SECONDS)
    wrong = [f"{result.name}: {result.text}" for result in results if result.status != "success"]
    if wrong:
        raise OperationError(f"Not every connector is as it was: {'; '.join(wrong)}", "cdcproof connectors status")
    parts = [
        f"{r.name}: "
        + "; ".join([r.text, *(note for note in r.notes if not left.get(r.name)), *filter(None, [left.get(r.name)])])
        for r in results
    ]
    return StepResult(". ".join(parts))


def _config(now: Connector | None) -> dict[str, str]:
    return dict(now.config) if now else {}


def _new(kept: Saved, found: tuple[Connector, ...], site: Site) -> list[str]:
    return [c.name for c in found if c.name not in kept.connectors and not site.pipeline.is_neighbour(c.name)]


def _kind(site: Site, name: str) -> str:
    return next((c.kind for c in site.pipeline.connectors if c.name == name), "")


def _is_harmless(kept: Saved, site: Site) -> bool:
    """Whether every sink replaces the row that it is given again."""
    configs = [kept.connectors[sink.name].config or {} for sink in site.pipeline.sinks if sink.name in kept.connectors]
    return bool(configs) and all(config.get("insert.mode", "insert").lower() == "upsert" for config in configs)


def _why_not_again(before: Before, now: Connector | None, *, harmless: bool) -> str:
    """Why this connector's position is left as it is; empty where it goes back."""
    if before.config is None or before.offsets is None:
        return ""
    if not harmless:
        return "a sink whose insert.mode is not upsert would write rows twice that it is given again"
    if before.config and now and _is_source(before) and not differences(now.config, before.config):
        return "its configuration did not change, so that it has skipped nothing"
    return ""


def _is_source(before: Before) -> bool:
    config = before.config or {}
    return "topics" not in config and "topics.regex" not in config

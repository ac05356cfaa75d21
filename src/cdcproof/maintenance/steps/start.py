"""`cdcproof maintenance start`: keep how everything is, then halt the pipeline where nothing is in flight, and prove it."""

from __future__ import annotations

from datetime import UTC, datetime

from cdcproof.connectors import commands
from cdcproof.connectors.states import STOPPED
from cdcproof.core.errors import CouldNotLookError, OperationError, UsageError
from cdcproof.maintenance import go
from cdcproof.maintenance.rollback import kept_baseline, saved
from cdcproof.maintenance.site import Site
from cdcproof.maintenance.steps.drain import Drained
from cdcproof.maintenance.steps.steps import StepResult, Steps, ended
from cdcproof.maintenance.window import OPENED, Phase, Window
from cdcproof.validation.baseline import recording as baseline

COMMAND = "start"
STEPS = ("go", "save", "pause-source", "drain", "pause-sink", "prove", "services-down")
_UNDRAINED = "not drained"


def start(window: Window, site: Site, steps: Steps, *, forced: str = "", services_down: bool = False) -> None:
    """Take every step that was not taken yet. `forced` is the reason for which a missing go is passed over.

    Raises `UsageError` where it may not begin, and what a step raises: the same command then goes on from there.
    """
    reached = window.phase()
    if reached not in (Phase.PLANNED, Phase.STARTING, Phase.OPEN):
        raise UsageError(f"The window {window.plan.id} is {reached}: it cannot be started.")
    is_fresh = reached is Phase.PLANNED  # an earlier try halted nothing: its go and what it kept may be old by now
    if is_fresh or not ended(window.journal.entries(), COMMAND, "go"):
        refused = go.refusals(window, go.read(window), datetime.now(UTC), site.pipeline.maintenance.go_minutes)
        if refused and not forced:
            raise UsageError(
                f"The window {window.plan.id} is not started, and nothing was done: {'; '.join(refused)}.",
                'Start it all the same: cdcproof maintenance start --force --reason "…"; the report then says so.',
            )
        steps.again("go", lambda: _passed(window, refused, forced))
    passed = ended(window.journal.entries(), COMMAND, "go")
    is_forced = bool(passed and passed.facts.get("forced"))
    if services_down:
        site.services()  # what cannot be brought down is named before anything is halted
    save = steps.again if is_fresh else steps.once
    save("save", lambda: _save(window, site, steps, is_forced=is_forced))
    steps.once("pause-source", lambda: _pause(site, "source"))
    steps.once("drain", lambda: _drain(site, steps, is_forced=is_forced))
    steps.once("pause-sink", lambda: _pause(site, "sink"))
    went_down = any((e.command, e.step) == (COMMAND, "services-down") for e in window.journal.entries())
    prove = steps.once if went_down else steps.again  # somebody may have resumed a connector since
    prove("prove", lambda: _prove(window, site))
    if services_down:
        steps.once("services-down", lambda: _down(site))
    if reached is not Phase.OPEN:
        window.journal.append(COMMAND, OPENED, "done", "the maintenance may begin")


def _passed(window: Window, refused: tuple[str, ...], forced: str) -> StepResult:
    if not refused:
        given = go.read(window)
        return StepResult(f"GO of {given.checked_at}, by {given.by}" if given else "")
    return StepResult(f"FORCED ({forced}), although {'; '.join(refused)}", {"forced": forced, "refused": list(refused)})


def _save(window: Window, site: Site, steps: Steps, *, is_forced: bool) -> StepResult:
    control = site.control()
    connectors = control.states(*(connector.name for connector in site.pipeline.connectors)).connectors
    kept = saved.of(connectors, control, site.pipeline)
    saved.write(kept, window.folder)
    kept_baseline.keep(site, window.folder)
    try:
        recorded = site.record()
    except CouldNotLookError as error:
        if not is_forced:
            raise
        steps.note("save", f"Versions, schemas and counts were not recorded: {error.message}")
        return StepResult(f"{len(kept.connectors)} connectors")
    baseline.save(recorded, window.folder / saved.FACTS)
    return StepResult(f"{len(kept.connectors)} connectors with their positions, {len(recorded.facts.values)} facts")


def _pause(site: Site, kind: str) -> StepResult:
    """Pause the connectors of a kind, but for those that somebody had halted before."""
    control = site.control()
    names = [connector.name for connector in site.pipeline.connectors if connector.kind == kind]
    found = control.states(*names)
    parts = []
    for name in names:
        connector = found.get(name)
        if connector is None:
            parts.append(f"{name} is not at Connect")
        elif connector.state == STOPPED:
            parts.append(f"{name} STOPPED already")
        else:
            done = commands.pause(control, name)
            if not done.outcome.held:
                raise OperationError(f"{name} could not be paused: {done.outcome.text}")
            parts.append(f"{name} {done.outcome.text}")
    return StepResult("; ".join(parts))


def _drain(site: Site, steps: Steps, *, is_forced: bool) -> StepResult:
    try:
        drained = site.drain()
    except CouldNotLookError as error:
        if not is_forced:
            raise
        steps.note("drain", f"The sinks were not drained: {error.message}")
        return StepResult(_UNDRAINED, {"drained": False})
    return _described(drained)


def _described(drained: Drained) -> StepResult:
    where = ", ".join(f"{topic}/{partition} {end:,}" for (topic, partition), end in sorted(drained.ends.items()))
    text = f"every sink has written all that is in the topics ({where or 'there are none'})"
    return StepResult(text + (f"; {drained.aside}" if drained.aside else ""), {"drained": True})


def _prove(window: Window, site: Site) -> StepResult:
    """Every connector is PAUSED with each task, and, where it was drained, nothing has come into the topics since."""
    for kind in ("source", "sink"):
        _pause(site, kind)
    control = site.control()
    states = control.states(*(connector.name for connector in site.pipeline.connectors)).states
    words = ", ".join(f"{subject} {state}" for subject, state in sorted(states.items()) if _is_ours(site, subject))
    entry = ended(window.journal.entries(), COMMAND, "drain")
    if not entry or not entry.facts.get("drained"):
        return StepResult(f"{words}; {_UNDRAINED}", {"drained": False, "beat": site.newest_beat()})
    try:
        drained = site.drain()
    except CouldNotLookError:  # the source handed over more before the sink was paused
        control = site.control()
        for sink in site.pipeline.sinks:
            commands.resume(control, sink.name, site.pipeline, 0.0)
        site.drain()
        _pause(site, "sink")
        drained = site.drain()
    if not ended(window.journal.entries(), COMMAND, "prove"):  # a rollback delivers again from the first proof on
        saved.write(saved.read(window.folder).with_sink_positions(drained.committed), window.folder)
    return StepResult(f"{words}; {_described(drained).text}", {"drained": True, "beat": site.newest_beat()})


def _is_ours(site: Site, subject: str) -> bool:
    return subject.partition("/")[0] in {connector.name for connector in site.pipeline.connectors}


def _down(site: Site) -> StepResult:
    services = site.services()
    services.down()
    return StepResult(f"down: {services.describe()}")

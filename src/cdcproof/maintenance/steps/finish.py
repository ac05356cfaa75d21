"""`cdcproof maintenance finish`: services up, connectors resumed, caught up by positions, validated, and the report written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cdcproof.connectors import commands
from cdcproof.connectors.states import RUNNING
from cdcproof.core.errors import ConfigError, OperationError, UsageError
from cdcproof.maintenance import go, report
from cdcproof.maintenance.rollback import saved
from cdcproof.maintenance.site import Site
from cdcproof.maintenance.steps.steps import StepResult, Steps
from cdcproof.maintenance.steps.validation import Validation
from cdcproof.maintenance.window import CLOSED, Phase, Window

COMMAND = "finish"
STEPS = ("services-up", "resume-sink", "resume-source", "caught-up", "validate", "report")


def finish(window: Window, site: Site, steps: Steps) -> bool:
    """Take every step, also those that an earlier try took; whether the validation is green, and so the window is over.

    Raises `UsageError` where there is nothing to finish, and what a step raises: the same command, or a rollback, goes on.
    """
    reached = window.phase()
    if reached not in (Phase.STARTING, Phase.OPEN, Phase.FINISHING):
        raise UsageError(
            f"The window {window.plan.id} is {reached}: there is nothing to finish.",
            "cdcproof maintenance rollback goes on with it." if reached is Phase.ROLLING_BACK else "",
        )
    steps.again("services-up", lambda: services_up(window, site))
    for kind in ("sink", "source"):
        steps.again(f"resume-{kind}", lambda kind=kind: resume(window, site, steps, kind))  # type: ignore[misc]
    steps.again("caught-up", lambda: caught_up(site))
    change = Path(window.plan.change)
    if not go.is_unchanged(change, window.plan.change_sha256):
        steps.note(
            "validate",
            f"{change} differs from the change that was planned and approved: it was edited since, or is gone.",
        )
    return conclude(window, site, steps, change)


def conclude(
    window: Window,
    site: Site,
    steps: Steps,
    change: Path | None,
    *,
    expect: tuple[str, ...] = (),
    proven: Callable[[], None] = lambda: None,
) -> bool:
    """Validate, write the report, and close the window where all is green. `proven` is called before that, where it is."""
    found: list[Validation] = []

    def validated() -> StepResult:
        found.append(site.validate(window.folder / f"validation-{steps.command}", change, expect))
        return StepResult(
            f"{found[-1].word}: {found[-1].page}", {"green": found[-1].is_green, "rows": found[-1].rows()}
        )

    steps.again("validate", validated)
    is_green = found[-1].is_green
    if is_green:
        proven()
    steps.again("report", lambda: StepResult(str(report.write(window, site, is_over=is_green))))
    if is_green:
        window.journal.append(steps.command, CLOSED, "done", "the window is over")
    return is_green


def services_up(window: Window, site: Site) -> StepResult:
    """Start what the window brought down, and wait until everything is up."""
    taken = {(entry.command, entry.step) for entry in window.journal.entries()}
    started = ""
    if taken & {("start", "services-down"), ("rollback", "services-down")}:
        services = site.services()
        services.up()
        started = f"started: {services.describe()}; "
    up = site.wait_until_up()
    return StepResult(f"{started}up: {', '.join(up)}")


def caught_up(site: Site) -> StepResult:
    """Wait until the target has all that the source had committed."""
    position, drained = site.caught_up()
    more = f"; {drained.aside}" if drained.aside else ""
    return StepResult(
        f"the target has all that the source had committed at {position}{more}",
        {"position": position, "beat": site.newest_beat()},
    )


def resume(window: Window, site: Site, steps: Steps, kind: str) -> StepResult:
    """Resume the connectors that ran before the window; one that somebody had halted before stays as it was, and is named."""
    before = _states_before(window)
    parts = []
    for connector in site.pipeline.connectors:
        if connector.kind != kind:
            continue
        was = before.get(connector.name, RUNNING)
        if was in ("PAUSED", "STOPPED"):
            steps.note(f"resume-{kind}", f"{connector.name} was {was} before the window, and is left so.")
            continue
        # whether it goes on running is what `caught-up` proves, by what it does
        done = commands.resume(site.control(), connector.name, site.pipeline, 0.0)
        if not done.outcome.held:
            raise OperationError(
                f"{connector.name} does not run: {done.outcome.text}",
                "Mend it and give the command again, or go back: cdcproof maintenance rollback",
            )
        parts.append(f"{connector.name} {done.outcome.text}")
        for note in done.notes:
            steps.note(f"resume-{kind}", f"{connector.name}: {note}")
    return StepResult("; ".join(parts))


def _states_before(window: Window) -> dict[str, str]:
    try:
        return {name: before.state for name, before in saved.read(window.folder).connectors.items()}
    except ConfigError:  # the start was interrupted before it had kept anything, so that nothing was halted by it
        return {}

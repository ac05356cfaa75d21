"""Allure results: severity, id, evidence and differences of a check. The only module that imports Allure.

allure-pytest writes a result per test by itself, with the status it reads off the exception (an `AssertionError` or
pytest's own failure is *failed*, any other *broken*); the plug-in hands it fitting ones. Here is what it cannot know.
"""

from __future__ import annotations

import uuid
from typing import Any

import allure
import allure_commons
import attr

from cdcproof.core.secrets import scrub
from cdcproof.findings import Difference, Verdict
from cdcproof.reporting.formats import text
from cdcproof.reporting.judge import TRACEBACK
from cdcproof.reporting.record import StepRecord

_STEP_LABEL = "step"
_SEVERITY = {
    "critical": allure.severity_level.CRITICAL,
    "major": allure.severity_level.NORMAL,
    "minor": allure.severity_level.MINOR,
}


def add(record: StepRecord) -> None:
    """Add what a record holds to the result of the test that is running; does nothing when Allure is not active."""
    dynamic: Any = allure.dynamic  # untyped
    dynamic.title(record.title)
    dynamic.id(record.step)
    dynamic.label(_STEP_LABEL, record.step)
    dynamic.label("verdict", str(record.verdict))
    dynamic.suite(record.suite)
    dynamic.severity(_SEVERITY[record.severity])
    if record.verdict is not Verdict.PASSED or record.reason:
        dynamic.description(text.block(record))
    for difference in record.differences:
        _add_step(difference, failed=not record.verdict.is_green)
    for page in record.evidence:
        if page.title != TRACEBACK:
            allure.attach(page.text, name=page.title, attachment_type=allure.attachment_type.TEXT)


class Scrubber:
    """Stands before Allure's writer: takes secrets out of everything, and tracebacks of ours out of fixtures.

    Allure records a failing fixture's exception by itself, before the plug-in can say it in our words.
    """

    @allure_commons.hookimpl(tryfirst=True)
    def report_result(self, result: Any) -> None:
        """Clean the result of a test; a check's message is our text, without the exception that carried it."""
        if any(label.name == _STEP_LABEL for label in result.labels):
            for part in (result, *result.steps):
                if part.statusDetails:
                    part.statusDetails.trace = None
                    part.statusDetails.message = part.statusDetails.message.partition(": ")[2].rstrip()
        _scrub_in_place(result)

    @allure_commons.hookimpl(tryfirst=True)
    def report_container(self, container: Any) -> None:
        """Clean what is reported of fixtures."""
        for fixture in (*container.befores, *container.afters):
            if fixture.statusDetails:
                fixture.statusDetails.trace = None
        _scrub_in_place(container)


def register() -> Scrubber:
    """Put a scrubber before Allure's writer of this process."""
    scrubber = Scrubber()
    allure_commons.plugin_manager.register(scrubber)
    return scrubber


def unregister(scrubber: Scrubber) -> None:
    """Take it away again."""
    allure_commons.plugin_manager.unregister(scrubber)


def _add_step(difference: Difference, *, failed: bool) -> None:
    hook, step = allure_commons.plugin_manager.hook, str(uuid.uuid4())
    words = f"expected {difference.expected}, found {difference.found}"
    hook.start_step(uuid=step, title=": ".join(filter(None, (difference.subject, words))), params={})
    error = AssertionError(difference.detail or words) if failed else None
    hook.stop_step(uuid=step, exc_type=type(error) if error else None, exc_val=error, exc_tb=None)


def _scrub_in_place(thing: Any) -> None:
    for field in attr.fields(type(thing)):
        value = getattr(thing, field.name)
        if isinstance(value, str):
            setattr(thing, field.name, scrub(value))
        elif isinstance(value, list):
            value[:] = [scrub(entry) if isinstance(entry, str) else entry for entry in value]
            for entry in value:
                if attr.has(type(entry)):
                    _scrub_in_place(entry)
        elif attr.has(type(value)):
            _scrub_in_place(value)

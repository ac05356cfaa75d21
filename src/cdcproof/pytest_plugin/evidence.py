"""Records what fixtures gave the checks, and gives it to them again in a replay, in which no fixture looks at anything."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, NoReturn

import pytest

from cdcproof.core.errors import CdcproofError, CouldNotLookError
from cdcproof.core.secrets import scrub
from cdcproof.environments import select
from cdcproof.evidence import recording
from cdcproof.evidence.recording import OBSERVATION, SHOWN, SURROUNDINGS, VERDICT, Recording
from cdcproof.evidence.surroundings import Surroundings
from cdcproof.evidence.values import NotWritableError
from cdcproof.history.entries import Measure, measured
from cdcproof.pipeline.model import Pipeline
from cdcproof.pytest_plugin.marks import LISTED_SUITES
from cdcproof.reporting.judge import EvidenceBook
from cdcproof.reporting.record import Evidence, StepRecord
from cdcproof.reporting.steps import Step

_NOT_OBSERVED = ("request", "evidence", "pipeline", "remedies", "window_remedies")
"""What checks ask for that is no observation: a replay has them from the surroundings."""
_READ_ONLY = ("morning", "weekly", "monthly", "connectors")
"""Suites whose checks change nothing, those of users included."""
StepKey = pytest.StashKey[Step]
BookKey = pytest.StashKey[EvidenceBook]
Lines = list[tuple[str, dict[str, Any]]]
"""Kind and content of each line."""


def _asks_for(item: pytest.Item) -> tuple[str, ...]:
    """The fixtures that a check names itself."""
    return tuple(inspect.signature(getattr(item, "obj", lambda: None)).parameters)


class Recorder:
    """Keeps what the fixtures gave each check, in each process that runs checks."""

    def __init__(
        self,
        step_of: StepKey,
        book_of: BookKey,
        pipeline_name: str,
        environment: str,
        expected: Pipeline,
        *,
        header: Callable[[], list[str]],
    ) -> None:
        self._step_of = step_of
        self._book_of = book_of
        self._header = header
        self._name = pipeline_name
        self._expected = expected
        self._where = select(environment)
        self._fixtures: dict[str, Any] = {}
        self._given: Lines = []
        self._shown: tuple[Evidence, ...] = ()
        self._measures: list[Measure] = []
        self._known: Surroundings | None = None
        self._said: Surroundings | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """Remember where this runs, once that is known."""
        value = yield
        if fixturedef.argname in ("environment", "pipeline"):
            self._fixtures[fixturedef.argname] = value
        return value

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        """Write down what the check is given, before it can change anything about it."""
        self._given = []
        step = item.stash.get(self._step_of, None)
        if step is None:
            return
        self._shown = tuple(item.stash[self._book_of].pages) if self._book_of in item.stash else ()
        given: dict[str, object] = getattr(item, "funcargs", {})
        names = [name for name in _asks_for(item) if name in given and name not in _NOT_OBSERVED]
        try:
            self._measures = [measure for name in names for measure in measured(given[name])]
            values = self._surroundings().values()
        except Exception as error:  # noqa: BLE001  the same
            self._given = [(OBSERVATION, _unwritten(step.id, error))]
        else:
            self._given = [(OBSERVATION, recording.observation(step.id, name, given[name], values)) for name in names]

    def measures(self) -> list[tuple[str, str, float]]:
        """The numbers in what the check was given that was run last; each is returned once."""
        found, self._measures = self._measures, []
        return [(one.name, one.subject, one.value) for one in found]

    def lines(self, record: StepRecord, when: str, raised: BaseException | None) -> Lines:
        """What there is to say of a check that was judged just now."""
        try:
            return self._lines(record, when, raised)
        except Exception as error:  # noqa: BLE001  a verdict must not depend on whether it can be recorded
            return [(OBSERVATION, _unwritten(record.step, error))]

    def _lines(self, record: StepRecord, when: str, raised: BaseException | None) -> Lines:
        lines: Lines = []
        surroundings = self._surroundings()
        if surroundings is not self._said:
            self._said = surroundings
            with suppress(NotWritableError):
                lines.append((SURROUNDINGS, surroundings.as_dict() | {"header": self._header()}))
        if when == "setup" and raised is not None and not record.blocked_by:
            lines.append((OBSERVATION, recording.failure(record.step, raised)))
        elif when == "call":
            lines += self._given
        if pages := (record.evidence if when == "setup" else self._shown):
            lines.append((SHOWN, recording.shown(record.step, pages)))
        lines.append((VERDICT, {"record": {**record.as_dict(), "evidence": []}}))
        return [(kind, recording.scrubbed(content)) for kind, content in lines]

    def _surroundings(self) -> Surroundings:
        where = self._fixtures.get("environment", self._where)
        pipeline = self._fixtures.get("pipeline", self._expected)
        if self._known is None or self._known.pipeline is not pipeline or self._where is not where:
            self._known, self._where = Surroundings.of(where, pipeline, self._name), where
        return self._known


def _unwritten(step: str, error: Exception) -> dict[str, Any]:
    return {"step": step, "fixture": "", "unwritten": scrub(f"{type(error).__name__}: {error}")}


class Replay:
    """Gives each check what its fixtures gave it in the recorded run. None of them is called, nor what they are made of."""

    def __init__(self, recorded: Recording, step_of: StepKey, book_of: BookKey) -> None:
        self._recorded = recorded
        self._step_of = step_of
        self._book_of = book_of
        self._step = ""
        self._asked: tuple[str, ...] = ()

    def pytest_report_header(self) -> str:
        """Said first."""
        return f"REPLAY of {self._recorded.path}: nothing is looked at"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Remember which check is run, and put into its evidence what fixtures have shown in the recorded run."""
        step = item.stash.get(self._step_of, None)
        self._step, self._asked = (step.id, _asks_for(item)) if step else ("", ())
        item.stash[self._book_of] = EvidenceBook(list(self._recorded.shown.get(self._step, ())))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Run no check that might act itself. Ours never do: their fixtures act, and none of them is called."""
        step = item.stash.get(self._step_of, None)
        if step and step.id not in LISTED_SUITES and step.suite not in _READ_ONLY:
            raise CouldNotLookError(
                f"{step.id} is a check of your own in a suite that may act, so it was not run again: nothing is done in a replay."
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool | None:
        """Put what was recorded in the place of what the fixture would see."""
        if not self._step or _is_of_pytest(fixturedef):
            return None
        key = fixturedef.cache_key(request)  # type: ignore[arg-type]  # a request for a fixture, as pytest's own implementation has it
        try:
            value = self._value(fixturedef.argname)
        except CdcproofError as error:
            fixturedef.cached_result = (None, key, (error, error.__traceback__))
            raise
        fixturedef.cached_result = (value, key, None)
        return True  # not the value: of None pytest would take that nobody has answered

    def _value(self, name: str) -> Any:
        if name == "pipeline":
            return self._recorded.surroundings.pipeline
        if name == "remedies":
            return self._recorded.surroundings.remedies()
        if name == "window_remedies":
            return self._recorded.surroundings.window_remedies()
        return self._recorded.observed(self._step, name) if name in self._asked else _Absent(name)


def _is_of_pytest(fixturedef: pytest.FixtureDef[Any]) -> bool:
    module = getattr(fixturedef.func, "__module__", "")
    return module.startswith("_pytest.") or (fixturedef.argname == "evidence" and module.startswith("cdcproof."))


class _Absent:
    """What other fixtures are made of: there is none in a replay, and what uses it could not look."""

    def __init__(self, name: str) -> None:
        self._absent = name

    def _refuse(self, *_: object) -> NoReturn:
        raise CouldNotLookError(f"A replay has no {self._absent}: nothing is looked at, and the recording holds none.")

    __bool__ = __call__ = __contains__ = __enter__ = __format__ = __getitem__ = __iter__ = __len__ = __str__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()

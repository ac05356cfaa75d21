"""The pytest plug-in: turns what checks raise into verdicts, and verdicts into reports.

A check is a test with the mark ``runbook("suite.id")``; every other test is left alone. The catalogue of checks holds the severity
and the needs of ours, the mark itself those of a check that is not listed there.
Fixtures use `expected_pipeline`, `environment_name` and `set_run_header`.
Under xdist the workers judge, and the controller, which collects nothing, prints and writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cdcproof import shipped
from cdcproof.core import stopping
from cdcproof.core.errors import CdcproofError, CouldNotLookError, UsageError
from cdcproof.core.secrets import scrub
from cdcproof.environments import select
from cdcproof.evidence import time_zone
from cdcproof.evidence.recording import Recording
from cdcproof.evidence.recording import read as read_recording
from cdcproof.findings import Verdict
from cdcproof.oncall.notify import notify
from cdcproof.pipeline.choice import chosen, resolve
from cdcproof.pipeline.model import Pipeline, load
from cdcproof.pytest_plugin import options as pytest_options
from cdcproof.pytest_plugin.evidence import Recorder, Replay
from cdcproof.pytest_plugin.marks import LISTED_SUITES, applies, step_of, suites_of
from cdcproof.pytest_plugin.plan import Plan
from cdcproof.pytest_plugin.reporter import PROBLEM, Reporter
from cdcproof.pytest_plugin.time_limit import TimeLimit
from cdcproof.pytest_plugin.window import WindowGo
from cdcproof.pytest_plugin.xdist import PLAN
from cdcproof.reporting import suites
from cdcproof.reporting.formats import allure_results, text
from cdcproof.reporting.judge import EvidenceBook, blocked, failed_afterwards, judge
from cdcproof.reporting.record import StepRecord
from cdcproof.reporting.steps import Step, in_order, problems

PIPELINE_KEY = pytest.StashKey[Pipeline]()
_REPLAYED_KEY = pytest.StashKey[Recording]()
_RECORDER_KEY = pytest.StashKey[Recorder]()
_STEP_KEY = pytest.StashKey[Step]()
_BOOK_KEY = pytest.StashKey[EvidenceBook]()
_STARTED_KEY = pytest.StashKey[float]()
_ALLURE_KEY = pytest.StashKey[Callable[[StepRecord], None]]()
_BLOCKED_KEY = pytest.StashKey[StepRecord]()


@dataclass
class _Known:
    """What this process, a worker or the only one, knows so far."""

    records: dict[str, StepRecord] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)


_KNOWN_KEY = pytest.StashKey[_Known]()


def expected_pipeline(config: pytest.Config) -> Pipeline:
    """The expected state as the file has it, read once per process. Raises `ConfigError`."""
    if PIPELINE_KEY not in config.stash:
        config.stash[PIPELINE_KEY] = load(resolve(pipeline_name(config)))
    return config.stash[PIPELINE_KEY]


def pipeline_name(config: pytest.Config) -> str:
    """What names the pipeline file: `--pipeline`, else what `chosen` finds in the project."""
    return chosen(config.getoption("cdcproof_pipeline"), config.rootpath)


def environment_name(config: pytest.Config) -> str:
    """``live``, ``compose`` or ``embedded``: what `--env` says, otherwise the pipeline file; of a replay that of the recorded run."""
    if replayed := config.stash.get(_REPLAYED_KEY, None):
        return replayed.surroundings.environment.name
    return str(config.getoption("cdcproof_env") or expected_pipeline(config).environment)


def located(config: pytest.Config) -> Pipeline:
    """The expected state with the addresses at which its environment serves it. Raises `CdcproofError`."""
    if replayed := config.stash.get(_REPLAYED_KEY, None):
        return replayed.surroundings.pipeline
    return select(environment_name(config)).locate(expected_pipeline(config))


def set_run_header(config: pytest.Config, lines: Iterable[str]) -> None:
    """Say what the checks ran on; the environment fixture calls it once per process."""
    config.stash[_KNOWN_KEY].header = [scrub(line) for line in lines]


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> EvidenceBook:
    """What this check has looked at: ``evidence.saw("title", text or rows)``. A check that saw nothing fails."""
    item: pytest.Item = request.node
    return item.stash.setdefault(_BOOK_KEY, EvidenceBook())


# ---- start ----


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Generator[None]:
    """Add our options once the project's conftest.py and all plug-ins have added theirs, so that none can collide."""
    result = yield
    pytest_options.add(parser)
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing known."""
    _refuse_a_path_taken_for_the_root(config)
    config.addinivalue_line(
        "markers", "runbook(step, severity, needs, applies): the runbook step that a check stands for"
    )
    config.stash[_KNOWN_KEY] = _Known()
    _prepare_replay(config)
    config.add_cleanup(stopping.install())
    config.pluginmanager.register(TimeLimit(config), "cdcproof_time_limit")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(
            Reporter(
                config,
                lambda: expected_pipeline(config).pushgateway,
                lambda: config.stash[_KNOWN_KEY].plan,
                lambda run, changes, page: notify(expected_pipeline(config).notify, run, changes, page),
                replayed=config.stash.get(_REPLAYED_KEY, None),
                history_keep_days=lambda: expected_pipeline(config).thresholds.history_keep_days,
            ),
            "cdcproof_reporter",
        )
        if _REPLAYED_KEY not in config.stash:  # which decides about no window
            config.pluginmanager.register(WindowGo(config, lambda: located(config)), "cdcproof_window_go")

    if config.getoption("allure_report_dir", None):
        scrubber = allure_results.register()
        config.add_cleanup(lambda: allure_results.unregister(scrubber))
        config.stash[_ALLURE_KEY] = allure_results.add


def _prepare_replay(config: pytest.Config) -> None:
    """Take the pipeline, the environment and the time zone of the recording that `--replay` names for this run's own."""
    path = pytest_options.replayed_file(config)
    if path is None:
        return
    try:
        recorded = read_recording(path)
    except UsageError as error:
        raise pytest.UsageError(scrub(str(error))) from None
    config.stash[_REPLAYED_KEY] = recorded
    config.stash[PIPELINE_KEY] = recorded.surroundings.pipeline
    config.stash[_KNOWN_KEY].header = list(recorded.header)
    config.add_cleanup(time_zone.live_in(recorded.surroundings.time_zone))
    config.pluginmanager.register(Replay(recorded, _STEP_KEY, _BOOK_KEY), "cdcproof_replay")


def _refuse_a_path_taken_for_the_root(config: pytest.Config) -> None:
    """Pytest looks for its root before it knows our options, and takes the PATH of ``--pipeline PATH`` for a test folder."""
    here = config.invocation_params.dir
    for option in ("--pipeline", "--reports-dir", "--replay"):
        if option in config.invocation_params.args and (here / "pytest.ini").exists() and config.rootpath != here:
            raise pytest.UsageError(
                f"write {option}=PATH, with an equals sign: else pytest takes PATH for a folder of tests"
            )


# ---- collection ----


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int | pytest.ExitCode, config: pytest.Config
) -> None:
    """Say where the checks are, where somebody asks for a suite in a folder that has none."""
    asked_for = str(config.getoption("markexpr", "")).strip()
    suites_of_ours = {step.partition(".")[0] for step in LISTED_SUITES}
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and asked_for in suites_of_ours and not _takes_ours(config):
        terminalreporter.write_line(
            "No check was found: this folder is no project of cdcproof. Make one: cdcproof new DIRECTORY", red=True
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before -m selects by suite
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Read the marks, refuse what is wrong with them, mark each check with its suite; of what is selected then, put needs first."""
    _arrange(config, items)
    result = yield
    steps = {item: item.stash[_STEP_KEY] for item in items if _STEP_KEY in item.stash}
    _refuse_what_cannot_be_replayed(config, items)
    item_of = {step.id: item for item, step in steps.items()}
    # not before: what another suite needs would be put before what this suite runs first
    ordered = iter([item_of[step.id] for step in in_order(steps.values())])
    items[:] = [next(ordered) if item in steps else item for item in items]
    return result


def _arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    folders = _folders_of_checks(config)
    checks = [i for i in items if i.get_closest_marker("runbook") or any(f in i.path.parents for f in folders)]
    if not checks:
        return
    try:
        _prepare(config, folders, items, checks)
    except UsageError as error:
        _refuse(config, items, scrub(str(error)))
        return
    if _REPLAYED_KEY not in config.stash:
        config.stash[_RECORDER_KEY] = Recorder(
            _STEP_KEY,
            _BOOK_KEY,
            pipeline_name(config),
            environment_name(config),
            expected_pipeline(config),
            header=lambda: config.stash[_KNOWN_KEY].header,
        )
        config.pluginmanager.register(config.stash[_RECORDER_KEY], "cdcproof_recorder")


def _refuse_what_cannot_be_replayed(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A replay takes checks alone: what another test would do, nothing keeps it from doing. `items` are those that were selected."""
    recorded = config.stash.get(_REPLAYED_KEY, None)
    if recorded is None or not items:
        return
    suites = ", ".join(recorded.suites)
    if others := {item.nodeid for item in items if _STEP_KEY not in item.stash}:
        _refuse(
            config,
            items,
            f"{min(others)} is no check, and cannot be replayed: choose by -m what was recorded: {suites}.",
        )
    elif not recorded.has_any_of([item.stash[_STEP_KEY].id for item in items]):
        _refuse(config, items, f"{recorded.path} holds none of these checks: choose by -m what was recorded: {suites}.")


def _refuse(config: pytest.Config, items: list[pytest.Item], message: str) -> None:
    """End this run as one that was called wrong."""
    if not hasattr(config, "workerinput"):
        raise pytest.UsageError(message)
    # raised in a worker it would reach the terminal as a traceback, so the controller raises it instead
    config.workeroutput[PROBLEM] = message  # type: ignore[attr-defined]  # xdist adds it
    items.clear()


def _folders_of_checks(config: pytest.Config) -> tuple[Path, ...]:
    """The project's own checks, and ours wherever our fixtures are in use: to leave ours out makes a run PARTIAL."""
    own = config.rootpath / "checks"
    return (own, shipped.ROOT / "checks") if _takes_ours(config) else (own,)


def _takes_ours(config: pytest.Config) -> bool:
    return config.pluginmanager.has_plugin(f"{shipped.__name__}.fixtures.plugin")


def _prepare(
    config: pytest.Config, folders: Iterable[Path], items: list[pytest.Item], checks: list[pytest.Item]
) -> None:
    steps = {item: step_of(item) for item in checks}
    marks: dict[str, frozenset[str]] = {}
    for folder in folders:
        marks |= suites.marks_in_sources(folder, LISTED_SUITES)
    found = problems(
        list(steps.values()),
        expected_pipeline(config).waivers,
        suites={line.split(":")[0].split("(")[0].strip() for line in config.getini("markers")},
        elsewhere=marks.keys(),
    )
    found += _replaced_fixtures(checks)
    if found:
        raise UsageError("The checks cannot be run as they are declared:\n" + "\n".join(f"  {p}" for p in found))
    for item, step in steps.items():
        item.stash[_STEP_KEY] = step
        for suite in suites_of(item):
            item.add_marker(suite)
    _leave_out_what_does_not_apply(config, items, steps)
    left_out = {step.id for item, step in steps.items() if item not in items}
    marks |= {step.id: frozenset(mark.name for mark in item.iter_markers()) for item, step in steps.items()}
    plan = Plan(
        {item.nodeid: step for item, step in steps.items()},
        suites.of_steps({step: names for step, names in marks.items() if step not in left_out}),
    )
    config.stash[_KNOWN_KEY].plan = plan
    if hasattr(config, "workerinput"):
        plan.write(Path(config.workerinput[PLAN]))


def _replaced_fixtures(checks: Iterable[pytest.Item]) -> list[str]:
    """Fixtures of a project that a check of ours would get instead of ours: what it then looks at would not be the pipeline."""
    ours = (shipped.ROOT / "fixtures", Path(__file__).parents[1])
    replaced: dict[str, Path] = {}
    for item in (item for item in checks if shipped.ROOT / "checks" in item.path.parents):
        for name, known in getattr(item, "_fixtureinfo").name2fixturedefs.items():  # noqa: B009  pytest has no other way to ask
            files = [Path(one.func.__code__.co_filename) for one in known if hasattr(one.func, "__code__")]
            theirs = [file for file in files if not any(file.is_relative_to(folder) for folder in ours)]
            if theirs and theirs != files:
                replaced[name] = theirs[-1]
    return [
        f"the fixture {name} of {file} would replace the one of cdcproof: name it otherwise, or move it to checks/conftest.py"
        for name, file in replaced.items()
    ]


def _leave_out_what_does_not_apply(
    config: pytest.Config, items: list[pytest.Item], steps: Mapping[pytest.Item, Step]
) -> None:
    """A check of a part that this pipeline does not have is not collected: there is nothing to look at."""
    pipeline = _with_its_monitoring(config)
    out = [item for item in items if item in steps and not applies(item, pipeline)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def _with_its_monitoring(config: pytest.Config) -> Pipeline:
    """The expected state; whether the embedded pipeline has a Prometheus is known by the instance alone."""
    expected = expected_pipeline(config)
    if environment_name(config) == "embedded":
        with suppress(CdcproofError):  # it does not run, which the checks say
            return expected.model_copy(update={"prometheus": located(config).prometheus})
    return expected


# ---- one check ----


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not run a check whose need is broken."""
    step = item.stash.get(_STEP_KEY, None)
    if step is None:
        return
    records = item.config.stash[_KNOWN_KEY].records
    for need in step.needs:
        cause = records.get(need.step)
        if cause and need.is_broken_by(cause):
            record = blocked(step, cause, need.subject, started_at=time.time())
            item.stash[_BLOCKED_KEY] = record
            pytest.skip(text.block(record))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge what the check raised, and say it in our words instead of a traceback."""
    report = yield
    step = item.stash.get(_STEP_KEY, None)
    if step is None:
        return report
    report.sections = [(title, scrub(content)) for title, content in report.sections]
    replayed = item.config.stash.get(_REPLAYED_KEY, None)
    started = item.stash.setdefault(_STARTED_KEY, call.start)
    known = item.config.stash[_KNOWN_KEY]
    raised = call.excinfo.value if call.excinfo else None
    if call.when == "teardown":
        before = known.records.get(step.id)
        record = failed_afterwards(before, _in_our_words(raised)) if raised and before else None
    elif _BLOCKED_KEY in item.stash:
        record = item.stash[_BLOCKED_KEY]
    elif raised is not None or call.when == "call":
        record = judge(
            step,
            _in_our_words(raised) if raised is not None else None,
            item.stash.setdefault(_BOOK_KEY, EvidenceBook()),
            next((w for w in expected_pipeline(item.config).waivers if w.step == step.id), None),
            started_at=replayed.when(step.id) if replayed else started,
            duration_seconds=call.stop - started,
        )
    else:
        record = None
    if record is None:
        return report
    if replayed:
        record = replayed.without_doubt(record)
    known.records[step.id] = record
    _report(report, call, record)
    if _ALLURE_KEY in item.config.stash and call.when != "teardown":
        item.config.stash[_ALLURE_KEY](replace(record, title=f"REPLAY: {record.title}") if replayed else record)
    item.user_properties[:] = [
        *((name, value) for name, value in item.user_properties if name not in _properties(record)),
        *_properties(record).items(),
        *([("replay", replayed.path.name)] if replayed else []),
    ]
    report.user_properties = list(item.user_properties)
    report.cdcproof = {  # type: ignore[attr-defined]  # extra attributes travel from xdist's workers with the report
        "record": record.as_dict(),
        "pipeline": expected_pipeline(item.config).name,
        "environment": environment_name(item.config),
        "header": known.header,
        **({} if replayed else _recorded(item.config.stash[_RECORDER_KEY], record, call.when, raised)),
    }
    return report


def _recorded(recorder: Recorder, record: StepRecord, when: str, raised: BaseException | None) -> dict[str, str]:
    """What the controller keeps of a check beside its verdict, as JSON: xdist carries no numbers that are long."""
    return {
        "evidence": json.dumps(recorder.lines(record, when, raised)),
        "measures": json.dumps(recorder.measures()),
    }


def _in_our_words(raised: BaseException) -> BaseException:
    """Pytest's own outcomes as ours: a check has no right to skip itself or to be expected to fail."""
    if isinstance(raised, pytest.fail.Exception) and not isinstance(raised, pytest.xfail.Exception):
        return AssertionError(str(raised))
    if isinstance(raised, (pytest.skip.Exception, pytest.xfail.Exception)):
        return CouldNotLookError(f"The check asked to be skipped, which a check must not do: {raised}")
    return raised


def _report(report: pytest.TestReport, call: pytest.CallInfo[None], record: StepRecord) -> None:
    """Give pytest, JUnit and Allure the outcome and our text; the exception they may print is replaced as well."""
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    if record.verdict.is_green:
        report.outcome, report.longrepr, call.excinfo = "passed", None, None
        return
    block = text.block(record)
    if record.verdict is Verdict.BLOCKED:
        path, line, _ = report.location
        report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, f"Skipped: {block}")
        return
    report.outcome, report.longrepr = "failed", block
    failed = record.verdict is Verdict.FAILED
    call.excinfo = _caught(pytest.fail.Exception(block, pytrace=False) if failed else CouldNotLookError(block))


def _caught(error: BaseException) -> pytest.ExceptionInfo[BaseException]:
    try:
        raise error
    except type(error) as caught:
        return pytest.ExceptionInfo.from_exception(caught)


def _properties(record: StepRecord) -> dict[str, object]:
    return {
        "step": record.step,
        "severity": record.severity,
        "verdict": str(record.verdict),
        "runbook": record.runbook,
    }

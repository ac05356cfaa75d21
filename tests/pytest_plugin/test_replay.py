"""A run is recorded, and judged again without any system. Each run is a pytest of its own; a fixture that looks leaves a mark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdcproof.evidence import chain
from tests.plugin_project import Project

pytest_plugins = "pytester"

LOOKS = """
from pathlib import Path
from cdcproof.observations.lag.sink import SinkLag
from cdcproof.clients.kafka.consumer_groups import Group

def mark(name):
    with Path("looked").open("a") as file:
        file.write(name + "\\\\n")

@pytest.fixture(scope="session")
def client():
    mark("client")
    return object()

@pytest.fixture(autouse=True)
def always():
    mark("always")

@pytest.fixture
def lag(client):
    mark("lag")
    return SinkLag((Group("g", "EMPTY", 0),), {})

@pytest.fixture
def nothing(client):
    mark("nothing")

@pytest.fixture
def away(client):
    raise UnreachableError("no answer", "psql x")

@pytest.fixture
def buggy(client):
    raise KeyError("x")

@pytest.fixture
def numbers(client):
    mark("numbers")
    return {"b": 2.0, "a": float("nan"), "c": 3}

@pytest.fixture
def session(client):
    mark("session")
    return client
"""

FINDING = "evidence.saw('lag', lag.rows())\nrequire_equal(lag.groups(), lag.expected_groups(), action=('do it',))"
CHECKS = {
    "morning.1-lag": (FINDING, "lag, evidence", "failed"),
    "morning.2-none": ("evidence.saw('nothing', str(nothing)); assert nothing is None", "nothing, evidence", "passed"),
    "morning.3-away": ("pass", "away, evidence", "not checked"),
    "morning.4-buggy": ("pass", "buggy, evidence", "not checked"),
    "morning.5-numbers": (
        "evidence.saw('n', [numbers]); warn_above(numbers, 2.5, unit='x')",
        "numbers, evidence",
        "warned",
    ),
    "morning.6-blocked": ("evidence.saw('x', 'y')", "evidence", "blocked"),
}
NEEDS = {"morning.6-blocked": ', needs=["morning.3-away"]'}


def make(project: Project) -> None:
    project.checks(
        LOOKS,
        *(project.check(body, step, NEEDS.get(step, ""), fixtures) for step, (body, fixtures, _) in CHECKS.items()),
    )


def recordings(project: Project) -> list[Path]:
    return sorted((project.reports / "evidence").glob("*.jsonl"))


def record(project: Project, *arguments: str) -> Path:
    project.run("-m", "morning", *arguments)
    (project.path / "looked").unlink()
    return recordings(project)[-1]


def replayed(project: Project, recording: Path, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    result = project.run("-m", "morning", f"--replay={recording}", *arguments)
    return result, json.loads((project.reports / "replays" / f"{recording.stem}.json").read_text())


def shown(step: dict[str, Any]) -> dict[str, Any]:
    return {key: step[key] for key in ("verdict", "differences", "action", "reason", "blocked_by", "started_at")}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_replay_comes_to_the_same_and_looks_at_nothing(project: Project, workers: tuple[str, ...]) -> None:
    make(project)
    recording = record(project, *workers)
    live = json.loads((project.reports / "latest.json").read_text())
    assert {step["step"]: step["verdict"] for step in live["steps"]} == {s: v for s, (*_, v) in CHECKS.items()}

    result, run = replayed(project, recording)

    assert result.ret == 1
    assert not (project.path / "looked").exists()
    again = {step["step"]: shown(step) for step in run["steps"]}
    buggy = again.pop("morning.4-buggy")
    assert buggy["reason"] == "The recorded run had an internal error here: KeyError: 'x'"
    assert again == {s["step"]: shown(s) for s in live["steps"] if s["step"] != "morning.4-buggy"} | {
        "morning.6-blocked": again["morning.6-blocked"]
    }
    assert [s["evidence"] for s in run["steps"] if s["step"] == "morning.1-lag"] == [
        s["evidence"] for s in live["steps"] if s["step"] == "morning.1-lag"
    ]


def test_a_replay_says_everywhere_that_it_is_one_and_leaves_what_was_looked_at_alone(project: Project) -> None:
    make(project)
    recording = record(project)
    before = {path: path.read_bytes() for path in project.written()}

    result, run = replayed(project, recording, "--junitxml=junit.xml", "--alluredir=allure", "--ctrf=ctrf.json")

    assert {path: path.read_bytes() for path in before} == before
    new = {path.relative_to(project.path) for path in project.written()} - {p.relative_to(project.path) for p in before}
    reports = {Path("reports/replays") / f"{recording.stem}{suffix}" for suffix in (".html", ".txt", ".json")}
    assert {path for path in new if path.parts[0] == "reports"} == reports
    assert run["replay"]
    for path in (
        *(p for p in reports if p.suffix != ".json"),
        Path("junit.xml"),
        Path("ctrf.json"),
        *Path().glob("allure/*-result.json"),
    ):
        assert "replay" in (project.path / path).read_text().lower(), path
    assert "REPLAY, NOT GREEN: " in result.stdout.str()
    assert "REPLAY of " in result.stdout.str().partition("collected")[0]
    assert "Every verdict, and all that was found, is as it was recorded." in result.stdout.str()


def test_a_green_replay_ends_with_0_and_is_no_morning(project: Project) -> None:
    project.checks(
        LOOKS, project.check("evidence.saw('x', str(numbers))", "morning.5-numbers", "", "numbers, evidence")
    )
    recording = record(project)

    result, _ = replayed(project, recording)

    assert result.ret == 0
    assert "REPLAY, GREEN: 1 passed" in result.stdout.str()
    assert project.latest().replay == ""


SHOWS = """
@pytest.fixture
def configs(evidence, client):
    evidence.saw("Left out", "elsewhere")
    return {"a": 1}

@pytest.fixture
def names(configs):
    return sorted(configs)

@pytest.fixture
def gone(configs):
    raise UnreachableError("no answer", "psql x")
"""


def test_evidence_that_fixtures_have_shown_is_in_the_replay_once(project: Project) -> None:
    """Those of a check, and what those are made of, whether the check then ran or could not look."""
    ends = project.check("evidence.saw('names', str(names))", "morning.5-names", "", "names, evidence")
    plain = project.check("evidence.saw('x', str(numbers))", "morning.6-plain", "", "numbers, evidence")
    away = project.check("evidence.saw('names', str(gone))", "morning.7-gone", "", "gone, evidence")
    project.checks(LOOKS + SHOWS, ends, plain, away)
    recording = record(project)
    live = json.loads((project.reports / "latest.json").read_text())

    _, run = replayed(project, recording)

    def titles(steps: list[dict[str, Any]]) -> dict[str, list[str]]:
        return {step["step"]: [page["title"] for page in step["evidence"]] for step in steps}

    assert titles(run["steps"]) == titles(live["steps"])
    assert titles(run["steps"]) == {
        "morning.5-names": ["Left out", "names"],
        "morning.6-plain": ["x"],
        "morning.7-gone": ["Left out"],
    }
    assert run["steps"][0]["evidence"] == live["steps"][0]["evidence"]
    assert not (project.path / "looked").exists()


def test_what_the_recording_does_not_hold_is_not_checked(project: Project) -> None:
    """A check that is new, one that asks for more, and one that looks through a session by itself."""
    asks = project.check("evidence.saw('x', 'y')", "morning.5-numbers", "", "numbers, evidence")
    through = project.check("evidence.saw('x', repr(session))", "morning.8-through", "", "session, evidence")
    project.checks(LOOKS, asks, through)
    recording = record(project)
    more = asks.replace("numbers, evidence", "numbers, lag, evidence")
    new = project.check("evidence.saw('x', 'y')", "morning.7-new", "", "lag, evidence")
    by_name = project.check(
        "evidence.saw('x', str(request.getfixturevalue('lag')))", "morning.9-by-name", "", "request, evidence"
    )
    project.checks(LOOKS, more, new, through, by_name)

    result, run = replayed(project, recording)

    assert result.ret == 1
    assert {step["step"]: step["verdict"] for step in run["steps"]} == dict.fromkeys(
        ("morning.5-numbers", "morning.7-new", "morning.8-through", "morning.9-by-name"), "not checked"
    )
    assert "The recording holds no lag for this check" in run["steps"][0]["reason"]
    assert "a value of the class object cannot be recorded" in run["steps"][2]["reason"]
    assert not (project.path / "looked").exists()


def test_an_observation_that_this_version_cannot_read_is_not_checked(project: Project) -> None:
    make(project)
    recording = record(project)
    rewrite(recording, lambda line: line.replace('"seen":', '"of_tomorrow":1,"seen":'))

    _, run = replayed(project, recording)

    assert run["steps"][0]["verdict"] == "not checked"
    assert "cannot read the lag of the recording" in run["steps"][0]["reason"]


def test_a_green_that_only_redaction_makes_is_not_checked(project: Project) -> None:
    body = "evidence.saw('x', 'y')\nrequire_equal(pair[0], pair[1])"
    pair = "known(['secret-one', 'secret-two'])\n@pytest.fixture\ndef pair():\n    mark('p')\n    return ['secret-one', 'secret-two']\n"
    project.checks(LOOKS, pair, project.check(body, "morning.1-pair", "", "pair, evidence"))
    recording = record(project)
    assert "secret-one" not in recording.read_text()

    _, run = replayed(project, recording)

    assert [step["verdict"] for step in run["steps"]] == ["not checked"]
    assert "secrets were taken out" in run["steps"][0]["reason"]


def test_a_recording_that_was_changed_is_refused_by_the_line(project: Project) -> None:
    make(project)
    recording = record(project)
    recording.write_text(recording.read_text().replace('"verdict":"failed"', '"verdict":"passed"', 1))

    result = project.run("-m", "morning", f"--replay={recording}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "line 4 was changed" in result.stderr.str()


@pytest.mark.parametrize("name", ["none.jsonl", "p.toml", "checks"])
def test_what_is_no_recording_is_a_usage_error(project: Project, name: str) -> None:
    make(project)

    result = project.run("-m", "morning", f"--replay={name}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert name in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


ACTS = """
@pytest.fixture
def acted(client):
    mark("acted")
    return {"row": 1}
"""


def with_another_suite(project: Project) -> None:
    ini = project.path / "pytest.ini"
    ini.write_text(ini.read_text() + "    validate: validate\n")
    body = "mark('acts itself'); evidence.saw('row', [acted]); require_equal(acted, {'row': 2})"
    check = project.check(body, "validate.1-it", "", "acted, evidence")
    project.checks(LOOKS, ACTS, check, name="test_validate.py")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [(("-m", "validate"), "holds none of these checks"), (("tests",), "tests/test_it.py::test_it is no check")],
)
def test_what_was_not_recorded_is_a_usage_error_that_names_what_was(
    project: Project, arguments: tuple[str, ...], what: str
) -> None:
    make(project)
    recording = record(project)
    with_another_suite(project)
    (project.path / "tests").mkdir()
    (project.path / "tests/test_it.py").write_text("def test_it(): pass\n")

    result = project.run(*arguments, f"--replay={recording}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert what in result.stderr.str()
    assert "choose by -m what was recorded: morning." in result.stderr.str()
    assert not (project.path / "looked").exists()


def test_a_check_of_ones_own_that_may_act_is_not_run_again(project: Project) -> None:
    """What a fixture did is recorded as what it saw; what a check did itself nothing would keep it from doing again."""
    with_another_suite(project)
    project.run("-m", "validate")
    recording = recordings(project)[-1]
    assert "acts itself" in (project.path / "looked").read_text()
    (project.path / "looked").unlink()

    result = project.run("-m", "validate", f"--replay={recording}")

    [step] = json.loads((project.reports / "replays" / f"{recording.stem}.json").read_text())["steps"]
    assert (step["verdict"], result.ret) == ("not checked", 1)
    assert step["reason"].startswith(
        "validate.1-it is a check of your own in a suite that may act, so it was not run again"
    )
    assert not (project.path / "looked").exists()


def test_the_pipeline_waivers_and_limits_are_those_of_the_recording(project: Project) -> None:
    project.waive("morning.1-lag", "2099-01-01")
    make(project)
    recording = record(project)
    (project.path / "p.toml").write_text("nonsense")

    _, run = replayed(project, recording)

    assert run["steps"][0]["verdict"] == "waived"
    assert run["pipeline"] == "example"


def test_a_waiver_is_judged_by_the_day_of_the_recording(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.waive("morning.1-lag", "2026-01-02")
    make(project)
    recording = record(project)
    rewrite(recording, lambda line: re.sub(r'"started_at":[0-9.]+', '"started_at":1767225600', line))

    _, run = replayed(project, recording)

    assert run["steps"][0]["verdict"] == "waived"


def test_local_times_are_those_of_the_recording(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "from datetime import datetime, UTC\nevidence.saw('at', datetime(2026, 7, 1, tzinfo=UTC).astimezone().isoformat() + str(numbers))"
    project.checks(LOOKS, project.check(body, "morning.1-at", "", "numbers, evidence"))
    recording = record(project)
    rewrite(
        recording,
        lambda line: line.replace(
            json.loads(recording.read_text().splitlines()[1])["time_zone"], "CET-1CEST,M3.5.0,M10.5.0/3"
        ),
    )

    _, run = replayed(project, recording)

    assert run["steps"][0]["evidence"][0]["text"].startswith("2026-07-01T02:00:00+02:00")


def test_recordings_are_kept_for_as_many_runs_as_the_journal(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdcproof.evidence.journal.KEPT_RUNS", 1)
    make(project)

    first, second = record(project), record(project)

    assert recordings(project) == [second] != [first]
    assert second.name.endswith("Z-morning.jsonl")


def test_evidence_that_cannot_be_written_is_said_and_takes_no_verdict(project: Project) -> None:
    make(project)
    project.reports.mkdir()
    (project.reports / "evidence").write_text("a file")

    result = project.run("-m", "morning")

    assert "The evidence could not be written" in result.stdout.str()
    assert project.verdicts() == {step: verdict for step, (*_, verdict) in CHECKS.items()}


def rewrite(recording: Path, change: Callable[[str], str]) -> None:
    """The same chain over other lines, as whoever writes it anew would make it."""
    lines = [json.loads(change(json.dumps(line, separators=(",", ":")))) for line in chain.read(recording)]
    recording.unlink()
    made = chain.Chain(recording)
    for line in lines:
        kind = line.pop("kind")
        del line["line"], line["before"]
        made.add(kind, line)
    made.end()

"""What is recorded of a drill, and what two faults at once must show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdcproof.findings import Verdict
from tests.drills.detections import VARIABLE, Detected, Detections, Watch, slowest
from tests.drills.injections import INJECTIONS, Injection, expected
from tests.reporting.runs import record_of, run_of


def at(verdict: Verdict, name: str = "morning.2-connectors", seconds: float = 0.5):
    return run_of(record_of(name, verdict, duration_seconds=seconds))


def test_the_first_run_that_sees_a_step_red_counts() -> None:
    watch = Watch("a test", began=10.0)
    watch.saw(at(Verdict.PASSED), 12.0)
    watch.saw(at(Verdict.FAILED), 15.0)
    watch.saw(at(Verdict.FAILED, seconds=0.7), 19.0)

    assert watch.seen == {"morning.2-connectors": Detected(5.0, 0.5)}


def test_what_could_not_be_looked_at_first_and_failed_later_is_seen_when_it_failed() -> None:
    watch = Watch("a test", began=0.0)
    watch.saw(at(Verdict.NOT_CHECKED), 1.0)
    watch.saw(at(Verdict.FAILED), 2.0)

    assert watch.seen["morning.2-connectors"].seconds == 2.0


@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.BLOCKED, Verdict.WAIVED])
def test_a_step_that_nobody_must_mind_is_not_seen(verdict: Verdict) -> None:
    watch = Watch("a test", began=0.0)
    watch.saw(at(verdict), 1.0)

    assert watch.seen == {}


def test_only_what_passed_is_written_and_only_where_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, found = tmp_path / "lines", Detections()
    monkeypatch.delenv(VARIABLE, raising=False)
    found.begin("tests/a.py::unnamed")
    found.saw(at(Verdict.FAILED))
    found.keep()
    monkeypatch.setenv(VARIABLE, str(file))
    found.begin("tests/a.py::failed")  # and so never kept
    found.saw(at(Verdict.FAILED))
    found.begin("tests/a.py::passed")
    found.saw(at(Verdict.FAILED))
    found.keep()

    assert [json.loads(line)["node"] for line in file.read_text().splitlines()] == ["tests/a.py::passed"]


def test_of_several_instances_the_slowest_counts() -> None:
    lines = [
        '{"node": "tests/a.py::b[one]", "seen": {"s": [1.0, 0.5]}}',
        '{"node": "tests/a.py::b[two]", "seen": {"s": [3.0, 0.1], "t": [1.0, 1.0]}}',
    ]

    assert slowest(lines) == {"a.py::b": {"s": [3.0, 0.1], "t": [1.0, 1.0]}}


def fault(blocked: str = "", **seen: Verdict) -> Injection:
    found = {name: (verdict, "") for name, verdict in seen.items()}
    return Injection("", lambda _: pytest.fail("not injected"), found, frozenset(blocked.split()))


def test_of_two_faults_each_cause_is_red_and_what_one_blocks_is_blocked() -> None:
    healthy = dict.fromkeys("abcd", Verdict.PASSED)
    failed, not_checked = Verdict.FAILED, Verdict.NOT_CHECKED

    assert expected(healthy, (fault(a=failed, blocked="c"), fault(b=not_checked))) == {
        "a": failed, "b": not_checked, "c": Verdict.BLOCKED, "d": Verdict.PASSED,
    }  # fmt: skip
    # what a fault does to a step that another one blocks is not looked at; what both do to one is found by either
    assert expected(healthy, (fault(a=failed, blocked="b"), fault(b=failed)))["b"] is Verdict.BLOCKED
    assert expected(healthy, (fault(a=failed), fault(a=not_checked)))["a"] is failed


def test_every_injection_shows_something_and_has_a_name_of_its_own() -> None:
    assert all(one.seen and not one.seen.keys() & one.blocked for one in INJECTIONS)
    assert len({one.name for one in INJECTIONS}) == len(INJECTIONS)

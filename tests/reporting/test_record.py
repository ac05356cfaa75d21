from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cdcproof.findings import Difference, Verdict
from cdcproof.reporting.record import Evidence, Run, StepRecord, table
from tests.reporting.runs import record_of, run_of

text = st.text(max_size=20)
records = st.builds(
    StepRecord,
    step=text,
    title=text,
    suite=text,
    severity=text,
    verdict=st.sampled_from(Verdict),
    started_at=st.floats(0, 2e9),
    duration_seconds=st.floats(0, 1e4),
    differences=st.lists(st.builds(Difference, text, text, text, text), max_size=3).map(tuple),
    action=st.lists(text, max_size=2).map(tuple),
    reason=text,
    blocked_by=text,
    evidence=st.lists(st.builds(Evidence, text, text), max_size=2).map(tuple),
)


@given(records)
def test_a_record_survives_json(record: StepRecord) -> None:
    assert StepRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record


@given(st.lists(records, max_size=3))
def test_a_run_survives_json(steps: list[StepRecord]) -> None:
    run = run_of(*steps)

    assert Run.from_dict(json.loads(json.dumps(run.as_dict()))) == run


def test_a_run_is_green_when_every_step_is_and_there_is_one() -> None:
    assert run_of(record_of("m.a"), record_of("m.b", Verdict.WARNED), record_of("m.c", Verdict.WAIVED)).is_green
    assert not run_of().is_green
    for verdict in (Verdict.FAILED, Verdict.NOT_CHECKED, Verdict.BLOCKED):
        assert not run_of(record_of("m.a"), record_of("m.b", verdict)).is_green


def test_the_metric_values_are_a_published_interface() -> None:
    assert {str(v): v.metric_value for v in Verdict} == {
        "passed": 0,
        "warned": 1,
        "failed": 2,
        "not checked": 3,
        "blocked": 4,
        "waived": 5,
    }


def test_a_table_is_aligned() -> None:
    assert table([{"name": "a", "rows": 1}, {"name": "long", "rows": None}]) == "name  rows\na     1\nlong  -"
    assert table([]) == ""

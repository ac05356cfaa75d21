"""Everything that a check may be given comes back equal from JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings

from cdcproof.core.secrets import known
from cdcproof.databases.names import TableName
from cdcproof.evidence.observed import OBSERVED, values
from cdcproof.evidence.values import NotReadableError, NotWritableError, Values, classes_within, name_of
from cdcproof.findings import Observation
from cdcproof.observations.schema.tables import TableSets
from cdcproof.pipeline.model import Pipeline
from tests.evidence.data import PIPELINE, of


def through_json(value: Any, by: Values | None = None) -> Any:
    by = by or values()
    return by.read(json.loads(json.dumps(by.write(value).data)))


@pytest.mark.parametrize("observed", OBSERVED, ids=lambda one: one.__name__)
def test_every_observation_comes_back_equal(observed: type) -> None:
    @settings(max_examples=10, deadline=None, database=None, phases=[Phase.generate])
    @given(of(observed))
    def comes_back(value: object) -> None:
        back = through_json(value)
        assert back == value
        assert type(back) is observed
        again = json.dumps(values().write(back).data)
        assert again == json.dumps(
            values().write(value).data
        )  # 1 is equal to 1.0 and to True, and is printed otherwise

    comes_back()


def test_each_class_has_a_name_of_its_own() -> None:
    names = Counter(name_of(one) for one in classes_within((*OBSERVED, Pipeline)))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    "value",
    [
        *(1, 1.0, True, None, "", "\ud800", -0.0, 10**30, [], (), {}, {"!": 1}, {"a": ("b", ["c"])}),
        *({(1, 2): "x"}, {TableName("a", "b"): frozenset({TableName("c", "d")})}, {1, 2}, Path("x"), b"\0\xff"),
        *(Decimal("1.10"), datetime(2026, 1, 2, 3, 4, 5, 6, UTC), date(2026, 1, 2), timedelta(days=-1, microseconds=1)),
        *(math.inf, -math.inf, UUID(int=5)),
    ],
    ids=repr,
)
def test_plain_data_keeps_value_and_type(value: object) -> None:
    back = through_json(value)

    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_no_number_stays_no_number() -> None:
    assert math.isnan(through_json({"x": math.nan})["x"])


def test_views_and_proxies_come_back_as_plain_data() -> None:
    assert through_json({"a": 1}.keys()) == ("a",)
    assert through_json(MappingProxyType({"a": 1})) == {"a": 1}


def test_the_pipeline_is_written_once() -> None:
    by = values({"pipeline": PIPELINE})
    sets = TableSets(PIPELINE, {TableName("a", "b")}, ("t",), ())

    assert len(json.dumps(by.write(sets).data)) < 300
    assert through_json(sets, by) == sets
    assert through_json(sets, by).pipeline is PIPELINE


class Session:
    """What no file can hold."""


@dataclass(frozen=True)
class Elsewhere:
    """Data of a class that is not known."""

    x: int = 1


@pytest.mark.parametrize(
    "value", [Session(), {"a": [Session()]}, Elsewhere(), object, print], ids=lambda one: type(one).__name__
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(NotWritableError):
        values().write(value)


@pytest.mark.parametrize(
    "data",
    [
        {"!": "Popen", "args": "id"},
        {"!": "TableName", "schema": "a"},
        {"!": "TableName", "schema": "a", "table": "b", "new": 1},
        {"!": "datetime", "is": "yesterday"},
        {"!": "Path"},
        {"!": ["x"]},
        {"!": "map", "is": [1]},
        {"!": "TableStatus", "is": "GOOD"},
        {"!": "pipeline Table", "name": "x"},
        {"!": None},
        {"!": {}},
        {"!": "list", "is": 5},
        {"!": "bytes", "is": "zz"},
        {"!": "map", "is": [[{}, 1]]},
    ],
    ids=str,
)
def test_what_this_version_does_not_know_is_refused(data: object) -> None:
    with pytest.raises(NotReadableError):
        values().read(data)


@dataclass(frozen=True)
class Configured:
    """A connector, say."""

    config: dict[str, str] = field(repr=False)


def test_secrets_are_taken_out_and_that_is_said() -> None:
    known(["hunter2secret"])
    by = Values([Configured])
    written = by.write((Configured({"database.password": "abc", "topics": "password: nine9"}), {"hunter2secret": "x"}))

    assert written.redacted
    assert written.data == [
        {"!": "Configured", "config": {"database.password": "[redacted]", "topics": "password: [redacted]"}},
        {"[redacted]": "x"},
    ]
    assert not by.write(Configured({"database.password": "${file:x:y}", "topics": "a"})).redacted


def test_what_was_recorded_as_a_look_is_an_observation_now() -> None:
    """Recordings of before the checks had one shape of an observation."""
    then = {
        "!": "Look",
        "found": {"a": "present"},
        "expected": {"a": "present"},
        "details": {},
        "action": ["do it"],
        "tolerated": {"b": "absent; it will be made"},
        "unknown": ["Nobody knows c."],
    }

    assert values().read(then) == Observation(
        {"a": "present"},
        {"a": "present"},
        action=("do it",),
        concerns={"b": "absent; it will be made"},
        no_concern="present",
        unknown={"Nobody knows c.": ""},
    )

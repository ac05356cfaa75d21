"""The schema after another column, and what a registry says to it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cdcproof.clients.schema_registry import Registry, Schema
from cdcproof.environments.live import Live
from cdcproof.observations import readings
from cdcproof.observations.schema.next_schema import NextSchemas, Subject, with_another_column
from cdcproof.pipeline.model import HttpService
from cdcproof.remedies.checks import Remedies
from tests.canned import serving
from tests.pipelines import pipeline_of

ADDED = {"name": "cdcproof_added_column", "type": ["null", "string"], "default": None}
ID = {"name": "id", "type": "long"}


def record(*fields: Any, name: str = "Value") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def envelope(row: dict[str, Any]) -> dict[str, Any]:
    before = {"name": "before", "type": ["null", row], "default": None}
    return record(
        before, {"name": "after", "type": ["null", "Value"]}, {"name": "op", "type": "string"}, name="Envelope"
    )


def only_after(row: dict[str, Any]) -> dict[str, Any]:
    return record({"name": "op", "type": "string"}, {"name": "after", "type": row}, name="Envelope")


@pytest.mark.parametrize(
    "wrap", [envelope, only_after, lambda row: row], ids=["as Debezium writes it", "without before", "flattened"]
)
def test_a_nullable_column_is_added_to_the_row(wrap: Any) -> None:
    changed = with_another_column(Schema(json.dumps(wrap(record(ID))), references=["r"]))
    assert changed
    assert (json.loads(changed.text), changed.references) == (wrap(record(ID, ADDED)), ["r"])


def test_a_column_that_is_a_record_itself_is_not_the_row() -> None:
    place = {"name": "place", "type": record({"name": "x", "type": "double"}, name="Point")}
    other = {"name": "other", "type": "elsewhere.Point"}
    changed = with_another_column(Schema(json.dumps(record(ID, other, place))))
    assert changed
    assert json.loads(changed.text) == record(ID, other, place, ADDED)


def test_columns_named_as_the_halves_of_debeziums_record_are_columns() -> None:
    """Of an audit table, flattened: its row is the record itself."""
    before = {"name": "before", "type": ["null", "string"], "default": None}
    after = {"name": "after", "type": {"type": "long", "connect.name": "io.debezium.time.Timestamp"}}
    changed = with_another_column(Schema(json.dumps(record(ID, before, after))))
    assert changed
    assert json.loads(changed.text) == record(ID, before, after, ADDED)


@pytest.mark.parametrize(
    "schema",
    [
        Schema("{}", "JSON"),
        Schema("not json"),
        Schema('"string"'),
        Schema(json.dumps({**record(ID), "type": "error"})),
        Schema(json.dumps({"type": "record", "fields": {"name": "id"}})),
        Schema(json.dumps(record({"name": "before", "type": ["null", "elsewhere.Value"]}))),
    ],
)
def test_a_form_that_is_not_known_is_not_tried(schema: Schema) -> None:
    assert with_another_column(schema) is None


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Subject("READWRITE", True), "takes another column"),
        (Subject("", None, "no Avro"), "not tried"),
        (Subject("READONLY", True), "mode READONLY"),
        (Subject("READONLY_OVERRIDE", None), "mode READONLY_OVERRIDE"),
        (Subject("READWRITE", False), "refuses another column"),
    ],
)
def test_what_the_next_schema_would_meet(subject: Subject, words: str) -> None:
    found = NextSchemas({"s": subject}, "BACKWARD")
    assert found.found() == {"s": words}
    assert (found.found() == found.expected()) is (words in ("takes another column", "not tried"))
    assert found.untried() == ({"s": "no Avro"} if words == "not tried" else {})


def test_tables_that_do_not_use_the_registry_are_not_tried_and_no_risk() -> None:
    found = NextSchemas({name: Subject("READWRITE", None, "no such subject") for name in ("a", "b")}, "BACKWARD")
    assert found.found() == found.expected() == {"a": "not tried", "b": "not tried"}
    assert found.untried() == {}


def test_what_is_observed_and_its_rows() -> None:
    subjects = {
        "a": Subject("READWRITE", True),
        "b": Subject("READONLY", False, "closed"),
        "c": Subject("", None, "no Avro"),
    }
    found = NextSchemas(subjects, "BACKWARD")
    seen = found.observation()
    assert (seen.found, seen.expected) == (found.found(), found.expected())
    assert (seen.concerns, seen.no_concern) == ({"c": "no Avro"}, "tried")
    assert found.rows() == [
        {"subject": "a", "mode": "READWRITE", "takes another column": "yes", "why": None},
        {"subject": "b", "mode": "READONLY", "takes another column": "NO", "why": "closed"},
        {"subject": "c", "mode": None, "takes another column": "not tried", "why": "no Avro"},
    ]


def ask(takes: tuple[int, Any], **modes: tuple[int, Any]) -> tuple[NextSchemas, dict[str, Any]]:
    check = "POST /compatibility/subjects/t.orders-value/versions/latest"
    answers = {
        "GET /subjects": (200, ["t.orders-key", "t.orders-value", "elsewhere-value"]),
        "GET /subjects/t.orders-value/versions/latest": (200, {"schema": json.dumps(record(ID))}),
        "GET /config": (200, {"compatibilityLevel": "FULL"}),
        check: takes,
        **{f"GET /mode{'/' if name else ''}{name.replace('_', '.')}": told for name, told in modes.items()},
    }
    with serving(answers) as server:
        found = readings.next_schemas(Registry(HttpService(url=server.url)), pipeline_of("orders", "customers"))
        return found, server.bodies[server.requests.index(check)]


def test_the_registry_is_asked_without_registering_anything() -> None:
    found, body = ask(
        (200, {"is_compatible": False}), **{"t.orders-value": (404, {}), "": (200, {"mode": "READWRITE"})}
    )
    assert found.subjects == {
        "t.orders-value": Subject("READWRITE", False),
        "t.customers-value": Subject("READWRITE", None, "no such subject"),
    }
    assert found.untried() == {"t.customers-value": "no such subject"}
    assert found.compatibility == "FULL"
    assert json.loads(body["schema"]) == record(ID, ADDED)


def test_the_mode_of_a_subject_comes_before_that_of_all() -> None:
    modes = {"t.orders-value": (200, {"mode": "READONLY"}), "": (200, {"mode": "READWRITE"})}
    assert ask((200, {"is_compatible": True}), **modes)[0].found() == {
        "t.orders-value": "mode READONLY",
        "t.customers-value": "not tried",
    }


def test_a_registry_that_knows_no_modes_and_cannot_compare_is_not_called_wrong() -> None:
    found, _ = ask((422, {"error_code": 42201}), **{"t.orders-value": (404, {}), "": (404, {})})
    orders = found.subjects["t.orders-value"]
    assert (orders.mode, orders.takes, "answered 422" in orders.why_not) == ("", None, True)
    assert found.found() == found.expected()
    assert found.rows()[0]["takes another column"] == "not tried"


def test_a_registry_that_was_closed_is_opened_by_the_command() -> None:
    """The drill: red, the Action as it is printed, green. What the command sets is what the registry answers from then on."""
    mode, setting = "GET /mode/t.orders-value", "PUT /mode/t.orders-value"
    answers = {
        "GET /subjects": (200, ["t.orders-value"]),
        "GET /subjects/t.orders-value/versions/latest": (200, {"schema": json.dumps(record(ID))}),
        "GET /config": (200, {"compatibilityLevel": "FULL"}),
        "POST /compatibility/subjects/t.orders-value/versions/latest": (200, {"is_compatible": True}),
        mode: (200, {"mode": "READONLY"}),
        setting: (200, {}),
    }
    with serving(answers) as server:
        service = HttpService(url=server.url)
        pipeline = pipeline_of("orders", registry={"url": server.url})
        red = readings.next_schemas(Registry(service), pipeline)
        for command in Remedies(Live(), pipeline, "w").open_registry(red.refusing()):
            subprocess.run(["bash", "-c", command], check=True, capture_output=True)
        asked = server.bodies[server.requests.index(setting)]
        server.answers[mode] = (200, {"mode": asked["mode"]})
        green = readings.next_schemas(Registry(service), pipeline)
    assert red.found() == {"t.orders-value": "mode READONLY"}
    assert green.found() == green.expected() == {"t.orders-value": "takes another column"}

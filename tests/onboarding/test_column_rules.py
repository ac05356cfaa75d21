from __future__ import annotations

import pytest

from cdcproof.databases.names import TableName
from cdcproof.onboarding.column_rules import Stage, column_rules

CUSTOMERS = TableName("dbo", "customers")
KNOWN = ("id", "name", "email", "ssn", "cust_no")
APACHE = "org.apache.kafka.connect.transforms."
UNWRAP = {"transforms": "u", "transforms.u.type": "io.debezium.transforms.ExtractNewRecordState"}
REPLACE = {"transforms": "x", "transforms.x.type": f"{APACHE}ReplaceField$Value"}
DELETES = {"delete.enabled": "true"}


def rules(source: dict[str, str], sink: dict[str, str], columns: tuple[str, ...] | None = KNOWN) -> tuple[object, ...]:
    found = column_rules(
        CUSTOMERS,
        "shop",
        columns,
        Stage("src", source, "w.shop.dbo.customers"),
        Stage("snk", {**DELETES, **sink}, "w.shop.dbo.customers"),
    )
    return found.exclude, dict(found.rename), found.deleted, found.notes


@pytest.mark.parametrize("columns", [KNOWN, None])
@pytest.mark.parametrize(
    ("source", "sink", "expected"),
    [
        ({}, {}, ((), {}, None)),
        ({"column.exclude.list": "DBO.Customers.ssn, dbo.orders.name"}, {}, (("ssn",), {}, None)),
        ({"column.exclude.list": r"shop\.dbo\.customers\.ssn"}, {}, (("ssn",), {}, None)),
        ({"column.blacklist": "dbo.customers.ssn"}, {}, (("ssn",), {}, None)),
        ({}, {**REPLACE, "transforms.x.renames": "cust_no:customer_number"}, ((), {"cust_no": "customer_number"}, None)),
        ({}, {**REPLACE, "transforms.x.exclude": "ssn", "transforms.x.renames": "name:label"}, (("ssn",), {"name": "label"}, None)),
        ({}, {**REPLACE, "transforms.x.blacklist": "ssn"}, (("ssn",), {}, None)),
        ({**REPLACE, "transforms.x.renames": "name:label"}, {**REPLACE, "transforms.x.renames": "label:title"}, ((), {"name": "title"}, None)),
        ({}, {**REPLACE, "transforms.x.type": f"{APACHE}ReplaceField$Key", "transforms.x.renames": "id:key"}, ((), {}, None)),
        ({}, {"field.exclude.list": "ssn,other:name,w.shop.dbo.customers:email"}, (("ssn", "email"), {}, None)),
        ({}, {**UNWRAP, "transforms.u.delete.handling.mode": "rewrite"}, ((), {}, "__deleted")),
        ({**UNWRAP, "transforms.u.delete.tombstone.handling.mode": "rewrite"}, {}, ((), {}, "__deleted")),
        ({}, {**UNWRAP, "transforms.u.delete.tombstone.handling.mode": "rewrite-with-tombstone"}, ((), {}, "__deleted")),
        ({}, {**UNWRAP, "transforms.u.delete.handling.mode": "drop"}, ((), {}, None)),
        ({}, {**UNWRAP, "transforms": "u,x", "transforms.u.delete.handling.mode": "rewrite",
              "transforms.x.type": f"{APACHE}ReplaceField$Value", "transforms.x.renames": "__deleted:gone"}, ((), {}, "gone")),
        ({}, {**UNWRAP, "transforms": "u,x", "transforms.u.delete.handling.mode": "rewrite",
              "transforms.x.type": f"{APACHE}ReplaceField$Value", "transforms.x.exclude": "__deleted"}, ((), {}, None)),
    ],
)  # fmt: skip
def test_what_the_configurations_say_of_columns(
    source: dict[str, str], sink: dict[str, str], expected: tuple[object, ...], columns: tuple[str, ...] | None
) -> None:
    assert rules(source, sink, columns) == (*expected, ())


@pytest.mark.parametrize(
    ("source", "sink", "exclude", "note"),
    [
        ({"column.exclude.list": r"dbo\.customers\.(ssn|email)"}, {}, ("email", "ssn"), ""),
        ({"column.include.list": r"dbo\.customers\.(id|name)"}, {}, ("cust_no", "email", "ssn"), ""),
        ({}, {"fields.whitelist": "id,name"}, ("cust_no", "email", "ssn"), ""),
        ({}, {**REPLACE, "transforms.x.include": "id,name,email"}, ("cust_no", "ssn"), ""),
        ({"column.exclude.list": "dbo.customers.[a&&[b]]"}, {}, (), "joins classes in a way that is not read here"),
    ],
)
def test_expressions_and_lists_of_what_stays_need_the_sources_columns(
    source: dict[str, str], sink: dict[str, str], exclude: tuple[str, ...], note: str
) -> None:
    found = rules(source, sink)
    assert tuple(sorted(found[0])) == exclude  # type: ignore[arg-type]
    assert note in " ".join(found[3])  # type: ignore[arg-type]
    unknown = rules(source, sink, None)
    assert unknown[0] == ()
    assert len(unknown[3]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("source", "sink", "note"),
    [
        ({"column.mask.with.12.chars": "dbo.customers.email"}, {},
         "dbo.customers: email arrives altered (column.mask.with.12.chars of src), so that its values cannot be equal: exclude it, "
         "if that is meant."),
        ({"transforms": "f", "transforms.f.type": "io.debezium.transforms.Filter", "transforms.f.condition": "value.after.region == 'EU'"},
         {}, "src: transforms.f (io.debezium.transforms.Filter) lets only some rows through (value.after.region == 'EU'): write that as "
         "source_filter, in the source's SQL."),
        ({}, {"transforms": "f", "transforms.f.type": "io.confluent.connect.transforms.Filter$Value", "transforms.f.filter.condition": "$.x"},
         "snk: transforms.f (io.confluent.connect.transforms.Filter) lets only some rows through ($.x): write that as source_filter, in the "
         "source's SQL."),
        ({}, {"transforms": "m", "transforms.m.type": f"{APACHE}MaskField$Value", "transforms.m.fields": "ssn"},
         f"snk: transforms.m ({APACHE}MaskField) masks ssn, so that the values cannot be equal: exclude the columns, if that is meant."),
        ({}, {"transforms": "o", "transforms.o.type": "com.acme.AddField"},
         "snk: transforms.o (com.acme.AddField) is not understood: it may change names, columns, values or rows."),
        ({}, {"transforms": "t", "transforms.t.type": f"{APACHE}TimestampConverter$Value"},
         f"snk: transforms.t ({APACHE}TimestampConverter) may change columns and their values: check that they can be equal."),
        ({}, {"column.naming.strategy": "com.acme.Columns"},
         "snk: column.naming.strategy (com.acme.Columns) is not understood: write rename where names differ."),
        ({}, {"delete.enabled": "false"},
         "snk does not delete (delete.enabled): rows deleted at the source stay at the target."),
        ({}, {**UNWRAP, "transforms.u.predicate": "p", "predicates.p.type": "com.acme.P"},
         "snk: predicates.p (com.acme.P) decides on transforms.u (io.debezium.transforms.ExtractNewRecordState), and is not understood: "
         "check columns, exclude and rename."),
    ],
)  # fmt: skip
def test_what_the_file_cannot_say_for_itself_is_said(source: dict[str, str], sink: dict[str, str], note: str) -> None:
    assert rules(source, sink) == ((), {}, None, (note,))

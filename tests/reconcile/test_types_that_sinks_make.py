"""Columns as real sinks write them: the same data matches, and one value changed in any column is named."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdcproof.reconcile.checksums.strategy import Strategy
from cdcproof.reconcile.plan.calibration import Calibration
from cdcproof.reconcile.report.result import TableStatus
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

INSTANT = "timestamptz '2024-01-01 00:00Z' + g * interval '90 min 0.25 s'"
LOCAL = "timestamp '2024-01-01' + g * interval '1.5 s'"
DAY = "date '2024-01-01' + g"
CLOCK = "time '10:00' + g * interval '1.25 s'"
BYTES = "decode(repeat(lpad(to_hex(g), 8, '0'), 20), 'hex')"
EPOCH = "extract(epoch FROM {})"
MICROS = f"({EPOCH} * 1000000)::bigint"
MADE = {
    "uuid_lower": ("uuid", "md5(g::text)::uuid", "text", "md5(g::text)::uuid::text"),
    "uuid_upper": ("uuid", "md5(g::text)::uuid", "varchar(36)", "upper(md5(g::text)::uuid::text)"),
    "uuid_char": ("uuid", "md5(g::text)::uuid", "char(36)", "md5(g::text)::uuid::text"),
    "ts_seconds": ("timestamp(0)", LOCAL, "bigint", f"{EPOCH.format(f'({LOCAL})::timestamp(0)')}::bigint"),
    "ts_millis": ("timestamp(3)", LOCAL, "bigint", f"({EPOCH.format(LOCAL)} * 1000)::bigint"),
    "ts_millis_of_micros": ("timestamp", LOCAL, "bigint", f"({EPOCH.format(LOCAL)} * 1000)::bigint"),
    "ts_micros": ("timestamp", LOCAL, "bigint", MICROS.format(LOCAL)),
    "ts_nanos": ("timestamp", LOCAL, "bigint", f"({EPOCH.format(LOCAL)} * 1000000000)::bigint"),
    "ts_numeric": ("timestamp", LOCAL, "numeric(20)", MICROS.format(LOCAL)),
    "ts_before_1970": (
        "timestamp",
        f"{LOCAL} - interval '90 years'",
        "bigint",
        MICROS.format(f"({LOCAL} - interval '90 years')"),
    ),
    "ts_iso": ("timestamp", LOCAL, "text", f"""to_char({LOCAL}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""),
    "ts_zoned": ("timestamp", LOCAL, "timestamptz", f"({LOCAL}) AT TIME ZONE 'UTC'"),
    "z_iso": (
        "timestamptz",
        INSTANT,
        "text",
        f"""to_char(({INSTANT}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
    ),
    "z_iso_east": (
        "timestamptz",
        INSTANT,
        "text",
        f"""to_char(({INSTANT}) AT TIME ZONE 'Asia/Kolkata', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+05:30"')""",
    ),
    "z_plain": ("timestamptz", INSTANT, "timestamp", f"({INSTANT}) AT TIME ZONE 'UTC'"),
    "z_micros": ("timestamptz", INSTANT, "bigint", MICROS.format(f"({INSTANT})")),
    "day_number": ("date", DAY, "int", f"{DAY} - date '1970-01-01'"),
    "day_millis": ("date", DAY, "bigint", f"({DAY} - date '1970-01-01') * 86400000::bigint"),
    "day_iso": ("date", DAY, "text", f"({DAY})::text"),
    "day_iso_zoned": ("date", DAY, "text", f"({DAY})::text || 'Z'"),
    "clock_millis": ("time(3)", CLOCK, "int", f"({EPOCH.format(CLOCK)} * 1000)::int"),
    "clock_micros": ("time", CLOCK, "bigint", MICROS.format(CLOCK)),
    "clock_nanos": ("time", CLOCK, "bigint", f"({EPOCH.format(CLOCK)} * 1000000000)::bigint"),
    "clock_iso": ("time", CLOCK, "text", f"({CLOCK})::text || 'Z'"),
    "number_double": ("numeric(10,2)", "g * 1.01", "double precision", "g * 1.01"),
    "number_double_long": ("numeric(20,2)", "g * 1000000000000000.01", "double precision", "g * 1000000000000000.01"),
    "number_real": ("numeric(6,2)", "g * 1.01", "real", "g * 1.01"),
    "number_text": ("numeric(10,2)", "g * 1.01", "text", "(g * 1.01)::numeric(10,2)::text"),
    "number_text_bare": ("numeric", "g * 1.01", "varchar(40)", "(g * 1.01)::text"),
    "number_bytes": (
        "numeric(10,2)",
        "(g - 10) * 1.27",
        "bytea",
        "decode(lpad(to_hex(((g - 10) * 127) & 65535), 4, '0'), 'hex')",
    ),
    "number_wider": ("numeric(10,2)", "g * 1.01", "numeric(12,4)", "g * 1.01"),
    "bit_smallint": ("boolean", "g % 2 = 0", "smallint", "(g % 2 = 0)::int"),
    "bit_int": ("boolean", "g % 2 = 0", "int", "(g % 2 = 0)::int"),
    "bit_text": ("boolean", "g % 2 = 0", "text", "(g % 2 = 0)::text"),
    "bytes_base64": ("bytea", BYTES, "text", f"translate(encode({BYTES}, 'base64'), E'\\n', '')"),
    "bytes_base64_lines": ("bytea", BYTES, "text", f"encode({BYTES}, 'base64')"),
    "bytes_base64_url": (
        "bytea",
        "decode('fbff' || lpad(to_hex(g), 2, '0'), 'hex')",
        "text",
        "translate(encode(decode('fbff' || lpad(to_hex(g), 2, '0'), 'hex'), 'base64'), '+/', '-_')",
    ),
    "bytes_hex": ("bytea", BYTES, "text", f"encode({BYTES}, 'hex')"),
    "json_text": ("jsonb", "jsonb_build_object('a', g)", "text", "jsonb_build_object('a', g)::text"),
    "json_jsonb": ("json", """('{"b": ' || g || ',  "a": 1}')::json""", "jsonb", "jsonb_build_object('a', 1, 'b', g)"),
    "jsonb_same": ("jsonb", "jsonb_build_object('a', g)", "jsonb", "jsonb_build_object('a', g)"),
    "char_cut": ("char(10)", "'x' || g", "varchar(10)", "'x' || g"),
    "char_padded": ("char(10)", "'x' || g", "text", "rpad('x' || g, 10)"),
    "cash": ("money", "(g * 1.25)::numeric::money", "numeric(19,2)", "g * 1.25"),
    "cash_double": ("money", "(g * 1.25)::numeric::money", "double precision", "g * 1.25"),
    "mood": (
        "mood",
        "CASE g % 2 WHEN 0 THEN 'sad' ELSE 'so-so' END::mood",
        "text",
        "CASE g % 2 WHEN 0 THEN 'sad' ELSE 'so-so' END",
    ),
}
"""Of each column: type and value at the source, type and value at the target, of row g."""
CHANGED = {
    "text": "overlay({0}::text placing CASE substr({0}::text, 3, 1) WHEN '1' THEN '2' ELSE '1' END from 3 for 1)",
    "bigint": "{0} + 1",
    "int": "{0} + 1",
    "smallint": "1 - {0}",
    "double precision": "{0} * 2",
    "real": "{0} * 2",
    "numeric": "{0} + 1",
    "bytea": "'\\x01'::bytea || {0}",
    "jsonb": "{0} || '{{\"c\": 1}}'",
    "timestamp": "{0} + interval '1 microsecond'",
    "timestamptz": "{0} + interval '1 microsecond'",
}


def _fill(sides: Sides, table: str, made: dict[str, tuple[str, str, str, str]], rows: int = 20) -> None:
    for server, kind, value in ((sides.source, 0, 1), (sides.target, 2, 3)):
        name = sides.name(table)
        columns = ", ".join(f"{column} {one[kind]}" for column, one in made.items())
        values = ", ".join(one[value] for one in made.values())
        server.execute(
            "DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad', 'so-so'); EXCEPTION WHEN duplicate_object THEN END $$",
            f"DROP TABLE IF EXISTS {name}",
            f"CREATE TABLE {name} (id int PRIMARY KEY, {columns})",
            f"INSERT INTO {name} SELECT g, {values} FROM generate_series(1, {rows}) g",
        )


def test_the_same_data_matches_in_every_column(sides: Sides) -> None:
    _fill(sides, "made", MADE)
    result = sides.result("made")
    assert list(result.not_compared) == []
    assert (result.status, result.example_keys, result.causes) == (TableStatus.MATCH, (), ())


def test_one_value_changed_in_any_column_is_named(sides: Sides) -> None:
    _fill(sides, "made", MADE, rows=len(MADE))
    for row, (column, (_, _, kind, _)) in enumerate(MADE.items(), start=1):
        change = CHANGED.get(kind.partition("(")[0], CHANGED["text"]).format(column)
        sides.target.execute(f"UPDATE {sides.name('made')} SET {column} = {change} WHERE id = {row}")
    assert (
        sides.result("made").example_keys[:20]
        == tuple(f"changed {row} ({column})" for row, column in enumerate(MADE, start=1))[:20]
    )
    assert {(*d.key.values(), *d.columns) for d in sides.result("made").differences} == {
        (str(row), column) for row, column in enumerate(MADE, start=1)
    }


KEYS = {
    "uuid_lower": MADE["uuid_lower"],
    "uuid_upper": MADE["uuid_upper"],
    "uuid_mixed": ("uuid", "md5(g::text)::uuid", "text", "initcap(md5(g::text)::uuid::text)"),
    **{name: MADE[name] for name in ("ts_micros", "ts_nanos", "ts_iso", "z_iso", "z_micros", "z_plain", "ts_zoned")},
    **{name: MADE[name] for name in ("day_number", "day_millis", "day_iso", "clock_millis", "number_text", "number_bytes")},
    **{name: MADE[name] for name in ("number_double", "bytes_base64", "bytes_hex", "char_cut", "char_padded")},
    "char_odd": ("char(10)", "'x' || g", "text", "'x' || g || '  '"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_a_key_as_sinks_write_it(sides: Sides, name: str) -> None:
    here, value, there, written = KEYS[name]
    for server, kind, made in ((sides.source, here, value), (sides.target, there, written)):
        server.execute(
            f"DROP TABLE IF EXISTS {sides.name('keyed')}",
            f"CREATE TABLE {sides.name('keyed')} (k {kind} PRIMARY KEY, v int)",
            f"INSERT INTO {sides.name('keyed')} SELECT {made}, g FROM generate_series(1, 60) g",
        )
    sides.target.execute(
        f"UPDATE {sides.name('keyed')} SET v = -1 WHERE v = 20", f"DELETE FROM {sides.name('keyed')} WHERE v = 30"
    )
    sides.source.execute(f"DELETE FROM {sides.name('keyed')} WHERE v = 40")
    result = sides.result("keyed")
    assert sorted(difference.word for difference in result.differences) == ["changed", "extra", "missing"]
    assert {difference.columns for difference in result.differences} == {("v",), ()}


TWICE = {
    "uuid_in_mixed_case": (*KEYS["uuid_lower"], "initcap({})"),
    "uuid_in_mixed_case_beside_capitals": (*KEYS["uuid_upper"], "initcap({})"),
    "uuid_in_capitals": (*KEYS["uuid_lower"], "upper({})"),
    "other_padding": (*KEYS["char_cut"][:2], "text", "'x' || g", "{} || '  '"),
    "other_padding_beside_whole": (*KEYS["char_padded"], "rtrim({}) || ' '"),
    "iso_with_a_blank": (*KEYS["ts_iso"], "translate({}, 'TZ', ' ')"),
    "number_with_zeros": (*KEYS["number_text"], "{} || '0'"),
    "base64_without_padding": (*KEYS["bytes_base64"], "rtrim({}, '=')"),
    "hex_in_capitals": (*KEYS["bytes_hex"], "upper({})"),
}
"""Of a key: type and value at the source, type and value at the target, and the same value in another spelling."""


@pytest.mark.parametrize(
    ("name", "key"), [*((name, "k") for name in TWICE), ("uuid_in_mixed_case", "k, part"), ("other_padding", "part, k")]
)
def test_a_second_row_of_a_key_in_another_spelling_is_extra(sides: Sides, name: str, key: str) -> None:
    """With the same values, as row 11, and with others, as row 12."""
    here, value, there, written, spelled = TWICE[name]
    for server, kind, made in ((sides.source, here, value), (sides.target, there, written)):
        server.execute(
            f"DROP TABLE IF EXISTS {sides.name('twice')}",
            f"CREATE TABLE {sides.name('twice')} (k {kind}, part int, v int, PRIMARY KEY ({key}))",
            f"INSERT INTO {sides.name('twice')} SELECT {made}, g % 3, g FROM generate_series(1, 30) g",
        )
    again = f"SELECT {spelled.format('k')}, part, CASE v WHEN 11 THEN 11 ELSE -1 END FROM {sides.name('twice')} WHERE v IN (11, 12)"
    sides.target.execute(f"INSERT INTO {sides.name('twice')} {again}")
    result = sides.result("twice")
    assert (result.error, result.status) == ("", TableStatus.MISMATCH)
    assert (result.source_rows, result.target_rows) == (30, 32)
    assert [(one.word, one.columns) for one in result.differences] == [("extra", ())] * 2


def _times(sides: Sides, written: str, rows: int = 20, source: str = LOCAL, key: str = "PRIMARY KEY") -> None:
    for server, kind, made in ((sides.source, "timestamp", source), (sides.target, "bigint", written)):
        server.execute(
            f"DROP TABLE IF EXISTS {sides.name('times')}",
            f"CREATE TABLE {sides.name('times')} (id int {key}, at {kind})",
            f"INSERT INTO {sides.name('times')} SELECT g, {made} FROM generate_series(1, {rows}) g",
        )


def test_the_unit_is_what_most_rows_agree_in(sides: Sides) -> None:
    """Of half of the rows the value at the target is another one: they differ, the others do not."""
    _times(sides, f"CASE WHEN g % 3 = 0 THEN {MICROS.format(LOCAL)} / 1000 ELSE 77 END")
    result = sides.result("times")
    assert (result.changed, result.causes) == (14, ())
    assert result.lossy == (
        "at (timestamp without time zone as bigint: compared in whole milliseconds, as they arrive)",
    )


def test_the_unit_of_a_table_without_a_key_is_seen_by_its_other_columns(sides: Sides) -> None:
    _times(sides, f"{MICROS.format(LOCAL)} * 1000", key="NOT NULL")
    assert sides.result("times").status is TableStatus.MATCH


def test_a_unit_that_no_row_shows_is_named_once_as_the_cause_with_the_key_to_set(sides: Sides) -> None:
    _times(sides, f"{MICROS.format(LOCAL)} + 3600000000")
    result = sides.result("times")
    assert result.changed == 20
    assert result.causes == (
        "at is compared as microseconds, and no row shows that it is written so: if it is not, "
        'say written_as = { at = "milliseconds" or "nanoseconds" or "seconds" } in the pipeline file',
    )


def test_an_empty_target_says_no_unit_and_its_rows_are_missing(sides: Sides) -> None:
    _times(sides, MICROS.format(LOCAL))
    sides.target.execute(f"TRUNCATE {sides.name('times')}")
    assert (sides.result("times").missing_at_target, sides.result("times").causes) == (20, ())


def test_a_unit_that_the_pipeline_file_says_is_not_looked_up(sides: Sides) -> None:
    _times(sides, MICROS.format(LOCAL))
    assert sides.result("times", written_as={"at": "microseconds"}).status is TableStatus.MATCH
    assert sides.result("times", written_as={"at": "milliseconds"}).changed == 20
    wrong = sides.result("times", written_as={"at": "hex"})
    assert wrong.status is TableStatus.ERROR
    assert "Say one of microseconds, milliseconds, nanoseconds, seconds." in wrong.error


def test_a_zero_is_the_same_in_every_unit(sides: Sides) -> None:
    _times(sides, "0", source="timestamp '1970-01-01'")
    assert sides.result("times").status is TableStatus.MATCH


@pytest.mark.parametrize(
    ("source", "target", "values", "cause"),
    [
        ("varchar(20)", "varchar(10)", "'0123456789abc'", "character varying(20) at the source, character varying(10)"),
        ("numeric(10,4)", "numeric(10,2)", "1.2345", "numeric(10, 4) at the source, numeric(10, 2)"),
        ("timestamp", "timestamp(3)", "timestamp '2024-01-01 00:00:00.123456'", "timestamp(6) without time zone"),
        ("double precision", "real", "0.1", "double precision at the source, real"),
    ],
)
def test_a_narrower_column_is_named_once_as_the_cause(
    sides: Sides, source: str, target: str, values: str, cause: str
) -> None:
    sides.table("n", f"id int PRIMARY KEY, v {source}", target_columns=f"id int PRIMARY KEY, v {target}")
    sides.source.execute(f"INSERT INTO {sides.name('n')} SELECT g, {values} FROM generate_series(1, 9) g")
    sides.target.execute(f"INSERT INTO {sides.name('n')} SELECT g, ({values})::{target} FROM generate_series(1, 9) g")
    result = sides.result("n")
    assert (result.changed, len(result.causes)) == (9, 1)
    assert result.causes[0].startswith(f"v is narrower at the target: {cause}")


@pytest.mark.parametrize(
    ("source", "target", "values", "other"),
    [
        ("varchar(20)", "varchar(10)", "'0123456789'", "'other'"),
        ("numeric(10,4)", "numeric(10,2)", "1.2300", "7"),
        ("bigint", "integer", "5", "7"),
        ("timestamp", "timestamp(3)", "timestamp '2024-01-01 00:00:00.123'", "timestamp '2024-01-01 00:00:00.124'"),
        ("double precision", "real", "0.5", "0.25"),
    ],
)
def test_a_narrower_column_is_not_blamed_for_a_value_that_it_can_hold(
    sides: Sides, source: str, target: str, values: str, other: str
) -> None:
    sides.table("n", f"id int PRIMARY KEY, v {source}", target_columns=f"id int PRIMARY KEY, v {target}")
    sides.source.execute(f"INSERT INTO {sides.name('n')} SELECT g, {values} FROM generate_series(1, 9) g")
    sides.target.execute(f"INSERT INTO {sides.name('n')} SELECT g, {other} FROM generate_series(1, 9) g")
    result = sides.result("n")
    assert (result.changed, result.causes) == (9, ())


def test_a_letter_for_a_boolean_is_not_narrower(sides: Sides) -> None:
    _fill(sides, "letter", {"v": ("boolean", "true", "char(1)", "CASE g WHEN 3 THEN 'x' ELSE 't' END")})
    result = sides.result("letter")
    assert (result.example_keys, result.causes) == (("changed 3 (v)",), ())


UUID = "('a0eebc99-9c0b-4ef8-bb6d-6bb9bd38' || lpad(g::text, 4, '0'))::uuid"


@pytest.mark.parametrize(
    ("types", "values", "cause"),
    [
        (("char(5)", "char(8)"), ("'ab'", "'ab'"), "in blanks at the end: character(5) at the source, character(8) at the target"),
        (("char(8)", "char(5)"), ("'ab'", "'ab'"), "in blanks at the end: character(8) at the source, character(5) at the target"),
        (("boolean", "char(1)"), ("g > 3", "CASE WHEN g > 3 THEN 'Y' ELSE 'N' END"), "in the word for true and false"),
        (("boolean", "smallint"), ("true", "-1"), "in the number for true"),
        (("uuid", "text"), (UUID, f"replace(({UUID})::text, '-', '')"), "in hyphens, braces or the case of a uuid"),
        (("uuid", "char(32)"), (UUID, f"replace(({UUID})::text, '-', '')"), "in hyphens, braces or the case of a uuid"),
        (("text", "text"), ("'Ab' || g", "'aB' || g"), "in the case of letters"),
    ],
)  # fmt: skip
def test_another_spelling_is_named_once_as_the_cause(
    sides: Sides, types: tuple[str, str], values: tuple[str, str], cause: str
) -> None:
    source, target = (f"id int PRIMARY KEY, v {one}" for one in types)
    sides.table("n", source, target_columns=target)
    for server, made in zip((sides.source, sides.target), values, strict=True):
        server.execute(f"INSERT INTO {sides.name('n')} SELECT g, {made} FROM generate_series(1, 9) g")
    result = sides.result("n")
    assert (result.status, result.changed, len(result.causes)) == (TableStatus.MISMATCH, 9, 1)
    assert result.causes[0].startswith(f"v differs only {cause}")


def test_a_key_in_another_spelling_is_named_as_the_cause(sides: Sides) -> None:
    for key in ("id char(5) PRIMARY KEY", "id char(5) NOT NULL"):
        rows = [(f"k{i}",) for i in range(9)]
        sides.table("n", key, rows, rows, target_columns=key.replace("5", "8"))
        result = sides.result("n")
        assert (result.missing_at_target, result.extra_at_target) == (9, 9)
        assert result.causes == (
            "id differs only in blanks at the end: character(5) at the source, character(8) at the target",
        )


def test_a_narrower_column_without_a_difference_is_no_cause(sides: Sides) -> None:
    sides.table("n", "id int PRIMARY KEY, v varchar(20)", [(1, "a")], [(1, "a")], target_columns="id int PRIMARY KEY, v varchar(3)")  # fmt: skip
    assert (sides.result("n").status, sides.result("n").causes) == (TableStatus.MATCH, ())


BY_HAND = (
    "id bigint PRIMARY KEY, amount numeric(10,2), price numeric(10,2), created_at bigint, paid_at bigint, "
    "__deleted varchar(10)"
)
"""A target table as operators write it by hand for Confluent's sink: microseconds, money in cents, soft deletes."""
LIVE = "__deleted IS DISTINCT FROM 'true'"


def _by_hand(sides: Sides) -> None:
    """20 orders, of which the source has deleted 19 and 20: they stay at the target as they were last."""
    sides.table(
        "orders",
        "id bigint PRIMARY KEY, amount numeric(10,4), price numeric(10,2), created_at timestamp(6), paid_at timestamp(6)",
        target_columns=BY_HAND,
    )
    amounts = "(g * 1.25)::numeric(10,2), (g * 1.25)::numeric(10,2)"
    sides.source.execute(
        f"INSERT INTO {sides.name('orders')} SELECT g, {amounts}, {LOCAL}, "
        f"CASE WHEN g % 2 = 0 THEN {LOCAL} + interval '7 us' END FROM generate_series(1, 18) g"
    )
    sides.target.execute(
        f"INSERT INTO {sides.name('orders')} SELECT g, {amounts}, {MICROS.format(f'({LOCAL})')}, "
        f"CASE WHEN g % 2 = 0 THEN {MICROS.format(f'({LOCAL})')} + 7 END, CASE WHEN g > 18 THEN 'true' ELSE 'false' END "
        "FROM generate_series(1, 20) g"
    )


def test_a_target_that_was_written_by_hand_matches_whatever_its_deleted_rows_hold(sides: Sides) -> None:
    _by_hand(sides)
    result = sides.result("orders", target_filter=LIVE)
    assert (result.status, result.source_rows, result.target_rows) == (TableStatus.MATCH, 18, 18)
    assert (result.columns_compared, result.unseen, result.causes) == (5, (), ())
    assert result.lossy == ()
    without = sides.result("orders")
    assert (without.status, without.extra_at_target) == (TableStatus.MISMATCH, 2)


@pytest.mark.parametrize(
    ("at_source", "at_target", "named"),
    [
        (
            "UPDATE {} SET amount = 5.0001 WHERE id = 4",
            "UPDATE {} SET amount = 5.00 WHERE id = 4",
            "changed 4 (amount)",
        ),
        (
            "UPDATE {} SET amount = 5.0050 WHERE id = 4",
            "UPDATE {} SET amount = 5.01 WHERE id = 4",
            "changed 4 (amount)",
        ),
        ("", "UPDATE {} SET price = price + 0.01 WHERE id = 5", "changed 5 (price)"),
        ("", "UPDATE {} SET created_at = created_at + 1 WHERE id = 6", "changed 6 (created_at)"),
        ("", "UPDATE {} SET paid_at = NULL WHERE id = 6", "changed 6 (paid_at)"),
        ("", "UPDATE {} SET __deleted = 'true' WHERE id = 7", "missing 7"),
        ("DELETE FROM {} WHERE id = 8", "", "extra 8"),
        ("", "UPDATE {} SET __deleted = 'false' WHERE id = 19", "extra 19"),
        ("", "UPDATE {} SET __deleted = NULL WHERE id = 20", "extra 20"),
    ],
)
def test_what_differs_in_a_target_that_was_written_by_hand_is_named(
    sides: Sides, at_source: str, at_target: str, named: str
) -> None:
    """Money of more than two decimals is a difference, with the narrower column as its cause."""
    _by_hand(sides)
    for server, statement in ((sides.source, at_source), (sides.target, at_target)):
        if statement:
            server.execute(statement.format(sides.name("orders")))
    result = sides.result("orders", target_filter=LIVE)
    assert (result.status, result.example_keys) == (TableStatus.MISMATCH, (named,))
    if "(amount)" in named:
        (cause,) = result.causes
        assert "amount is narrower at the target: numeric(10, 4) at the source, numeric(10, 2) at the target" in cause
    else:
        assert result.causes == ()


def _nanoseconds(at: datetime) -> int:
    since = at - datetime(1970, 1, 1)  # noqa: DTZ001
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _of_day(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))  # noqa: DTZ001
DECIMALS = st.decimals("-999999.999", "999999.999", places=3)
WRITTEN: dict[str, tuple[str, str, str, st.SearchStrategy[Any], Callable[[Any], Any]]] = {
    "uuid": ("uuid", "text", "", st.uuids(), lambda v: str(v).upper()),
    "micros": ("timestamp", "bigint", "microseconds", MOMENTS, lambda v: _nanoseconds(v) // 1_000),
    "nanos": ("timestamp", "bigint", "nanoseconds", MOMENTS, lambda v: (_nanoseconds(v) + 2**63) % 2**64 - 2**63),
    "millis": ("timestamp(3)", "bigint", "milliseconds", MOMENTS.map(lambda v: v.replace(microsecond=v.microsecond // 1000 * 1000)), lambda v: _nanoseconds(v) // 1_000_000),
    "iso": ("timestamptz", "text", "", MOMENTS.map(lambda v: v.replace(tzinfo=UTC)), lambda v: v.isoformat().replace("+00:00", "Z")),
    "days": ("date", "int", "days", st.dates(), lambda v: v.toordinal() - date(1970, 1, 1).toordinal()),
    "clock": ("time", "bigint", "microseconds", st.times(), _of_day),
    "double": ("numeric(9,3)", "double precision", "", DECIMALS, float),
    "digits": ("numeric(9,3)", "text", "", DECIMALS, lambda v: f"{v:.3f}"),
    "unscaled": ("numeric(9,3)", "bytea", "", DECIMALS, lambda v: int(v.scaleb(3)).to_bytes(8, signed=True)),
    "flag": ("boolean", "smallint", "", st.booleans(), int),
    "base64": ("bytea", "text", "base64", st.binary(max_size=9), lambda v: base64.urlsafe_b64encode(v).decode()),
    "hex": ("bytea", "text", "hex", st.binary(max_size=9), bytes.hex),
}  # fmt: skip
"""Type at the source and at the target, how that is written, values, and what Debezium makes of one: by its documentation, in Python."""


@settings(
    max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)
@given(data=st.data(), native=st.booleans(), key=st.sampled_from(["id", "uuid", "micros", "days", "digits"]))
def test_any_values_as_sinks_write_them(sides: Sides, data: st.DataObject, native: bool, key: str) -> None:
    """Exactly the rows are named of which one value stands for another; `native` as in test_properties."""
    makes = [st.none() | one[3] if name != key else one[3] for name, one in WRITTEN.items()]
    place = list(WRITTEN).index(key) if key != "id" else None
    unique = None if place is None else lambda row: row[place]
    rows = data.draw(st.lists(st.tuples(*makes), min_size=2, max_size=8, unique_by=unique))
    there = [[v if v is None else one[4](v) for v, one in zip(row, WRITTEN.values(), strict=True)] for row in rows]
    name = data.draw(st.sampled_from([name for name in WRITTEN if name != key]))
    _, _, _, values, write = WRITTEN[name]
    at = list(WRITTEN).index(name)
    changed = write(data.draw(values))
    differs = changed != there[0][at]
    there[0][at] = changed
    columns, others = (", ".join(f"{n} {one[side]}" for n, one in WRITTEN.items()) for side in (0, 1))
    sides.table(
        "any",
        f"id int, {columns}, PRIMARY KEY ({key})",
        [(i, *row) for i, row in enumerate(rows)],
        [(i, *row) for i, row in enumerate(there)],
        target_columns=f"id int, {others}, PRIMARY KEY ({key})",
    )
    with patch.object(Calibration, "hashes_natively", Calibration.hashes_natively if native else lambda *_: False):
        result = sides.result("any", written_as={n: one[2] for n, one in WRITTEN.items() if one[2]})
    assert (result.error, result.not_compared) == ("", ())
    assert [(one.word, one.columns) for one in result.differences] == ([("changed", (name,))] if differs else [])

"""Columns as real sinks write them: the same data matches, and one value changed in any column is named."""

from __future__ import annotations

import pytest

from cdcproof.reconcile.result import TableStatus
from cdcproof.reconcile.strategy import Strategy
from tests.reconcile.sides import Sides

pytest_plugins = ["tests.postgres_server"]
pytestmark = pytest.mark.parametrize("strategy", Strategy, scope="module")

UTC = "timestamptz '2024-01-01 00:00Z' + g * interval '90 min 0.25 s'"
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
    "z_iso": ("timestamptz", UTC, "text", f"""to_char(({UTC}) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""),
    "z_iso_east": (
        "timestamptz",
        UTC,
        "text",
        f"""to_char(({UTC}) AT TIME ZONE 'Asia/Kolkata', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+05:30"')""",
    ),
    "z_plain": ("timestamptz", UTC, "timestamp", f"({UTC}) AT TIME ZONE 'UTC'"),
    "z_micros": ("timestamptz", UTC, "bigint", MICROS.format(f"({UTC})")),
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


def test_a_narrower_column_without_a_difference_is_no_cause(sides: Sides) -> None:
    sides.table("n", "id int PRIMARY KEY, v varchar(20)", [(1, "a")], [(1, "a")], target_columns="id int PRIMARY KEY, v varchar(3)")  # fmt: skip
    assert (sides.result("n").status, sides.result("n").causes) == (TableStatus.MATCH, ())

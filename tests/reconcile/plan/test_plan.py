"""Which columns meet, in which forms, by which key and in which chunks, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cdcproof.core.errors import UnexpectedAnswerError
from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking
from cdcproof.databases.values.types import Form, Kind
from cdcproof.reconcile.plan.chunking import MOST_CHUNKS, chunked
from cdcproof.reconcile.plan.columns import Structure, TablePair
from cdcproof.reconcile.plan.plan import Plan, plan, pushed_down, without

DBO, PUBLIC = TableName("dbo", "t"), TableName("public", "t")


def _column(name: str, type_name: str, nullable: bool = True, **more: Any) -> Column:
    return Column(name, type_name, nullable, **more)


ID, TARGET_ID = _column("Id", "int", nullable=False), _column("id", "integer", nullable=False)


def _plan(
    source: tuple[Column, ...],
    target: tuple[Column, ...],
    source_key: tuple[str, ...] = ("Id",),
    target_key: tuple[str, ...] = ("id",),
    **more: Any,
) -> Plan:
    return plan(
        TablePair("t", DBO, PUBLIC, **more),
        Structure("sqlserver", DBO, source, source_key),
        Structure("postgresql", PUBLIC, target, target_key),
    )


def _names(found: Plan) -> tuple[list[str], list[str]]:
    return [t.column.name for t in found.source.columns], [t.column.name for t in found.target.columns]


def test_columns_meet_by_name_in_any_case_in_one_form_and_the_key_comes_first() -> None:
    found = _plan((_column("Name", "nvarchar", length=20), ID), (TARGET_ID, _column("name", "text")))
    assert _names(found) == (["Id", "Name"], ["id", "name"])
    assert found.names == ("Id", "Name")
    assert found.source.forms == found.target.forms == (Form(Kind.INTEGER, precision=10), Form(Kind.TEXT, long=True))
    assert (found.source.key_width, found.multiset) == (1, False)
    assert (found.not_compared, found.lossy, found.absent_at_target) == ((), (), ())


def test_an_exact_name_is_preferred_and_an_ambiguous_one_not_guessed() -> None:
    exact = _plan((ID, _column("a", "int")), (TARGET_ID, _column("A", "integer"), _column("a", "integer")))
    assert _names(exact)[1] == ["id", "a"]
    unclear = _plan((ID, _column("aB", "int")), (TARGET_ID, _column("AB", "integer"), _column("ab", "integer")))
    assert unclear.absent_at_target == ("aB",)


def test_a_renamed_column_meets_its_new_name_whoever_else_has_the_old_one() -> None:
    found = _plan(
        (ID, _column("no", "int"), _column("number", "int")),
        (TARGET_ID, _column("number", "integer"), _column("no", "integer")),
        rename={"no": "number", "number": "no"},
    )
    assert _names(found) == (["Id", "no", "number"], ["id", "number", "no"])


def test_what_is_left_out_is_named_with_its_reason() -> None:
    found = _plan(
        (
            ID,
            _column("doc", "geometry"),
            _column("version", "timestamp"),
            _column("total", "int", computed=True),
            _column("made", "time"),
            _column("email", "nvarchar"),
            _column("photo", "varbinary"),
            _column("upper", "varchar"),
            _column("odd", "what"),
        ),
        (
            TARGET_ID,
            _column("doc", "text"),
            _column("made", "date"),
            _column("photo", "bytea"),
            _column("loaded_at", "date"),
            _column("batch", "integer"),
            _column("upper", "text", computed=True),
        ),
        exclude=("photo", "batch"),
    )
    assert found.not_compared == (
        "doc (geometry: Debezium does not carry CLR types as they are)",
        "version (timestamp: rowversion: every server counts its own)",
        "total (computed)",
        "made (time at the source, date at the target)",
        "email (not at the target)",
        "photo (excluded in the pipeline file)",
        "upper (computed at the target)",
        "odd (what: this type is not in the contract)",
        "loaded_at (only at the target)",
        "batch (excluded in the pipeline file)",
    )
    assert found.absent_at_target == ("email",)


def test_a_column_that_the_account_cannot_read_as_it_is_is_left_out_and_no_key() -> None:
    masked = {"withheld": "masked for this account"}
    found = _plan(
        (ID, _column("name", "nvarchar", **masked), _column("mail", "nvarchar")),
        (TARGET_ID, _column("name", "text"), _column("mail", "text", **masked)),
    )
    assert found.not_compared == ("name (masked for this account)", "mail (at the target masked for this account)")
    with pytest.raises(UnexpectedAnswerError) as raised:
        _plan(
            (_column("Id", "int", nullable=False, **masked), _column("mail", "nvarchar")),
            (TARGET_ID, _column("mail", "text")),
        )
    assert "cannot be compared by its key: Id" in raised.value.message
    assert "Id (masked for this account)" in raised.value.remedy


def test_what_is_compared_for_less_than_it_holds_is_named_with_the_rule() -> None:
    found = _plan(
        (ID, _column("at", "datetime2"), _column("share", "float")),
        (TARGET_ID, _column("at", "timestamp without time zone"), _column("share", "double precision")),
    )
    assert found.lossy == (
        "at (datetime2: the seventh digit does not arrive: rounded half up to microseconds)",
        "share (double precision: every NaN is the same NaN)",
    )


def test_the_declared_key_comes_before_the_sources_and_the_targets() -> None:
    columns = (ID, _column("code", "varchar"))
    target = (TARGET_ID, _column("code", "text"))
    assert _plan(columns, target, key=("code",)).names[0] == "code"
    assert _plan(columns, target, key=("CODE",)).names[0] == "code"
    assert _plan(columns, target).names[0] == "Id"
    assert _plan(columns, target, source_key=(), target_key=("code",)).names[0] == "code"
    assert _plan(columns, target, source_key=(), target_key=("code", "elsewhere")).multiset


def test_without_a_key_whole_rows_are_compared_an_integer_first() -> None:
    found = _plan((_column("code", "varchar"), ID), (_column("code", "text"), TARGET_ID), (), ())
    assert (found.multiset, found.names, found.source.key_width) == (True, ("Id", "code"), 2)
    loose = _plan((_column("code", "varchar"), ID), (_column("code", "text"), _column("id", "integer")), (), ())
    assert loose.names == ("code", "Id")
    assert loose.range_column is None


def test_a_key_that_cannot_be_compared_is_an_error_that_names_it() -> None:
    with pytest.raises(UnexpectedAnswerError, match="by its key: nonsense"):
        _plan((ID,), (TARGET_ID,), key=("nonsense",))
    with pytest.raises(UnexpectedAnswerError, match="by its key: Id"):
        _plan((ID, _column("a", "int")), (_column("id", "json"), _column("a", "integer")))


def test_tables_without_a_common_column_are_an_error() -> None:
    with pytest.raises(UnexpectedAnswerError, match="no column that can be compared"):
        _plan((_column("a", "int"),), (_column("b", "integer"),), (), ())


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"exclude": ("phto",)}, "exclude names the column phto"),
        ({"rename": {"nu": "id"}}, "rename names the column nu"),
        ({"rename": {"Id": "nu"}}, "rename names the column nu"),
    ],
)
def test_a_name_that_no_column_has_is_an_error_not_ignored(more: dict[str, Any], told: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match=told):
        _plan((ID,), (TARGET_ID,), **more)


def test_each_side_has_its_own_filter() -> None:
    found = _plan((ID,), (TARGET_ID,), source_filter="a = 1", target_filter="b = 2")
    assert (found.source.predicate, found.target.predicate) == ("a = 1", "b = 2")


def _chunks(rows: int, *ranges: tuple[int, int] | None, **more: Any) -> Chunking:
    found = chunked(_plan((ID, _column("b", "int")), (TARGET_ID, _column("b", "integer")), **more), rows, ranges)
    assert found.source.chunking == found.target.chunking
    return found.source.chunking


def _number(chunking: Chunking, low: int, high: int) -> int:
    return high // chunking.width - low // chunking.width + 1


def test_an_integer_key_is_divided_into_ranges_of_about_a_hundred_rows() -> None:
    assert _chunks(10_000, (1, 10_000), (1, 9_000)).width == 100
    assert _chunks(10_000, (1, 20_000), None).width == 200


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        (50_000_000, 1, 50_000_000),
        (15_000_000, 1, 150_000),
        (10**9, -(2**63), 2**63 - 1),
        (0, 1, 10**12),
        (0, 0, 2**63 - 1),
    ],
)
def test_there_are_never_many_more_chunks_than_memory_is_for(rows: int, low: int, high: int) -> None:
    assert MOST_CHUNKS // 2 < _number(_chunks(rows, (low, high)), low, high) <= MOST_CHUNKS + 2


def test_a_width_can_be_divided_by_as_a_bigint() -> None:
    assert 0 < _chunks(5, (-(2**63), 2**63 - 1)).width < 2**63


def test_rows_that_few_values_cannot_tell_apart_and_other_keys_are_put_in_buckets() -> None:
    assert _chunks(1_000_000, (1, 10)) == Chunking(columns=1, buckets=10_000)
    assert _chunks(1_000_000, (1, 1_000)).width == 1
    found = _plan((_column("code", "varchar"), ID), (_column("code", "text"), TARGET_ID), ("code", "Id"), ())
    assert chunked(found, 250_000).target.chunking == Chunking(columns=2, buckets=2_500)
    assert chunked(found, 0).target.chunking.buckets == MOST_CHUNKS


def test_no_rows_have_one_chunk() -> None:
    assert _chunks(0, None, None).width == 1


def test_a_column_that_turns_out_not_to_be_comparable_is_taken_out_by_name() -> None:
    whole = _plan(
        (ID, _column("b", "int"), _column("c", "int")), (TARGET_ID, _column("b", "integer"), _column("c", "integer"))
    )
    assert without(whole, {}) is whole
    less = without(whole, {"b": "int: the servers tell it differently"})
    assert _names(less) == (["Id", "c"], ["id", "c"])
    assert (less.names, less.not_compared) == (("Id", "c"), ("b (int: the servers tell it differently)",))
    with pytest.raises(UnexpectedAnswerError, match=r"without Id \(why\)"):
        without(whole, {"Id": "why"})


def test_a_key_that_a_server_cannot_hash_may_still_be_streamed() -> None:
    whole = replace(
        _plan((ID, _column("b", "int")), (TARGET_ID, _column("b", "integer"))), unhashed={"Id": "no hash of it"}
    )
    with pytest.raises(UnexpectedAnswerError) as raised:
        pushed_down(whole)
    assert "Let the table be streamed" in raised.value.remedy


def test_a_multiset_without_a_column_is_a_narrower_one() -> None:
    whole = _plan((ID, _column("b", "int")), (TARGET_ID, _column("b", "integer")), (), ())
    assert without(whole, {"Id": "why"}).source.key_width == 1
    with pytest.raises(UnexpectedAnswerError, match="without"):
        without(whole, {"Id": "why", "b": "why"})

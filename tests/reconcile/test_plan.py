"""Which columns meet, by which key, and what is left out."""

from __future__ import annotations

import pytest

from cdcproof.databases.base import Column, TableName
from cdcproof.errors import UnexpectedAnswerError
from cdcproof.reconcile.plan import Structure, plan


def _source(*columns: Column, key: tuple[str, ...] = ("Id",)) -> Structure:
    return Structure("sqlserver", TableName("dbo", "t"), columns, key)


def _target(*columns: Column, key: tuple[str, ...] = ("id",)) -> Structure:
    return Structure("postgresql", TableName("public", "t"), columns, key)


def _column(name: str, type_name: str, computed: bool = False) -> Column:
    return Column(name, type_name, nullable=True, computed=computed)


ID, TARGET_ID = _column("Id", "int"), _column("id", "integer")


def test_columns_meet_by_name_in_any_case_and_the_key_comes_first() -> None:
    found = plan(_source(_column("Name", "nvarchar"), ID), _target(TARGET_ID, _column("name", "text")))
    assert [c.name for c in found.source] == ["Id", "Name"]
    assert [c.name for c in found.target] == ["id", "name"]
    assert (found.key_width, found.not_compared, found.absent_at_target) == (1, (), ())


def test_an_exact_name_is_preferred_and_an_ambiguous_one_not_guessed() -> None:
    exact = plan(_source(ID, _column("a", "int")), _target(TARGET_ID, _column("A", "integer"), _column("a", "integer")))
    assert [c.name for c in exact.target] == ["id", "a"]
    unclear = plan(
        _source(ID, _column("aB", "int")), _target(TARGET_ID, _column("AB", "integer"), _column("ab", "integer"))
    )
    assert unclear.absent_at_target == ("aB",)


def test_what_is_left_out_is_named_with_its_reason() -> None:
    found = plan(
        _source(
            ID,
            _column("photo", "xml"),
            _column("version", "timestamp"),
            _column("total", "int", computed=True),
            _column("made", "datetime2"),
            _column("email", "nvarchar"),
        ),
        _target(TARGET_ID, _column("photo", "xml"), _column("made", "bigint"), _column("loaded_at", "date")),
    )
    assert found.not_compared == (
        "photo (xml: not compared)",
        "version (rowversion: every server counts its own)",
        "total (computed: not compared)",
        "made (datetime2 at the source, bigint at the target: not compared)",
        "email (not at the target)",
        "loaded_at (only at the target: not compared)",
    )
    assert found.absent_at_target == ("email",)


def test_the_declared_key_comes_before_the_sources_and_the_targets() -> None:
    columns = (ID, _column("code", "varchar"))
    target = _target(TARGET_ID, _column("code", "text"))
    assert plan(_source(*columns), target, ("code",)).source[0].name == "code"
    assert plan(_source(*columns), target).source[0].name == "Id"
    assert plan(_source(*columns, key=()), _target(*target.columns, key=("code",))).source[0].name == "code"
    assert plan(_source(*columns, key=()), _target(*target.columns, key=())).key_width == 0


def test_a_key_that_cannot_be_compared_is_an_error_that_names_it() -> None:
    with pytest.raises(UnexpectedAnswerError, match="by its key: nonsense"):
        plan(_source(ID), _target(TARGET_ID), ("nonsense",))
    with pytest.raises(UnexpectedAnswerError, match="by its key: Id"):
        plan(_source(ID), _target(_column("id", "json")))


def test_tables_without_a_common_column_are_an_error() -> None:
    with pytest.raises(UnexpectedAnswerError, match="no column that can be compared"):
        plan(_source(_column("a", "int"), key=()), _target(_column("b", "integer"), key=()))

"""What a comparison of contents comes to, whole results."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import Chunking, ColumnRead, Row, TableRead
from cdcproof.databases.values.canonical import encode
from cdcproof.databases.values.types import ENCODED_BY_HASH, Form, Kind
from cdcproof.reconcile.differences import Difference, Differences
from cdcproof.reconcile.in_flight.fence import Crossing
from cdcproof.reconcile.in_flight.settle import Settled
from cdcproof.reconcile.plan.columns import LeftOut
from cdcproof.reconcile.plan.plan import Plan
from cdcproof.reconcile.report.result import KeyDifference, TableResult, TableStatus
from cdcproof.reconcile.report.verdict import Rows, judged

ID, TEXT = Form(Kind.INTEGER), Form(Kind.TEXT)


def _scan(name: str, text: Column, form: Form = TEXT) -> TableRead:
    columns = (ColumnRead(Column("id", "bigint", False), ID), ColumnRead(text, form))
    return TableRead(TableName("s", name), columns, 1, Chunking(width=10))


def _plan(**more: Any) -> Plan:
    name = Column("name", "character varying", True, length=20)
    return Plan(_scan("orders", name), _scan("orders", name), multiset=False, names=("id", "name"), columns=2, **more)


def _row(key: int | None, text: str | None, version: bytes = b"") -> Row:
    return Row(version, (_id(key), None if text is None else encode(TEXT, text)))


def _id(key: int | None) -> bytes | None:
    return None if key is None else encode(ID, key)


def _missing(key: int | None, text: str = "a") -> Difference:
    return Difference((_id(key),), (_row(key, text),), ())


def _changed(key: int, ours: str, theirs: str) -> Difference:
    return Difference((_id(key),), (_row(key, ours),), (_row(key, theirs),))


GHOST = Difference((_id(30),), (), (_row(30, "a"), _row(30, "b")))


def _judged(
    plan: Plan,
    *confirmed: Difference,
    beyond: dict[str, int] | None = None,
    moving: int = 0,
    crossings: tuple[Crossing, ...] = (),
    key_limit: int = 100,
    unseen: tuple[str, ...] = (),
) -> TableResult:
    found = Differences(100, beyond=Counter(beyond or {}))
    settled = Settled(confirmed, moving, crossings)
    return judged("orders", plan, Rows(1_000, 998), found, settled, unseen=unseen, key_limit=key_limit)


MATCH = TableResult(
    "orders",
    TableStatus.MATCH,
    source_rows=1_000,
    target_rows=1_000,
    checksums_match=True,
    missing_at_target=0,
    extra_at_target=0,
    changed=0,
    columns_compared=2,
    columns=2,
    method="none needed",
)


def test_nothing_differs() -> None:
    """The target's rows are counted as they are once what was in flight has arrived."""
    assert _judged(_plan()) == MATCH


def test_what_was_left_out_and_what_is_lost_of_it_stands_in_the_result() -> None:
    plan = _plan(
        left_out=(LeftOut("photo", "xml: many texts"),),
        hidden_rows=("rows that p hides from the source's account, if any",),
        row_policies=("p",),
        lossy=("at (datetime2: 7 digits)",),
    )
    assert _judged(plan) == replace(
        MATCH,
        not_compared=("photo (xml: many texts)", "rows that p hides from the source's account, if any"),
        row_policies=("p",),
        lossy=("at (datetime2: 7 digits)",),
    )


def test_with_columns_unseen_or_rows_hidden_it_is_no_match() -> None:
    assert _judged(_plan(), unseen=("photo",)) == replace(MATCH, status=TableStatus.INCOMPLETE, unseen=("photo",))
    assert _judged(_plan(may_lack_rows=True)) == replace(MATCH, status=TableStatus.INCOMPLETE)
    assert _judged(_plan(may_lack_rows=True), _missing(1), unseen=("photo",)).status is TableStatus.MISMATCH
    assert _judged(_plan(may_lack_rows=True), moving=1).status is TableStatus.ERROR


def test_differences_are_counted_and_named_in_the_order_of_their_keys() -> None:
    crossings = (Crossing("position", "0/1A", 1.0), Crossing("timer", "", 1.0), Crossing("position", "0/2B", 1.0))
    confirmed = (_missing(20), GHOST, _missing(-3), _changed(5, "a", "b"), _missing(256), _missing(None))
    assert _judged(_plan(), *confirmed, crossings=crossings) == TableResult(
        "orders",
        TableStatus.MISMATCH,
        source_rows=1_000,
        target_rows=998,
        checksums_match=False,
        missing_at_target=4,
        extra_at_target=2,
        changed=1,
        example_keys=("missing NULL", "missing -3", "changed 5 (name)", "missing 20", "extra 30", "missing 256"),
        columns_compared=2,
        columns=2,
        method="timer",
        positions=("0/1A", "0/2B"),
        differences=(
            KeyDifference("missing", {"id": None}, (), 1, 0),
            KeyDifference("missing", {"id": "-3"}, (), 1, 0),
            KeyDifference("changed", {"id": "5"}, ("name",), 1, 1),
            KeyDifference("missing", {"id": "20"}, (), 1, 0),
            KeyDifference("extra", {"id": "30"}, (), 0, 2),
            KeyDifference("missing", {"id": "256"}, (), 1, 0),
        ),
    )


def test_no_more_keys_are_named_than_the_limit_and_twenty_are_examples() -> None:
    result = _judged(_plan(), *map(_missing, range(40)), key_limit=25)
    assert [one.key["id"] for one in result.differences] == [str(number) for number in range(25)]
    assert result.example_keys == tuple(f"missing {number}" for number in range(20))
    assert result.missing_at_target == 40


def test_a_key_of_text_is_in_the_order_of_its_letters() -> None:
    scan = _plan().source
    name = Column("name", "character varying", True, length=20)
    plan = replace(
        _plan(),
        source=replace(scan, columns=(ColumnRead(name, TEXT), scan.columns[0])),
        target=replace(scan, columns=(ColumnRead(name, TEXT), scan.columns[0])),
        names=("name", "id"),
    )
    keys = [(encode(TEXT, text),) for text in ("b", "a", "ab", "é")]
    result = _judged(plan, *(Difference(key, (Row(b"", (*key, _id(1))),), ()) for key in keys))
    assert [one.key for one in result.differences] == [{"name": "a"}, {"name": "ab"}, {"name": "b"}, {"name": "é"}]


def test_rows_beyond_memory_count_where_something_is_confirmed_and_are_said_not_to_be() -> None:
    result = _judged(_plan(), _missing(1), beyond={"missing": 10, "extra": 4, "changed": 2})
    assert (result.status, result.checksums_match, result.error) == (TableStatus.MISMATCH, False, "")
    assert (result.missing_at_target, result.extra_at_target, result.changed) == (11, 4, 2)
    assert (result.source_rows, result.target_rows, result.unconfirmed) == (1_000, 993, 16)


@pytest.mark.parametrize(
    ("moving", "beyond", "error"),
    [
        (
            1_234,
            {"missing": 5},
            "1,234 keys that differ changed at the source every time they were looked at: nothing is known about them.\n"
            "Run again when the source is quieter.",
        ),
        (
            0,
            {"missing": 1_200, "changed": 34},
            "1,234 rows differ and were too many to be looked at twice; of the others all had arrived meanwhile.\n"
            "Run again when replication has caught up.",
        ),
    ],
)
def test_what_is_not_known_is_an_error_and_the_counts_are_as_read(
    moving: int, beyond: dict[str, int], error: str
) -> None:
    assert _judged(_plan(), moving=moving, beyond=beyond) == replace(
        MATCH,
        status=TableStatus.ERROR,
        target_rows=998,
        checksums_match=None,
        missing_at_target=None,
        extra_at_target=None,
        changed=None,
        error=error,
    )


def test_keys_that_moved_are_said_beside_differences_that_are_sure() -> None:
    result = _judged(_plan(), _missing(1), moving=1)
    assert result.status is TableStatus.MISMATCH
    assert result.error.startswith("1 keys that differ changed at the source every time")


class TestCauses:
    def test_a_column_that_the_target_does_not_have_is_a_mismatch_without_a_row(self) -> None:
        result = _judged(_plan(absent_at_target=("vat",)))
        assert (result.status, result.checksums_match, result.changed) == (TableStatus.MISMATCH, False, 0)
        assert result.causes == ("1 column is not at the target: vat",)

    def test_columns_with_other_names_there_are_named_with_the_line_that_pairs_them(self) -> None:
        result = _judged(_plan(absent_at_target=("vat", "TaxNo"), rename_hint={"TaxNo": "tax_no"}))
        assert result.causes == (
            "2 columns are not at the target: vat, TaxNo",
            'if they only have other names there, in the pipeline file: rename = { TaxNo = "tax_no" }',
        )

    def test_a_spelling_is_named_once_with_both_types(self) -> None:
        result = _judged(_plan(), _changed(1, "a ", "a"), _changed(2, "b  ", "b"))
        assert result.causes == (
            "name differs only in blanks at the end: character varying(20) at the source, "
            "character varying(20) at the target",
        )

    @pytest.mark.parametrize("long", [False, True])
    def test_a_placeholder_of_debezium_is_named_with_what_ends_it(self, long: bool) -> None:
        text = Column("name", "text", True)
        form = Form(Kind.TEXT, long=long)
        plan = replace(_plan(), source=_scan("orders", text, form), target=_scan("orders", text, form))
        held, other, source = (
            Row(b"", (_id(1), encode(form, value))) for value in ("__debezium_unavailable_value", "b", "a large text")
        )
        differences = [Difference((_id(n),), (source,), (row,)) for n, row in enumerate((held, held, other, other))]
        assert _judged(plan, *differences).causes == (
            "name holds __debezium_unavailable_value at the target in 2 rows: the log does not have a large value that an UPDATE "
            "leaves alone. Give s.orders REPLICA IDENTITY FULL at the source, then repair the rows (cdcproof reconcile repair)",
        )
        assert _judged(plan, differences[2]).causes == ()

    def test_a_change_that_nobody_knows_the_cause_of_has_none(self) -> None:
        assert _judged(_plan(), _changed(1, "a", "b")).causes == ()

    def test_rows_at_one_side_have_no_spelling_of_a_column(self) -> None:
        assert _judged(_plan(), _missing(1, "a "), GHOST).causes == ()

    def test_a_suspect_column_is_named_where_it_differs(self) -> None:
        plan = _plan(suspects={"name": "name: collations differ", "id": "id: never seen"})
        assert _judged(plan, _changed(1, "a", "b")).causes == ("name: collations differ",)
        assert _judged(plan, _missing(1)).causes == ("id: never seen",)
        assert _judged(plan).causes == ()

    def test_without_a_key_rows_at_one_side_are_of_all_columns(self) -> None:
        plan = replace(_plan(suspects={"name": "name: collations differ"}), multiset=True)
        forms = (_id(1), encode(TEXT, "a"))
        result = _judged(plan, Difference(forms, (Row(b"", forms),), ()))
        assert result.causes == ("name: collations differ",)
        (named,) = result.differences
        assert (named.word, named.key, named.columns, named.source_rows, named.target_rows) == (
            "missing",
            {},
            (),
            1,
            0,
        )
        frame = b"\0\0\0\x02\0\0\0\x14\0\0\0\x08\0\0\0\0\0\0\0\x01\0\0\0\x19\0\0\0\x01a"
        assert named.row == hashlib.md5(frame).hexdigest() == "8bd7813776ed621d5eda2de25fcee5ca"

    def test_a_narrower_column_is_a_cause_only_of_values_that_it_cannot_hold(self) -> None:
        narrow = Column("name", "character varying", True, length=3)
        plan = _plan(narrower={"name": "name is narrower at the target: 20 and 3"})
        plan = replace(plan, target=_scan("orders", narrow))
        assert _judged(plan, _changed(1, "abcd", "abc")).causes == ("name is narrower at the target: 20 and 3",)
        assert _judged(plan, _changed(1, "abc", "xyz")).causes == ()
        assert _judged(plan, _missing(1, "abcd")).causes == ()  # the row is missing, not its text cut

    def test_a_spelling_that_is_known_says_more_than_that_the_column_is_narrower(self) -> None:
        narrow = Column("name", "character varying", True, length=3)
        plan = replace(
            _plan(narrower={"name": "name is narrower at the target: 20 and 3"}), target=_scan("orders", narrow)
        )
        assert _judged(plan, _changed(1, "abc ", "abc")).causes == (
            "name differs only in blanks at the end: character varying(20) at the source, "
            "character varying(3) at the target",
        )

    def test_a_long_value_known_by_its_hash_alone_is_longer_than_a_narrower_column_holds(self) -> None:
        long, narrow = Form(Kind.TEXT, long=True), Column("name", "character varying", True, length=3)
        wide = Column("name", "text", True)
        plan = replace(
            _plan(narrower={"name": "name is narrower"}),
            source=_scan("orders", wide, long),
            target=_scan("orders", narrow, long),
        )
        ours = Row(b"", (_id(1), ENCODED_BY_HASH + b"0" * 16))
        theirs = Row(b"", (_id(1), encode(long, "abc")))
        assert _judged(plan, Difference((_id(1),), (ours,), (theirs,))).causes == ("name is narrower",)

    @pytest.mark.parametrize(
        ("length", "ours", "causes"),
        [
            (3, encode(Form(Kind.TEXT, long=True), "abc"), ()),
            (300, ENCODED_BY_HASH + b"0" * 16, ("name is narrower",)),
        ],
        ids=["a whole value that it holds", "a value known by its hash, which is longer than its hash"],
    )
    def test_of_a_long_value_it_is_known_whether_it_was_cut(
        self, length: int, ours: bytes, causes: tuple[str, ...]
    ) -> None:
        long = Form(Kind.TEXT, long=True)
        plan = replace(
            _plan(narrower={"name": "name is narrower"}),
            source=_scan("orders", Column("name", "text", True), long),
            target=_scan("orders", Column("name", "character varying", True, length=length), long),
        )
        source, target = Row(b"", (_id(1), ours)), Row(b"", (_id(1), encode(long, "xyz")))
        assert _judged(plan, Difference((_id(1),), (source,), (target,))).causes == causes

    def test_a_short_text_may_begin_as_the_hash_of_a_long_one_does(self) -> None:
        narrow = Column("name", "character varying", True, length=3)
        plan = replace(_plan(narrower={"name": "name is narrower"}), target=_scan("orders", narrow))
        assert _judged(plan, _changed(1, ENCODED_BY_HASH.decode() + "b", "xyz")).causes == ()

    def test_a_key_of_text_in_another_spelling_is_named_once(self) -> None:
        scan, name = _plan().source, Column("name", "character varying", True, length=20)
        side = replace(scan, columns=(ColumnRead(name, TEXT), scan.columns[0]))
        plan = replace(_plan(), source=side, target=side, names=("name", "id"))

        def row(text: str) -> Row:
            return Row(b"", (encode(TEXT, text), _id(1)))

        missing = [Difference(row(text).forms[:1], (row(text),), ()) for text in ("a  ", "b  ")]
        extra = [Difference(row(text).forms[:1], (), (row(text),)) for text in ("a", "b", "c")]
        assert _judged(plan, *missing, *extra).causes == (
            "name differs only in blanks at the end: character varying(20) at the source, "
            "character varying(20) at the target",
        )
        assert _judged(plan, *missing).causes == _judged(plan, *extra).causes == ()

"""The self-proof over a database in memory: whatever a side loses, the mutants that it would hide survive, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from cdcproof.databases.names import Column, TableName
from cdcproof.databases.table_read import ChunkSum, Row, Segment, TableRead
from cdcproof.databases.values.canonical import row_hash
from cdcproof.databases.values.types import Kind
from cdcproof.reconcile.checksums import parts as parts_of_a_table
from cdcproof.reconcile.checksums import table as checksums_of_a_table
from cdcproof.reconcile.checksums.sums import Summing
from cdcproof.reconcile.differences import Key
from cdcproof.reconcile.engine import Options, Run, reconcile
from cdcproof.reconcile.plan.columns import TablePair
from cdcproof.reconcile.report.result import TableResult, TableStatus
from cdcproof.reconcile.self_proof.mutants import Mutant
from cdcproof.reconcile.self_proof.proof import judged_by
from tests.reconcile import fake
from tests.reconcile.canonical_rows import Cell
from tests.reconcile.fake import FakeDatabase, FakeTable, chunk_of
from tests.reconcile.sides import FenceThen, Unwatched

ID = Column("id", "bigint", nullable=False)
NAME, MAIL = (Column(name, "character varying", nullable=True, length=20) for name in ("name", "mail"))
TABLE = FakeTable((ID, NAME, MAIL), ("id",), [(number, f"n{number}", "m") for number in range(30)])
NOT_OF_TEXT = {Mutant.MICROSECOND, Mutant.MONEY, Mutant.NULL_FOR_ZERO}


@dataclass
class Lossy(FakeDatabase):
    """A side that makes something else of a row's forms wherever it reads one."""

    loses: Callable[[Row, TableRead], Row] = lambda row, _: row

    def _rows(self, held: FakeTable, scan: TableRead, segment: Segment = Segment()) -> list[Row]:  # noqa: B008  data only
        return [self.loses(row, scan) for row in super()._rows(held, scan, segment)]


def compared(source: FakeDatabase, target: FakeDatabase, **more: object) -> TableResult:
    run = Run(
        source.endpoint(),
        target.endpoint(),
        lambda _: FenceThen(),
        Options(validate_checksums=True),
        Unwatched(),
    )
    name = TableName("public", "t")
    (result,) = reconcile(run, [TablePair("t", name, name, **more)])  # type: ignore[arg-type]
    return result


def survivors(result: TableResult) -> dict[str, tuple[str, ...]]:
    assert result.self_proof
    return {one.mutant: one.columns for one in result.self_proof.mutants if one.result == "survived"}


def of_text(change: Callable[[bytes | None], bytes | None]) -> Callable[[Row, TableRead], Row]:
    """What is lost of texts."""

    def lost(row: Row, scan: TableRead) -> Row:
        pairs = zip(scan.forms, row.forms, strict=True)
        return replace_forms(row, [change(part) if form.kind is Kind.TEXT else part for form, part in pairs])

    return lost


def replace_forms(row: Row, forms: list[bytes | None]) -> Row:
    return Row(row.version, tuple(forms))


def test_equal_sides_match_and_every_mutant_that_fits_is_caught() -> None:
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": TABLE}))
    assert result.status is TableStatus.MATCH
    assert result.self_proof
    assert result.self_proof.control == "equal"
    by_result = {one.mutant: one.result for one in result.self_proof.mutants}
    assert by_result == {mutant: "not applicable" if mutant in NOT_OF_TEXT else "caught" for mutant in Mutant}


@pytest.mark.parametrize("side", ["source", "target", "both"])
@pytest.mark.parametrize(
    ("loses", "hidden"),
    [
        (of_text(lambda part: part and part.rstrip(b" ")), {Mutant.TRAILING_BLANK}),
        (of_text(lambda part: part and part.lower()), {Mutant.LETTER_CASE}),
        (of_text(lambda part: part or b""), {Mutant.NULL_FOR_EMPTY}),
    ],
    ids=["rtrim", "lower", "coalesce"],
)
def test_what_a_side_loses_is_not_checked(
    side: str, loses: Callable[[Row, TableRead], Row], hidden: set[Mutant]
) -> None:
    sides = {name: FakeDatabase({"t": TABLE}) for name in ("source", "target")}
    for name in sides if side == "both" else [side]:
        sides[name] = Lossy({"t": TABLE}, loses=loses)
    result = compared(**sides)
    assert survivors(result) == dict.fromkeys(hidden, ("name", "mail"))
    assert result.status is TableStatus.ERROR
    assert result.checksums_match is None
    assert f"{next(iter(hidden))} (name, mail)" in result.error


def test_a_column_that_is_in_no_sum_is_named() -> None:
    def without_mail(row: Row, scan: TableRead) -> Row:
        return replace_forms(row, [*row.forms[:2], b"m"])

    @dataclass
    class Blind(FakeDatabase):
        def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
            with_rows = Lossy(self.tables_held, loses=without_mail)
            return FakeDatabase.chunk_sums(with_rows, scan, segment)

    result = compared(Blind({"t": TABLE}), Blind({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert {columns for mutant, columns in survivors(result).items() if mutant != Mutant.SWAPPED_COLUMNS} == {("mail",)}
    assert Mutant.STALE in survivors(result)


def test_rows_that_are_compared_by_value_without_a_column_are_not_checked() -> None:
    @dataclass
    class Blind(FakeDatabase):
        @contextmanager
        def chunk_rows(self, scan: TableRead, chunks: list[int]) -> Iterator[Iterator[Row]]:  # type: ignore[override]
            with super().chunk_rows(scan, chunks) as rows:
                yield (replace_forms(row, [*row.forms[:2], b"m"]) for row in rows)

    result = compared(Blind({"t": TABLE}), Blind({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert survivors(result)[Mutant.STALE] == ("mail",)


def test_sums_without_carry_are_not_checked() -> None:
    @dataclass
    class Xor(FakeDatabase):
        def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
            sums: dict[int, tuple[int, int]] = {}
            for chunk, rows, hashed in super().chunk_sums(scan, segment):
                so_far = sums.get(chunk, (0, 0))
                sums[chunk] = so_far[0] + rows, so_far[1] ^ hashed
            return (ChunkSum(chunk, *both) for chunk, both in sums.items())

    result = compared(Xor({"t": TABLE}), Xor({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert survivors(result) == {Mutant.DOUBLED: ()}


@dataclass
class NarrowedOffByOne(FakeDatabase):
    """Where chunks that differ are summed up again, the first or the last key of each is left out."""

    first: int = 0
    last: int = 0

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        ranges = scan.chunking.ranges(chunks)
        for found in super().sums_of_chunks(scan, chunks, width):
            if any(low + self.first <= found.chunk * width <= high - self.last for low, high in ranges):
                yield found


@dataclass
class NarrowedBlindly(FakeDatabase):
    """Where chunks that differ are summed up again, the last column is in no sum."""

    def sums_of_chunks(self, scan: TableRead, chunks: Sequence[int], width: int) -> Iterator[ChunkSum]:
        return FakeDatabase.sums_of_chunks(Lossy(self.tables_held, loses=without_the_last), scan, chunks, width)


@pytest.mark.parametrize(
    ("kind", "more"),
    [(NarrowedOffByOne, {"first": 1}), (NarrowedOffByOne, {"last": 1}), (NarrowedBlindly, {})],
    ids=["first", "last", "blind"],
)
def test_what_only_narrowing_loses_is_not_checked(kind: type[FakeDatabase], more: dict[str, int]) -> None:
    """Chunks of which nothing is left when they are summed up again pass for chunks that were in flight."""
    result = compared(*(kind({"t": TABLE}, **more) for _ in range(2)))  # type: ignore[arg-type]
    assert result.status is TableStatus.ERROR
    assert survivors(result)


def test_sums_of_columns_by_themselves_let_rows_exchange_values() -> None:
    @dataclass
    class ByColumn(FakeDatabase):
        def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
            for row in self._rows(self.tables_held["t"], scan, segment):
                hashed = sum(row_hash(b"%d %r" % (place, part)) for place, part in enumerate(row.forms))
                yield ChunkSum(chunk_of(row, scan), 1, hashed)

    result = compared(ByColumn({"t": TABLE}), ByColumn({"t": TABLE}))
    assert survivors(result) == {Mutant.SWAPPED_ROWS: ("name", "mail")}
    assert result.status is TableStatus.ERROR


def test_a_chunk_that_is_never_read_is_not_checked() -> None:
    @dataclass
    class Hasty(FakeDatabase):
        def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
            return iter(list(super().chunk_sums(scan, segment))[:-1])

    result = compared(Hasty({"t": TABLE}), Hasty({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "not read whole"
    assert "not all read" in result.error


def test_a_last_part_that_is_never_read_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums_of_a_table, "divided", lambda *sides: parts_of_a_table.divided(*sides)[:-1])
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "not read whole"


@pytest.fixture
def four_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side is read in parts of eight rows."""
    monkeypatch.setattr(fake, "ROWS_PER_SEGMENT", 8)


@pytest.mark.usefixtures("four_parts")
def test_sides_in_parts_are_read_whole() -> None:
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": replace(TABLE, rows=TABLE.rows[:-1])}))
    assert result.status is TableStatus.MISMATCH
    assert result.self_proof
    assert result.self_proof.control == "equal"


@pytest.mark.parametrize("skipped", range(4))
@pytest.mark.parametrize("side", ["source", "target", "both"])
@pytest.mark.usefixtures("four_parts")
def test_any_part_that_is_not_read_is_not_checked(monkeypatch: pytest.MonkeyPatch, skipped: int, side: str) -> None:
    """Both sides lack it alike, so that the sums are equal; or one does, and rows that are there look lost."""
    right = parts_of_a_table._Work._whole

    def whole(
        work: parts_of_a_table._Work, summing: Summing, scan: TableRead, segment: Segment | None
    ) -> list[ChunkSum]:
        is_it = segment is not None and (segment.low or 0) == 8 * skipped
        is_side = side == "both" or scan is getattr(work.plan, side)
        return [] if is_it and is_side else right(work, summing, scan, segment)

    monkeypatch.setattr(parts_of_a_table._Work, "_whole", whole)
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "not read whole"


@pytest.mark.usefixtures("four_parts")
def test_a_part_that_nobody_takes_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_of_a_table._Work, "_add", lambda *_: None)
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": TABLE}))
    assert (result.status, result.error.splitlines()[0]) == (TableStatus.ERROR, "4 of 4 parts were not read.")


@pytest.mark.parametrize("kept", [slice(1, None), slice(None, -1), slice(None, None, 2), slice(0, 0)])
@pytest.mark.usefixtures("four_parts")
def test_parts_with_a_gap_between_them_are_not_checked(monkeypatch: pytest.MonkeyPatch, kept: slice) -> None:
    monkeypatch.setattr(checksums_of_a_table, "divided", lambda *sides: parts_of_a_table.divided(*sides)[kept])
    result = compared(FakeDatabase({"t": TABLE}), FakeDatabase({"t": TABLE}))
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "not read whole"


def test_a_difference_that_was_seen_stays_one_and_says_that_there_may_be_more() -> None:
    def other(database: type[FakeDatabase], **more: object) -> FakeDatabase:
        rows = [*TABLE.rows[:-1], (29, "another", "m")]
        return database({"t": replace(TABLE, rows=rows)}, **more)  # type: ignore[arg-type]

    lower = of_text(lambda part: part and part.lower())
    result = compared(Lossy({"t": TABLE}, loses=lower), other(Lossy, loses=lower))
    assert (result.status, result.changed) == (TableStatus.MISMATCH, 1)
    assert "there may be more differences" in result.causes[-1]


def test_rows_that_are_equal_and_seen_as_different_are_no_difference() -> None:
    blank = of_text(lambda part: part and part + b" ")
    result = compared(FakeDatabase({"t": TABLE}), Lossy({"t": TABLE}, loses=blank))
    assert result.status is TableStatus.ERROR
    assert result.self_proof
    assert result.self_proof.control == "different"
    assert "seen as different" in result.error


def test_a_filter_does_not_hide_what_is_planted() -> None:
    sides = [
        FakeDatabase({"t": TABLE}, predicates={"id < 3": lambda cells: isinstance(cells[0], int) and cells[0] < 3})
        for _ in range(2)
    ]
    result = compared(*sides, source_filter="id < 3", target_filter="id < 3")
    assert (result.status, result.source_rows) == (TableStatus.MATCH, 3)


@pytest.mark.parametrize(
    "columns",
    [
        (ID,),
        (replace(ID, name="a", type="smallint"), replace(ID, name="b"), NAME),
        (replace(NAME, nullable=False, length=1), MAIL),
        (replace(NAME, nullable=False), replace(MAIL, nullable=False, length=1)),
        (replace(NAME, nullable=False, length=None), replace(MAIL, length=None)),
    ],
    ids=["only a key", "two numbers", "a letter", "two texts", "long texts"],
)
@pytest.mark.parametrize("keyed", [True, False], ids=["key", "no key"])
def test_equal_tables_of_any_key_match_and_every_mutant_is_caught(columns: tuple[Column, ...], keyed: bool) -> None:
    key = tuple(column.name for column in columns if not column.nullable) if keyed else ()
    row: tuple[Cell, ...] = tuple(1 if column.type.endswith("int") else "x" for column in columns)
    table = FakeTable(columns, key, [row])
    result = compared(FakeDatabase({"t": table}), FakeDatabase({"t": table}))
    assert (result.status, result.error) == (TableStatus.MATCH, "")
    assert result.self_proof
    assert result.self_proof.control == "equal"
    assert Mutant.DROPPED in {one.mutant for one in result.self_proof.mutants if one.result == "caught"}


WIDE = {
    "a key": (ID, ("id",)),
    "a key of buckets": (replace(NAME, name="code", nullable=False), ("code",)),
    "no key": (ID, ()),
    "no key and no ranges": (replace(NAME, name="code", nullable=True), ()),
}


def _wide(number: int, of: str) -> dict[str, FakeTable]:
    first, key = WIDE[of]
    return {"t": FakeTable((first, *(replace(NAME, name=f"c{place}") for place in range(number))), key, [])}


@dataclass
class BlindInSums(FakeDatabase):
    def chunk_sums(self, scan: TableRead, segment: Segment) -> Iterator[ChunkSum]:
        return FakeDatabase.chunk_sums(Lossy(self.tables_held, loses=without_the_last), scan, segment)


@dataclass
class BlindByValue(FakeDatabase):
    @contextmanager
    def chunk_rows(self, scan: TableRead, chunks: list[int]) -> Iterator[Iterator[Row]]:  # type: ignore[override]
        with super().chunk_rows(scan, chunks) as rows:
            yield (without_the_last(row, scan) for row in rows)


@dataclass
class BlindByKey(FakeDatabase):
    def rows_by_key(self, scan: TableRead, keys: Sequence[Key], *, as_written: bool = False) -> Iterator[Row]:
        rows = super().rows_by_key(scan, keys, as_written=as_written)
        return (without_the_last(row, scan) for row in rows)


def without_the_last(row: Row, _: TableRead) -> Row:
    return replace_forms(row, [*row.forms[:-1], b""])


@pytest.mark.parametrize("of", WIDE)
def test_each_column_of_a_wide_table_has_a_row_of_its_own_and_few_more(of: str) -> None:
    held = _wide(60, of)
    result = compared(FakeDatabase(held), FakeDatabase(held))
    assert (result.status, result.error) == (TableStatus.MATCH, "")
    assert result.self_proof
    assert 60 < result.self_proof.planted <= 60 + 60


@pytest.mark.parametrize("blind", [BlindInSums, BlindByValue, BlindByKey])
@pytest.mark.parametrize("of", WIDE)
def test_a_column_of_a_wide_table_that_is_lost_anywhere_is_named(of: str, blind: type[FakeDatabase]) -> None:
    result = compared(blind(_wide(60, of)), blind(_wide(60, of)))
    assert result.status is TableStatus.ERROR
    lost = survivors(result)[Mutant.STALE]
    if WIDE[of][1]:
        assert lost == ("c59",)
    else:  # all columns are the key there, so that no row is found
        assert "c59" in lost


@pytest.mark.parametrize("of", WIDE)
def test_the_cost_of_a_wide_table_grows_with_its_columns_not_with_their_square(of: str) -> None:
    """As many statements for twice the columns, and no more than twice the values that are asked for by key."""
    asked: list[str] = []
    values_by_key: list[int] = []

    @dataclass
    class Counting(FakeDatabase):
        def rows_by_key(self, scan: TableRead, keys: Sequence[Key], *, as_written: bool = False) -> Iterator[Row]:
            values_by_key.append(len(keys) * scan.key_width)
            return super().rows_by_key(scan, keys, as_written=as_written)

    def cost(number: int) -> tuple[int, int]:
        asked.clear()
        values_by_key.clear()
        held = _wide(number, of)
        result = compared(*(Counting(held, before=asked.append) for _ in range(2)))
        assert result.status is TableStatus.MATCH
        assert result.self_proof
        assert result.self_proof.planted > number
        return sum(name.startswith("planted") for name in asked), sum(values_by_key)

    (statements, values), (of_twice, values_of_twice) = cost(100), cost(200)
    assert of_twice == statements < 50
    assert values_of_twice <= 2 * values


def test_an_error_keeps_its_own_reason() -> None:
    result = TableResult("t", TableStatus.ERROR, error="the server is gone")
    assert judged_by(result, None).error == "the server is gone"

"""Log sequence numbers, by examples of Debezium's documentation and Microsoft's, and by round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcproof.databases.sqlserver.log import lsn

PARTS = st.tuples(
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
)


@pytest.mark.parametrize(
    ("text", "decimal", "raw"),
    [
        ("0000001a:000027a5:0001", 26000001014900001, "0000001a000027a50001"),
        ("00000027:00000ac0:0002", 39000000275200002, "0000002700000ac00002"),
    ],
)
def test_three_spellings_are_one_number(text: str, decimal: int, raw: str) -> None:
    assert lsn.of_text(text) == lsn.of_decimal(decimal) == lsn.of_binary(bytes.fromhex(raw)) == int(raw, 16)
    assert lsn.text(int(raw, 16)) == text
    assert lsn.binary(int(raw, 16)).hex() == raw


@given(PARTS, PARTS)
def test_numbers_have_the_order_of_their_parts_in_every_spelling(
    one: tuple[int, int, int], two: tuple[int, int, int]
) -> None:
    def spellings(parts: tuple[int, int, int]) -> set[int]:
        file, block, record = parts
        return {
            lsn.of_text(f"{file:08x}:{block:08X}:{record:04x}"),
            lsn.of_text(f"0x{file:x}:{block:x}:{record:x}"),
            lsn.of_decimal(int(f"{file}{block:010}{record:05}")),
            lsn.of_binary(file.to_bytes(4, "big") + block.to_bytes(4, "big") + record.to_bytes(2, "big")),
        }

    (first,), (second,) = spellings(one), spellings(two)
    assert (first < second) == (one < two)
    assert (first == second) == (one == two)


@pytest.mark.parametrize(
    "text", ["", "NULL", "0000002d:00000b70", "0000002d:00000b70:00003", "g:0:0", "45000000292800003"]
)
def test_other_text_is_no_log_sequence_number(text: str) -> None:
    with pytest.raises(ValueError, match="not a log sequence number"):
        lsn.of_text(text)


def test_other_numbers_and_bytes_are_none_either() -> None:
    for bad in (-1, 10**15 * (1 << 32), 99999, (1 << 32) * 10**5):
        with pytest.raises(ValueError, match="not a log sequence number"):
            lsn.of_decimal(bad)
    with pytest.raises(ValueError, match="it has 8 bytes"):
        lsn.of_binary(bytes(8))

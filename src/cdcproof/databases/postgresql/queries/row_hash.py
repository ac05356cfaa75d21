"""Python's own reference of a row's hash as PostgreSQL makes it with the functions of its hash indexes (`RowHash.NATIVE`). Pure.

Those functions are Bob Jenkins' lookup3 with a seed of 64 bits (PostgreSQL's src/common/hashfn.c), the same since version 11 on
every processor that stores the low byte first: hash partitions on disk depend on them. A column's hash:

| kind | hashed with a seed s |
|---|---|
| boolean | what `hashint8` makes of 0 or 1: a constant |
| integer | the number; of what may need more than 32 bits the upper half too, with the number's hash for a seed: `hashint8` alone knows no more than lower xor upper half |
| number of a limit | whether it is below zero, with its own hash for a seed: `hash_numeric` knows digits and weight, no sign, and says s - 1 of zero, s of a NaN |
| everything else | the canonical bytes; of a long value that is encoded whole, without the 00 before them |
| NULL | 0 |

Some columns of a row are chained: each is hashed with the hash so far for its seed, which costs a server less than anything that
joins two hashes. The others have seeds of their own, and their hashes xored are where the chain begins, or are hashed once more
where there is none: else values could change places between rows unseen.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from cdcproof.databases.values.types import ENCODED_WHOLE, INTEGER_DIGITS, Form, Kind

MOST_CHAINED = 50
"""In a statement they are calls within calls, and a server's stack is limited."""
_MASK_32, _MASK_64 = 2**32 - 1, 2**64 - 1
_BEGIN = 0x9E3779B9 + 3923095
_MIXING = (4, 6, 8, 16, 19, 4)


@cache
def seed(place: int) -> int:
    """The seed of the column at this place, from 0, as a signed number of 64 bits: all of them, as a chain has, so that calibration sees them."""
    return int.from_bytes(hashlib.sha256(b"column %d" % place).digest()[:8], signed=True)


def chained(forms: Sequence[Form], never_null: Sequence[bool]) -> tuple[int, ...]:
    """The places of the columns that are chained: what has no NULL, and needs its seed in one place of the statement only."""
    fit = (
        place
        for place, (form, sure) in enumerate(zip(forms, never_null, strict=True))
        if sure and not form.long and form.kind is not Kind.BOOLEAN
    )
    return tuple(fit)[:MOST_CHAINED]


def row_hash(forms: Sequence[Form], parts: Sequence[bytes | None], chain: Sequence[int] = ()) -> int:
    """What is summed for a row of these canonical bytes, as a signed number of 64 bits. `chain`: the places that are chained."""
    hashed = 0
    for place, (form, part) in enumerate(zip(forms, parts, strict=True)):
        if place not in chain:
            hashed ^= column_hash(form, part, seed(place) & _MASK_64)
    for place in chain:
        hashed = column_hash(forms[place], parts[place], hashed)
    return _signed(hashed if chain else _of_integer(0, hashed))


def boolean_hash(value: bool, place: int) -> int:
    """The hash of a boolean column at this place, as a signed number: an integer's."""
    return _signed(_of_integer(int(value), seed(place) & _MASK_64))


def column_hash(form: Form, part: bytes | None, with_seed: int) -> int:
    """A column's hash, as an unsigned number of 64 bits; so is the seed."""
    if part is None:
        return 0
    if form.kind in (Kind.INTEGER, Kind.BOOLEAN):
        value = int.from_bytes(part, signed=form.kind is Kind.INTEGER)
        hashed = _of_integer(value, with_seed)
        return _of_integer(value >> 32, hashed) if is_wide(form) else hashed
    if form.kind is Kind.NUMBER and form.precision:
        number = Decimal(part.decode())
        return _of_integer(int(number < 0) if number.is_finite() else 0, _of_number(number, with_seed))
    return _of_bytes(part[1:] if form.long and part[:1] == ENCODED_WHOLE else part, with_seed)


def is_wide(form: Form) -> bool:
    """Whether a value may need more than 32 bits."""
    return form.kind is Kind.INTEGER and not 0 < form.precision <= INTEGER_DIGITS["int"]


@cache  # long texts of the calibration: milliseconds each
def _of_bytes(data: bytes, with_seed: int) -> int:
    """`hash_bytes_extended`."""
    a, b, c = _seeded(len(data), with_seed)
    whole = len(data) // 12 * 12
    for x, y, z in struct.iter_unpack("<3I", data[:whole]):
        a, b, c = _mixed(a + x, b + y, c + z)
    rest = data[whole:]
    x, y = struct.unpack("<2I", rest[:8].ljust(8, b"\x00"))
    z = int.from_bytes(rest[8:], "little") << 8  # the lowest byte was the length's
    return _ended(a + x, b + y, c + z)


def _of_integer(value: int, with_seed: int) -> int:
    """`hashint8extended`."""
    upper = value >> 32 & _MASK_32
    word = (value ^ (upper if value >= 0 else ~upper)) & _MASK_32
    a, b, c = _seeded(4, with_seed)
    return _ended(a + word, b, c)


def _of_number(number: Decimal, with_seed: int) -> int:
    """`hash_numeric_extended`: its digits to the base 10,000 without zeros at either end, xor the weight of the first."""
    if not number.is_finite():
        return with_seed
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  it is finite
    fraction = -(min(exponent, 0) // 4)  # groups of four digits after the point
    text = str(int("".join(map(str, digits))) * 10 ** (exponent + 4 * fraction))
    text = text.rjust(-(-len(text) // 4) * 4, "0")
    groups = [int(text[start : start + 4]) for start in range(0, len(text), 4)]
    weight = len(groups) - 1 - fraction
    while groups and not groups[-1]:
        groups.pop()
    if not groups:
        return (with_seed - 1) & _MASK_64
    return _of_bytes(struct.pack(f"<{len(groups)}h", *groups), with_seed) ^ (weight & _MASK_64)


def _seeded(length: int, with_seed: int) -> tuple[int, int, int]:
    start = (_BEGIN + length) & _MASK_32
    if not with_seed:
        return start, start, start
    return _mixed(start + (with_seed >> 32), start + (with_seed & _MASK_32), start)


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    a, b, c = a & _MASK_32, b & _MASK_32, c & _MASK_32
    for bits in _MIXING:  # the three change places after each step
        a = (a - c & _MASK_32) ^ _rotated(c, bits)
        c = c + b & _MASK_32
        a, b, c = b, c, a
    return a, b, c


def _ended(a: int, b: int, c: int) -> int:
    a, b, c = a & _MASK_32, b & _MASK_32, c & _MASK_32
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotated(b, bits) & _MASK_32
        a, b, c = b, c, a
    c, b = b, a  # after seven steps
    return b << 32 | c


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & _MASK_32


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value

"""Which values of a key lie in a chunk."""

from __future__ import annotations

from cdcproof.databases.table_read import Chunking


def test_neighbouring_chunks_are_one_range() -> None:
    chunking = Chunking(width=10)
    assert chunking.ranges([0]) == ((-9, 9),)
    assert chunking.ranges([3, 2, -1, 0, 2]) == ((-19, 9), (20, 39))
    assert chunking.ranges([-2, -3]) == ((-39, -20),)
    assert Chunking(width=2**40).ranges([2**23 - 1]) == ((2**63 - 2**40, 2**63 - 1),)
    assert Chunking(width=10).ranges([922337203685477580]) == ((2**63 - 8, 2**63 - 1),)

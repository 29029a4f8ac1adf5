"""Partitioners: which reduce task a key goes to, by the same arithmetic as Hadoop's.

So a local run writes the same keys into part-00000, part-00001, ... as a cluster does.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import mul

_PIECE = 16
# By the number of bytes: what each of them is multiplied with.
_POWERS = [[31 ** (n - 1 - i) for i in range(n)] for n in range(_PIECE + 1)]


def hash_partition(key: bytes, reduces: int) -> int:
    """Hadoop's HashPartitioner over a streaming key (the hash of org.apache.hadoop.io.Text).

    The hash starts at 1 and is 31 * hash + byte, bytes signed, in 32 bits.

    Example:
        >>> hash_partition(b"cat", 2)
        1
    """
    return _partition(key, 1, reduces)


def key_field_partition(key: bytes, reduces: int) -> int:
    """Hadoop's KeyFieldBasedPartitioner on the first field, which SORT_VALUES uses: as above, but starting at 0."""
    return _partition(key, 0, reduces)


def seed_of(partition: Callable[[bytes, int], int]) -> int:
    """What a partitioner's hash starts at; the native library has the same arithmetic."""
    return 0 if partition is key_field_partition else 1


def _partition(key: bytes, start: int, reduces: int) -> int:
    if reduces == 1:
        return 0
    code = start
    signed = key if key.isascii() else memoryview(key).cast("b")
    for begin in range(0, len(key), _PIECE):
        piece = signed[begin : begin + _PIECE]
        code = (code * 31 ** len(piece) + sum(map(mul, piece, _POWERS[len(piece)]))) & 0xFFFFFFFF
    return (code & 0x7FFFFFFF) % reduces

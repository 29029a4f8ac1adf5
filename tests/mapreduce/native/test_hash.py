"""The hash table's function is keyed: words that are written to fall on each other cost what others cost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from mapreduce.native import library as native
from mapreduce.tokens.specification import preset

library = native.load()
pytestmark = pytest.mark.skipif(library is None, reason="the native library was not built")

WORDS = 200_000
SPACES = frozenset(b"\t\n\x0b\x0c\r ")
MASK = (1 << 64) - 1
K1, K2, K3 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
"""Of the function that stood there before: finish(low * K1 ^ swap(high * K2) ^ rest), `rest` from what lies between."""


def between(middle: bytes, length: int) -> int:
    """What the former function made of the words behind the first, for keys of more than 16 bytes."""
    rest = length * K3 & MASK
    for i in range(0, len(middle), 8):
        rest = (rest ^ int.from_bytes(middle[i : i + 8], "little")) * K2 & MASK
        rest ^= rest >> 31
    return rest


def colliding(length: int, draw: random.Random) -> list[bytes]:
    """Words that the former function made the same number of: the first 8 bytes are solved for the others."""
    inverse = pow(K1, -1, 1 << 64)
    words: set[bytes] = set()
    while len(words) < WORDS:
        tail = draw.randbytes(length - 8)
        last = int.from_bytes((bytes(8) + tail)[-8:], "little")
        if length <= 16:
            last = int.from_bytes(tail.ljust(8, b"\0")[:8], "little")
        rest = between(tail, length) if length > 16 else 0
        high = last * K2 & MASK
        low = (rest ^ (high << 32 | high >> 32) & MASK) * inverse & MASK
        word = low.to_bytes(8, "little") + tail
        if SPACES.isdisjoint(word):
            words.add(word)
    return sorted(words)


def unlike(length: int, draw: random.Random) -> list[bytes]:
    """Random words of the same shape."""
    words: set[bytes] = set()
    while len(words) < WORDS:
        word = draw.randbytes(length)
        if SPACES.isdisjoint(word):
            words.add(word)
    return sorted(words)


def seconds(words: list[bytes]) -> float:
    """The least of a few counts."""
    block, found = b" ".join(words) + b"\n", []
    for _ in range(5):
        counter = native.Counter(library, preset("whitespace"), native.TERMS, 1 << 30)
        started = time.process_time()
        assert counter.block(block) == len(block)
        found.append(time.process_time() - started)
        assert len(counter) == WORDS
    return min(found)


@pytest.mark.parametrize("length", [12, 16, 24, 40])
def test_words_that_once_fell_on_each_other(length: int) -> None:
    draw = random.Random(0)
    assert seconds(colliding(length, draw)) < 1.5 * seconds(unlike(length, draw))


ALIKE: dict[str, Callable[[int], bytes]] = {
    "begin": lambda i: b"%08d" % i + b"x" * 32,
    "middle": lambda i: b"x" * 16 + b"%08d" % i + b"x" * 16,
    "end": lambda i: b"x" * 32 + b"%08d" % i,
    "two places": lambda i: (b"%06d" % i).ljust(20, b"x") + (b"%06d" % i).rjust(20, b"x"),
}


@pytest.mark.parametrize("where", ALIKE)
def test_words_that_differ_in_one_place(where: str) -> None:
    words = [ALIKE[where](i) for i in range(WORDS)]
    assert seconds(words) < 1.5 * seconds(unlike(40, random.Random(0)))


def test_labels_of_one_word() -> None:
    labels = [b"%d" % i for i in range(WORDS)]

    def labelled(texts: list[bytes]) -> float:
        found = []
        for _ in range(3):
            counter = native.Counter(library, preset("whitespace"), native.LABELLED, 1 << 30)
            for label in labels:
                counter._label(label)
            started = time.process_time()
            assert counter.documents(texts, labels) == WORDS
            found.append(time.process_time() - started)
        return min(found)

    assert labelled([b"word"] * WORDS) < 1.5 * labelled(unlike(4, random.Random(0)))

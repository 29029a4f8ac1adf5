"""Counts letters by script: whether texts put spaces between words is told by them.

The scripts are those of `mapreduce.tokens.unicode.UNSPACED`; all others are one. Nothing is decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

from mapreduce.tokens.unicode import UNSPACED

GROUP = "letters"
"""The group of the job counters that hold the numbers."""
SPACED = "others"
"""Counts the letters of every script that has spaces between words."""
_ASCII = bytes(range(128))
_IS_LETTER = bytes(value < 128 and chr(value).isalpha() for value in range(256))
# Bits of one large integer are counted three times as fast as bytes; Python 3.9, on nodes, has no bit_count.
_ones = getattr(int, "bit_count", lambda number: bin(number).count("1"))


def count_letters(text: bytes) -> Counter[str]:
    """Letters by script; bytes that are not UTF-8 are none.

    Example:
        >>> count_letters("A good film: 好看".encode())
        Counter({'others': 9, 'Han': 2})
    """
    found = Counter({SPACED: _ones(int.from_bytes(text.translate(_IS_LETTER), "big"))})
    if not text.isascii():
        for character, n in Counter(text.translate(None, _ASCII).decode("utf-8", "ignore")).items():
            script = _scripts().get(ord(character), SPACED if character.isalpha() else None)
            if script is not None:
                found[script] += n
    return +found


@cache
def _scripts() -> dict[int, str]:
    return {code: name for name, runs in UNSPACED.items() for first, last in runs for code in range(first, last + 1)}


def watch(documents: Iterable[list[tuple[bytes, bytes]]], found: Counter[str]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Lists of documents (label, text) as they are; the letters of their texts are added to `found`."""
    for block in documents:
        found.update(count_letters(b"\n".join([text for _, text in block])))
        yield block

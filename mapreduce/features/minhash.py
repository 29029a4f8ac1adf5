"""Duplicates among documents: MinHash bands that similar sets share, and what the steps of `jobs/duplicates.py` do.

The similarity of two documents is the Jaccard index of their sets of features (Broder, "On the resemblance and
containment of documents", 1997). Bands only propose pairs; each is then verified on the sets themselves. This module
tokenizes nothing and knows no runner.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import groupby
from zlib import crc32

from mapreduce.errors import UserError
from mapreduce.input.records import record_hash
from mapreduce.shuffle.memory import sorted_lines

ROWS = 3
RECALL = 0.99
GROUP = "duplicates"
BAND = 18  # characters of a band's key; an id has 16
BUCKET = 50
"""In a larger bucket each document is paired with the first so many, not with all."""
_MASK = (1 << 64) - 1
Pair = tuple[bytes, bytes]


class MinHash:
    """The bands of a set: two sets whose Jaccard index is `threshold` share one with a probability of 99 %.

    A band is a hash of `ROWS` minima under different permutations; so many bands are taken as that needs,
    1 - (1 - threshold ** ROWS) ** bands; 7 for 0.8. All numbers are fixed, since every task has to make the same bands.
    Documents that are written to share them make pairs, at most `BUCKET` for each document and band, and no answers.
    """

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise UserError(f"--threshold is above 0 and at most 1. Received: {threshold}")
        self.bands = max(1, math.ceil(math.log(1 - RECALL) / math.log(1 - min(threshold, 0.999) ** ROWS)))
        numbers = [blake2b(b"%d" % i, digest_size=8).digest() for i in range(2 * ROWS * self.bands)]
        integers = [int.from_bytes(number, "big") for number in numbers]
        self._permutations = [(a | 1, b) for a, b in zip(integers[::2], integers[1::2])]

    def __call__(self, features: Iterable[bytes]) -> list[bytes]:
        """One key for every band, 18 characters. The set is not empty."""
        hashes = list(map(crc32, features))
        minima = [b"%016x" % min([a * h + b & _MASK for h in hashes]) for a, b in self._permutations]
        rows = (b"".join(minima[i : i + ROWS]) for i in range(0, len(minima), ROWS))
        return [b"%02x%s" % (i, blake2b(row, digest_size=8).hexdigest().encode()) for i, row in enumerate(rows)]


def jaccard(one: set[bytes], other: set[bytes]) -> float:
    """The share of the union that both sets have.

    Example:
        >>> jaccard({b"a", b"b"}, {b"b", b"c"})
        0.3333333333333333
    """
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def pair_up(ids: Iterable[bytes]) -> Iterator[Pair]:
    """The candidate pairs (smaller id, larger id) of a bucket."""
    first: list[bytes] = []
    for second, _ in groupby(sorted_lines(ids)):
        yield from ((one, second) for one in first)
        if len(first) < BUCKET:
            first.append(second)


def propose(
    documents: Iterable[list[tuple[bytes, bytes]]],
    shingles: Callable[[bytes], set[bytes]],
    source: Callable[[bytes], str],
    threshold: float,
) -> Iterator[bytes]:
    """Map: for every document (label, text) a line `id TAB sources TAB text` and for every band `band TAB id`.

    The id is the hash of the text, so that equal texts are one document of several sources from here on.
    """
    bands = MinHash(threshold)
    for block in documents:
        lines = []
        for _, text in block:
            name = record_hash(text).encode()
            # Hadoop streaming takes a lone CR in what a task writes for a line end; to the tokenizer it is a space.
            shown = text.replace(b"\r", b" ")
            lines.append(b"%s\t%s\t%s\n" % (name, _encode({source(text): 1}), shown))
            lines += [b"%s\t%s\n" % (band, name) for band in bands(shingles(text))]
        yield b"".join(lines)


def collect(key: bytes, values: Iterable[bytes]) -> Iterator[Pair]:
    """First reduce: equal texts become one, a bucket becomes pairs: `id TAB t<sources> TAB text`, `id TAB p<id>`."""
    if len(key) == BAND:
        for one, other in pair_up(values):
            yield one, b"p" + other
        return
    sources: Counter[str] = Counter()
    text = b""
    for value in values:
        found, _, text = value.partition(b"\t")
        sources.update(json.loads(found))
    yield key, b"t%s\t%s" % (_encode(sources), text)


def attach(key: bytes, values: Iterable[bytes]) -> Iterator[Pair]:
    """Second reduce: the text of a pair's first id goes to the second: `id TAB p<first id> TAB sources TAB text`."""
    document, others = _split(values)
    yield key, b"t" + document
    for other in others:
        yield other, b"p%s\t%s" % (key, document)


def verify(
    key: bytes, values: Iterable[bytes], shingles: Callable[[bytes], set[bytes]], threshold: float
) -> Iterator[tuple[bytes, bytes, list[str]]]:
    """Third reduce: (id, output line, names of counters) of a text that occurs more than once, and of similar ones."""
    document, others = _split(values)
    sources, _, text = document.partition(b"\t")
    if sum(json.loads(sources).values()) > 1:
        yield key, b"%s\t1.0000\t%s\t%s" % (key, sources, sources), _names("equal", sources, sources)
    own: set[bytes] = set()
    for other in others:
        name, other_sources, other_text = other.split(b"\t", 2)
        own = own or shingles(text)
        similarity = jaccard(own, shingles(other_text))
        if similarity >= threshold:
            line = b"%s\t%.4f\t%s\t%s" % (name, similarity, sources, other_sources)
            yield key, line, _names("similar", sources, other_sources)


def _split(values: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The document of an id, and the others that it is paired with, each once, in order."""
    ordered = sorted_lines(values, lambda value: (not value.startswith(b"t"), value))
    document = next(ordered)
    return document[1:], (other[1:] for other, _ in groupby(ordered))


def _names(kind: str, one: bytes, other: bytes) -> list[str]:
    """The counters of a line: `within` a source where one source holds both documents, `across` where two do."""
    first, second = json.loads(one), json.loads(other)
    within = max(first.values()) > 1 if kind == "equal" else bool(set(first) & set(second))
    across = len({*first, *second}) > 1
    return [kind, *[f"{kind} within a source"] * within, *[f"{kind} across sources"] * across]


def _encode(sources: dict[str, int]) -> bytes:
    return json.dumps(sources, sort_keys=True, separators=(",", ":")).encode("ascii")

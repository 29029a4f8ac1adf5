"""Blocks of documents to counts: term frequencies and document frequencies, whole or per label.

Each function yields blocks of output lines whenever its table is full and at the end, so memory is bounded; the
shuffle adds what was yielded apart. This module knows no input format and no runner.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from mapreduce.tokenizer import Tokenizer

ENTRIES = 1_000_000  # in a table before it is yielded, about 150 MB


def count_terms(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB tf` of blocks of texts, one document a line."""
    tf: Counter[bytes] = Counter()
    by_line = not tokenizer.specification.words_only
    for block in texts:
        if by_line:
            for text in block.split(b"\n"):
                tf.update(tokenizer.features(text))
        else:
            tf.update(tokenizer.words(block))
        if len(tf) > ENTRIES:
            yield _lines(tf)
            tf = Counter()
    if tf:
        yield _lines(tf)


def _lines(tf: Counter[bytes]) -> bytes:
    return b"".join([b"%s\t%d\n" % pair for pair in tf.items()])


def count_documents(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB tf TAB df` of blocks of texts, one document a line.

    The key b"", which is no token, holds the number of documents in both columns.
    """
    table = _Table(tokenizer)
    for block in texts:
        for text in block.split(b"\n")[:-1]:
            table.add(text)
        if len(table) > ENTRIES:
            yield table.lines(b"")
            table = _Table(tokenizer)
    yield table.lines(b"")


def count_labelled(documents: Iterable[list[tuple[bytes, bytes]]], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB label TAB tf TAB df` of lists of documents (label, text)."""
    tables: dict[bytes, _Table] = defaultdict(lambda: _Table(tokenizer))
    for block in documents:
        for label, text in block:
            tables[label].add(text)
        if sum(map(len, tables.values())) > ENTRIES:
            yield _labelled(tables)
            tables.clear()
    yield _labelled(tables)


def _labelled(tables: dict[bytes, _Table]) -> bytes:
    return b"".join(table.lines(label + b"\t", documents=False) for label, table in tables.items())


def count_lengths(documents: Iterable[list[tuple[bytes, bytes]]], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `label TAB documents TAB tokens TAB length:documents ...` of lists of documents; lengths in words."""
    lengths: dict[bytes, Counter[int]] = defaultdict(Counter)
    for block in documents:
        for label, text in block:
            lengths[label][len(tokenizer.words(text))] += 1
    for label, counts in lengths.items():
        tokens = sum(length * n for length, n in counts.items())
        histogram = b" ".join(b"%d:%d" % entry for entry in sorted(counts.items()))
        yield b"%s\t%d\t%d\t%s\n" % (label, sum(counts.values()), tokens, histogram)


class _Table:
    """Term and document frequencies."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._features = tokenizer.features
        self._tf: Counter[bytes] = Counter()
        self._df: Counter[bytes] = Counter()
        self._documents = 0

    def __len__(self) -> int:
        return len(self._tf)

    def add(self, text: bytes) -> None:
        features = self._features(text)
        self._tf.update(features)
        self._df.update(set(features))
        self._documents += 1

    def lines(self, prefix: bytes, documents: bool = True) -> bytes:
        df = self._df
        lines = [b"%s\t%s%d\t%d\n" % (feature, prefix, tf, df[feature]) for feature, tf in self._tf.items()]
        if documents:
            lines.append(b"\t%s%d\t%d\n" % (prefix, self._documents, self._documents))
        return b"".join(lines)

"""Blocks of documents to counts: term frequencies and document frequencies, whole or per label.

Each function yields blocks of output lines whenever its table is full and at the end, so memory is bounded; the
shuffle adds what was yielded apart. A document that alone fills a table is counted in passes, each over a share of the
features, so that its document frequencies stay exact. Counting is done by the native library where there is one, and in
Python else, which holds such a document several times: the same lines, in another order. This module knows no input
format and no runner.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Callable

from mapreduce.native import library as native
from mapreduce.shuffle.memory import task_memory
from mapreduce.tokens.tokenizer import Tokenizer

ENTRY = 200  # bytes that a key and its counts take in two dictionaries, without the key's own
LONG = 50  # times its bytes, for each width of n-grams, is what a document is taken to need
MOST_BITS, FEWEST = 16, 8  # of passes over one document, a power of 2; features in a table, however large they are
SOME = 1000  # features between two looks at the memory
Documents = list[tuple[bytes, bytes]]


def count_terms(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB tf` of blocks of texts, one document a line."""
    counter = _counter(tokenizer, native.TERMS)
    if counter is None:
        yield from _count_terms(texts, tokenizer)
        return
    specification = tokenizer.specification
    in_python = specification.level == "codepoint"
    whole = specification.words_only and specification.split == "whitespace"
    for block in texts:
        if whole:
            block = tokenizer.normalize(block) if in_python else block
            yield from _feed(counter, counter.block, block, lambda rest: _count_terms([rest], tokenizer))
        else:
            take, rest = _by_line(counter, block, tokenizer)
            yield from _feed(counter, take, rest, lambda rest: _count_terms(_joined(rest), tokenizer))
    yield from counter.drain()


def _count_terms(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    tf: Counter[bytes] = Counter()
    room = task_memory()
    by_line = not tokenizer.specification.words_only
    longest = _longest(tokenizer)
    for block in texts:
        known = len(tf)
        if by_line:
            for text in block.split(b"\n"):
                if len(text) > longest:
                    yield from map(_lines, _passes(text, tokenizer))
                else:
                    tf.update(tokenizer.features(text))
        else:
            tf.update(tokenizer.words(block))
        room -= _grown(tf, known)
        if room < 0:
            yield _lines(tf)
            tf, room = Counter(), task_memory()
    if tf:
        yield _lines(tf)


def _lines(tf: Counter[bytes]) -> bytes:
    return b"".join([b"%s\t%d\n" % pair for pair in tf.items()])


def _longest(tokenizer: Tokenizer) -> int:
    """Bytes of a document whose features may be too many for a table."""
    return task_memory() // LONG // (1 + tokenizer.specification.widths)


def _passes(text: bytes, tokenizer: Tokenizer) -> Iterator[Counter[bytes]]:
    """Term frequencies of one document: tables of features that no other has, each within the memory.

    A pass takes the features whose hashes begin with its number; where those are too many, there are twice as many
    passes. The hash is Python's, which is keyed; in which table a feature is shows nowhere.
    """
    number = bits = 0
    while number < 1 << bits:
        tf: Counter[bytes] = Counter()
        room, shift = task_memory(), 32 - bits
        features = tokenizer.each_feature(text)
        while some := list(islice(features, SOME)):
            if room < 0 and len(tf) > FEWEST and bits < MOST_BITS:
                number, bits = number * 2, bits + 1
                break
            known = len(tf)
            tf.update([one for one in some if (hash(one) & 0xFFFFFFFF) >> shift == number] if bits else some)
            room -= _grown(tf, known)
        else:
            yield tf
            number += 1


def _grown(tf: Counter[bytes], known: int) -> int:
    """Bytes that a table takes more than when it had `known` keys; the new ones are its last."""
    new = len(tf) - known
    return new * ENTRY + sum(map(len, islice(reversed(tf), new)))


def count_documents(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB tf TAB df` of blocks of texts, one document a line.

    The key b"", which is no token, holds the number of documents in both columns.
    """
    counter = _counter(tokenizer, native.DOCUMENTS)
    if counter is None:
        yield from _count_documents(texts, tokenizer)
        return
    for block in texts:
        take, rest = _by_line(counter, block[: block.rfind(b"\n") + 1], tokenizer)
        yield from _feed(counter, take, rest, lambda rest: _count_documents(_joined(rest), tokenizer))
    yield from counter.drain()


def _count_documents(texts: Iterable[bytes], tokenizer: Tokenizer) -> Iterator[bytes]:
    table, room = _Table(tokenizer), task_memory()
    for block in texts:
        known = len(table.tf)
        for text in block.split(b"\n")[:-1]:
            yield from table.add(text, b"")
        room -= _grown(table.tf, known)
        if room < 0:
            yield table.lines(b"")
            table, room = _Table(tokenizer), task_memory()
    yield table.lines(b"")


def count_labelled(documents: Iterable[Documents], tokenizer: Tokenizer) -> Iterator[bytes]:
    """Lines `feature TAB label TAB tf TAB df` of lists of documents (label, text)."""
    counter = _counter(tokenizer, native.LABELLED)
    if counter is None:
        yield from _count_labelled(documents, tokenizer)
        return
    in_python = tokenizer.specification.level == "codepoint"

    def take(some: Documents) -> int:
        texts = [tokenizer.normalize(text) if in_python else text for _, text in some]
        return counter.documents(texts, [label for label, _ in some])

    for block in documents:
        yield from _feed(counter, take, block, lambda rest: _count_labelled([rest], tokenizer))
    yield from counter.drain()


def _count_labelled(documents: Iterable[Documents], tokenizer: Tokenizer) -> Iterator[bytes]:
    tables: dict[bytes, _Table] = defaultdict(lambda: _Table(tokenizer))
    room = task_memory()
    for block in documents:
        known = {label: len(table.tf) for label, table in tables.items()}
        for label, text in block:
            yield from tables[label].add(text, label + b"\t")
        room -= sum(_grown(table.tf, known.get(label, 0)) for label, table in tables.items())
        if room < 0:
            yield _labelled(tables)
            tables.clear()
            room = task_memory()
    yield _labelled(tables)


def _labelled(tables: dict[bytes, _Table]) -> bytes:
    return b"".join(table.lines(label + b"\t", documents=False) for label, table in tables.items())


def count_lengths(documents: Iterable[Documents], tokenizer: Tokenizer) -> Iterator[bytes]:
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
        self._tokenizer, self._longest = tokenizer, _longest(tokenizer)
        self.tf: Counter[bytes] = Counter()
        self._df: Counter[bytes] = Counter()
        self._documents = 0

    def add(self, text: bytes, prefix: bytes) -> Iterable[bytes]:
        """Counts a document; gives the lines of one that is too long for a table."""
        self._documents += 1
        if len(text) > self._longest:
            passes = _passes(text, self._tokenizer)
            return (b"".join([b"%s\t%s%d\t1\n" % (key, prefix, n) for key, n in tf.items()]) for tf in passes)
        features = self._tokenizer.features(text)
        self.tf.update(features)
        self._df.update(set(features))
        return ()

    def lines(self, prefix: bytes, documents: bool = True) -> bytes:
        df = self._df
        lines = [b"%s\t%s%d\t%d\n" % (feature, prefix, tf, df[feature]) for feature, tf in self.tf.items()]
        if documents:
            lines.append(b"\t%s%d\t%d\n" % (prefix, self._documents, self._documents))
        return b"".join(lines)


def _counter(tokenizer: Tokenizer, mode: int) -> native.Counter | None:
    library = native.load()
    return native.Counter(library, tokenizer.specification, mode, task_memory()) if library else None


def _by_line(counter: native.Counter, block: bytes, tokenizer: Tokenizer) -> tuple[Callable[[Any], int], Any]:
    """What takes the documents of a block, one a line, and in which form."""
    if tokenizer.specification.level == "byte":
        return counter.lines, block
    texts = block.split(b"\n")
    return (lambda some: counter.documents(list(map(tokenizer.normalize, some)))), texts[: len(texts) - (not texts[-1])]


def _joined(documents: Any) -> list[bytes]:
    """Documents that the library left over, as blocks of lines again."""
    return [documents] if isinstance(documents, bytes) else [text + b"\n" for text in documents]


def _feed(
    counter: native.Counter, take: Callable[[Any], int], rest: Any, twin: Callable[[Any], Iterator[bytes]]
) -> Iterator[bytes]:
    """Gives `rest` to the counter, and empties it whenever it is full; what it cannot do, the twin does."""
    while rest:
        try:
            taken = take(rest)
        except native.Unsupported:
            yield from counter.drain()
            yield from twin(rest)
            return
        rest = rest[taken:] if taken < len(rest) else None
        if rest:
            yield from counter.drain()

"""Counts of documents that are larger than the table: exact, in both back ends, and in tables within the memory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from mapreduce.features import counting
from mapreduce.native import library as native
from mapreduce.tokens.specification import Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer

MEMORY = 1 << 18


@pytest.fixture(params=["native", "python"], autouse=True)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "native" and native.load() is None:
        pytest.skip("the native library was not built")
    monkeypatch.setenv(native.OFF, str(int(request.param == "native")))
    monkeypatch.setattr(counting, "task_memory", lambda: MEMORY)


def documents() -> list[tuple[bytes, bytes]]:
    """Short ones and long ones in turn, of words that recur within one and across them."""
    draw = random.Random(0)
    words = [b"w%d" % i + b"x" * (i % 30) for i in range(6000)]
    sizes = [3, 6000, 5, 0, 2000, 7, 7000, 30, 1]
    return [(b"ab"[i % 2 : i % 2 + 1], b" ".join(draw.choices(words, k=size))) for i, size in enumerate(sizes)]


SPECIFICATIONS = [
    preset("keras"),
    preset("whitespace", ngrams=2),
    preset("keras", ngrams=1, character_ngrams=(3,), head=5),
    preset("keras", ngrams=(), skips=True, head_pairs=9, prefixes=5, characters_across=(3,)),
    preset("unicode", ngrams=(2,)),
    preset("characters", ngrams=(4,)),
]
each_specification = pytest.mark.parametrize(
    "specification", SPECIFICATIONS, ids=["words", "pairs", "all", "rare", "unicode pairs", "characters"]
)


def added(blocks: Iterable[bytes], keys: int) -> tuple[Counter[bytes], Counter[bytes]]:
    """Sums of the two columns behind so many columns of keys."""
    tf, df = Counter[bytes](), Counter[bytes]()
    for block in blocks:
        for line in block.split(b"\n")[:-1]:
            fields = line.split(b"\t")
            tf[b"\t".join(fields[:keys])] += int(fields[keys])
            df[b"\t".join(fields[:keys])] += int(fields[-1])
    return tf, df


def expected(specification: Specification, labelled: bool) -> tuple[Counter[bytes], Counter[bytes]]:
    tokenizer = Tokenizer(specification)
    tf, df = Counter[bytes](), Counter[bytes]()
    for label, text in documents():
        features = [one + b"\t" + label if labelled else one for one in tokenizer.features(text)]
        tf.update(features)
        df.update(set(features))
    return tf, df


@each_specification
def test_terms_are_exact(specification: Specification) -> None:
    block = b"".join(text + b"\n" for _, text in documents())
    tf, _ = added(counting.count_terms([block], Tokenizer(specification)), 1)
    assert tf == expected(specification, False)[0]


@each_specification
def test_document_frequencies_are_exact(specification: Specification) -> None:
    block = b"".join(text + b"\n" for _, text in documents())
    tf, df = added(counting.count_documents([block], Tokenizer(specification)), 1)
    assert (tf.pop(b""), df.pop(b"")) == (len(documents()), len(documents()))
    assert (tf, df) == expected(specification, False)


@each_specification
def test_frequencies_by_label_are_exact(specification: Specification) -> None:
    blocks = counting.count_labelled([documents()[:4], documents()[4:]], Tokenizer(specification))
    lines = (line + b"\n" for block in blocks for line in block.split(b"\n") if line)
    tf, df = added(lines, 2)
    assert (tf, df) == expected(specification, True)


def test_a_document_is_counted_in_tables_of_different_features() -> None:
    text = b" ".join(b"word%d" % (i % 9999) for i in range(20_000))
    if native.load():
        counter = native.Counter(native.load(), preset("keras"), native.DOCUMENTS, MEMORY)
        tables = []
        while not (taken := counter.documents([text])):
            tables.append(b"".join(counter.drain()))
        tables.append(b"".join(counter.drain()))
        assert taken == 1
        tables = [[line.split(b"\t")[0] for line in table.split(b"\n")[1:-1]] for table in tables]
    else:
        tables = [list(tf) for tf in counting._passes(text, Tokenizer(preset("keras")))]
    assert len(tables) > 4
    assert max(map(len, tables)) * 48 < MEMORY
    assert sum(map(len, tables)) == len({word for table in tables for word in table}) == 9999


def test_words_larger_than_the_memory_are_counted() -> None:
    words = [bytes([97 + i]) * (MEMORY + i) for i in range(4)]
    text = b" ".join(words * 2)
    tf, df = added(counting.count_documents([text + b"\n"], Tokenizer(preset("keras"))), 1)
    assert tf == {b"": 1, **dict.fromkeys(words, 2)}
    assert df == {b"": 1, **dict.fromkeys(words, 1)}

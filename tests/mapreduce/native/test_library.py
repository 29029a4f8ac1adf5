"""The native library against its Python twins: the same counts and the same lines on arbitrary bytes."""

from __future__ import annotations

import string
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.features import counting
from mapreduce.features.encoding import Encoder
from mapreduce.native import library as native
from mapreduce.tokens.specification import Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer

library = native.load()
pytestmark = pytest.mark.skipif(library is None, reason="the native library was not built")

# Few letters, so that keys recur; every kind of byte that the tokenizer tells apart, and any byte at all.
alphabet = st.sampled_from(b"abAB \n\n\t\r\x0b\x0c.,!'\x00\x7f\x80\xbf\xc3\xa9\xe2\x80\xa6\xff01")
texts = st.one_of(
    st.lists(alphabet, max_size=200).map(bytes),
    st.binary(max_size=120),
    st.lists(
        st.sampled_from([b"a" * 15, b"a" * 16, b"a" * 17, b"b" * 40, b"the", b" ", b"\n", b"\x00"]), max_size=60
    ).map(b"".join),
)
unit = st.integers(0, 127).filter(lambda u: u != 10)
replacement = st.text(string.ascii_lowercase[:3] + " \t.\x00", max_size=3)


@st.composite
def specifications(draw: st.DrawFn) -> Specification:
    if draw(st.booleans()):
        chosen = preset(draw(st.sampled_from(["keras", "whitespace", "words", "sentences", "unicode", "characters"])))
    else:
        table = draw(st.dictionaries(unit, replacement, max_size=40))
        if draw(st.booleans()):
            table[10] = " "
        pairs = tuple(sorted((u, t) for u, t in table.items() if t != chr(u)))
        chosen = Specification(table=pairs, split=draw(st.sampled_from(["whitespace", "whitespace", "character"])))
    widths = st.sets(st.integers(1, 4), max_size=3).map(lambda s: tuple(sorted(s)))
    ngrams = draw(st.one_of(st.just((1,)), widths))
    rare = {"character_ngrams": st.one_of(st.just(()), widths), "head": st.sampled_from([0, 0, 1, 3])}
    if draw(st.booleans()):
        wider = st.sets(st.integers(1, 9), max_size=3).map(lambda s: tuple(sorted(s)))
        few = st.sampled_from([0, 0, 1, 2, 5, 100])
        rare |= {"skips": st.booleans(), "head_pairs": few, "prefixes": few, "characters_across": wider}
    features: dict[str, Any] = {"ngrams": ngrams, **{name: draw(values) for name, values in rare.items()}}
    if not any(features.values()):
        features["ngrams"] = (1,)
    return Specification(chosen.level, chosen.table, chosen.split, **features)


def added(blocks: Iterator[bytes]) -> Counter[bytes]:
    """What the shuffle makes of lines: columns summed by all that stands before them."""
    total: Counter[bytes] = Counter()
    for block in blocks:
        assert block == b"" or block.endswith(b"\n")
        for line in block.split(b"\n")[:-1]:
            *key, tf, df = line.split(b"\t") if line.count(b"\t") > 1 else [*line.split(b"\t"), b"0"]
            total[b"\t".join(key) + b"\ttf"] += int(tf)
            total[b"\t".join(key) + b"\tdf"] += int(df)
    return total


@pytest.fixture(params=[True, False], ids=["simd", "scalar"], autouse=True)
def simd(request: pytest.FixtureRequest) -> Iterator[None]:
    library.fm_use_simd(request.param)
    yield
    library.fm_use_simd(True)


@settings(deadline=None, max_examples=300)
@given(specification=specifications(), blocks=st.lists(texts, max_size=3), small=st.booleans())
def test_counts_equal_the_twin(specification: Specification, blocks: list[bytes], small: bool) -> None:
    tokenizer = Tokenizer(specification)
    blocks = [block + b"\n" for block in blocks]
    labelled = [[(b"x%d" % (i % 3), text) for i, text in enumerate(block.split(b"\n"))] for block in blocks]
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(counting, "task_memory", lambda: 1)
        assert added(counting.count_terms(blocks, tokenizer)) == added(counting._count_terms(blocks, tokenizer))
        found = added(counting.count_documents(blocks, tokenizer))
        assert found == added(counting._count_documents(blocks, tokenizer))
        found = added(counting.count_labelled(labelled, tokenizer))
        assert found == added(counting._count_labelled(labelled, tokenizer))


@settings(deadline=None, max_examples=200)
@given(
    specification=specifications(),
    documents=st.lists(st.tuples(st.binary(max_size=9), texts), max_size=4),
    salt=st.binary(max_size=64),
)
def test_encodes_as_the_twin(specification: Specification, documents: list[tuple[bytes, bytes]], salt: bytes) -> None:
    tokenizer = Tokenizer(specification)
    tokens = sorted({f for _, text in documents for f in tokenizer.features(text)})[::2]
    encoder = Encoder(tokenizer, tokens, salt)
    assert list(encoder.lines([documents])) == [encoder._lines(documents)]


@settings(deadline=None, max_examples=300)
@given(data=st.one_of(texts, st.text().map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary()))
def test_scans_as_python_does(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        valid = False
    else:
        valid = True
    assert native.scan(library, data) == (data.count(b"\n"), valid)


def test_utf8_is_valid_where_python_says_so() -> None:
    """All leading bytes with the bytes at the borders behind them, at every length."""
    border = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    for first in range(256):
        for tail in ([], *([a] for a in border), *([a, b] for a in border for b in border)):
            for more in ([], [0x80], [0xBF], [0x80, 0x80]):
                data = b"a line\n" + bytes([first, *tail, *more])
                assert native.scan(library, data)[1] == (data == data.decode("utf-8", "ignore").encode()), data


def test_keys_come_in_the_order_of_their_bytes() -> None:
    words = [
        b"a" * n + bytes([b]) * m for n in (0, 1, 7, 8, 9, 16, 17, 40) for b in (0, 1, 97, 98, 255) for m in (0, 1, 9)
    ]
    words = [w for w in words if w]
    lines = b"".join(counting.count_terms([b" ".join(words) + b"\n"], Tokenizer(preset("whitespace"))))
    assert [line.partition(b"\t")[0] for line in lines.split(b"\n")[:-1]] == sorted(set(words))


def test_a_block_beyond_every_buffer() -> None:
    block = b"x" * 3_000_000 + b" " + b"y z\n" * 500_000
    assert added(counting.count_terms([block], Tokenizer(preset("keras")))) == {
        b"x" * 3_000_000 + b"\ttf": 1, b"x" * 3_000_000 + b"\tdf": 0,
        b"y\ttf": 500_000, b"y\tdf": 0, b"z\ttf": 500_000, b"z\tdf": 0,
    }  # fmt: skip


def test_a_library_that_fails_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(native, "VERSION", native.VERSION + 1)
    with pytest.raises(ValueError, match=f"version {native.VERSION - 1} .* and {native.VERSION} is"):
        native._test(library)
    monkeypatch.setenv(native.OFF, "0")
    assert native.load() is None


def test_threads_that_come_while_it_loads_get_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> object:
        time.sleep(0.1)
        return library

    monkeypatch.setattr(native, "_find", find)
    monkeypatch.setattr(native, "_library", None)
    monkeypatch.setattr(native, "_tried", False)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: native.load(), range(4))) == [library] * 4


def test_a_salt_beyond_what_the_hash_takes_is_refused() -> None:
    encoder = native.Encoder(library, preset("keras"), [], 2, b"x" * 65)
    with pytest.raises(native.Unsupported):
        encoder.lines([b"l"], [b"text"], [b"text"])

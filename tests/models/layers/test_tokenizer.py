"""The layer makes exactly the features of mapreduce.tokens.tokenizer, for any specification, over any bytes."""

from __future__ import annotations

import itertools
import re
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mapreduce.features.encoding import Encoder
from mapreduce.tokens.specification import FEATURES as FIELDS
from mapreduce.tokens.specification import PRESETS, Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer as PlainTokenizer
from models.layers.encoder import Buckets, encode
from models.layers.tokenizer import Tokenizer, characters
from tests.models.conftest import memory_for

HOSTILE = [
    *(c.encode("utf-8", "surrogatepass") for c in "\0\t\n\v\f\r\x1c\x1f \x7f\x85\xa0\u2028\u2029\u3000\u200b\ufeff"),
    *(
        c.encode("utf-8", "surrogatepass")
        for c in "aAzZ_-'\"\\[]^$.*é\u0301ßİıſ中文ก๛😀\U0001f468\u200d\ufffd\uffff\ud800\udfff"
    ),
    *(b"\xc3", b"\xe4\xb8", b"\xf0\x9f\x98", b"\x80", b"\xbf", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\xff", b"\xfe", b"\r\n", b"  ", b"don't", b"http://a.b/c?d=1", b"3.14"),
]
PIECES = st.one_of(st.sampled_from(HOSTILE), st.binary(max_size=4), st.text(max_size=4).map(str.encode))
TEXTS = st.lists(st.lists(PIECES, max_size=12).map(b"".join), min_size=1, max_size=8)
FEATURES = st.fixed_dictionaries(
    {
        "split": st.sampled_from(["whitespace", "character"]),
        "ngrams": st.sampled_from([(1,), (2,), (1, 2), (1, 3), ()]),
        "character_ngrams": st.sampled_from([(), (1,), (3,), (2, 4)]),
        "head": st.integers(0, 3),
        "skips": st.booleans(),
        "head_pairs": st.integers(0, 3),
        "prefixes": st.sampled_from([0, 1, 3, 100]),
        "characters_across": st.sampled_from([(), (1,), (3, 6)]),
    }
).filter(lambda fields: any(fields[name] for name in FIELDS))
ALL: dict[str, Any] = {"ngrams": (1, 2), "character_ngrams": (2, 3), "head": 1}
ALL |= {"skips": True, "head_pairs": 2, "prefixes": 3, "characters_across": (2, 4)}


def replacements(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    """None stands for the unit itself between spaces."""
    return st.one_of(st.sampled_from(["", " ", None]), st.lists(characters, max_size=3).map("".join))


def tables(
    units: st.SearchStrategy[int], characters: st.SearchStrategy[str]
) -> st.SearchStrategy[tuple[tuple[int, str], ...]]:
    def settle(table: dict[int, str | None]) -> tuple[tuple[int, str], ...]:
        full = {u: f" {chr(u)} " if text is None else text for u, text in table.items() if u != 10}
        return tuple(sorted((u, text) for u, text in full.items() if text != chr(u)))

    return st.dictionaries(units, replacements(characters), max_size=8).map(settle)


ASCII = st.integers(0, 127)
CODEPOINTS = st.one_of(
    ASCII,
    st.sampled_from([0x85, 0xA0, 0xE9, 0x301, 0x2028, 0x3000, 0x4E2D, 0xFFFD, 0xFFFF, 0x1F600]),
    st.characters(exclude_categories=["Cs"]).map(ord),
)
SPECIFICATIONS = st.one_of(
    st.builds(lambda table, fields: Specification(table=table, **fields), tables(ASCII, ASCII.map(chr)), FEATURES),
    st.builds(
        lambda table, fields: Specification(level="codepoint", table=table, **fields),
        tables(CODEPOINTS, CODEPOINTS.map(chr)),
        FEATURES,
    ),
)
RELAXED = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def both(specification: Specification, texts: list[bytes]) -> None:
    found = Tokenizer(specification)(tf.constant(texts)).to_list()
    expected = map(PlainTokenizer(specification).features, texts)
    for text, ours, theirs in zip(texts, found, expected, strict=True):
        assert ours == theirs, text


@settings(RELAXED, max_examples=40)
@given(SPECIFICATIONS, TEXTS)
@example(Specification(table=((65, " "),)), [b"aAzZ"])
@example(Specification(table=((32, ""), (33, " ! "), (65, "a"))), [b"A !b C"])
def test_equal_for_random_specifications(specification: Specification, texts: list[bytes]) -> None:
    both(specification, texts)


@pytest.mark.slow
@settings(RELAXED, max_examples=2000)
@given(SPECIFICATIONS, TEXTS)
def test_equal_for_many_random_specifications(specification: Specification, texts: list[bytes]) -> None:
    both(specification, texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_equal_on_ten_thousand_texts(name: str) -> None:
    specification = preset(name, **ALL)
    seen: list[bytes] = []

    @settings(RELAXED, max_examples=400)
    @given(st.lists(st.lists(PIECES, max_size=20).map(b"".join), min_size=25, max_size=25))
    def run(texts: list[bytes]) -> None:
        seen.extend(texts)
        both(specification, texts)

    run()
    assert len(seen) >= 10_000


@pytest.mark.parametrize("name", PRESETS)
def test_equal_on_pairs_of_bytes_and_triples_of_hostile_pieces(name: str) -> None:
    pairs = [bytes(pair) for pair in itertools.product(range(256), repeat=2)]
    triples = [b"".join(three) for three in itertools.product(HOSTILE[::2], repeat=3)]
    both(preset(name), pairs[::3] + triples[::5])
    both(preset(name, **ALL), pairs[::29] + triples[::31])


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_equal_on_every_pair_of_bytes_and_triple_of_hostile_pieces(name: str) -> None:
    pairs = [bytes(pair) for pair in itertools.product(range(256), repeat=2)]
    triples = [b"".join(three) for three in itertools.product(HOSTILE, repeat=3)]
    both(preset(name), pairs + triples)
    both(preset(name, **ALL), pairs + triples)


@pytest.mark.parametrize("level", ["byte", "codepoint"])
@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_equal_on_every_white_space_and_punctuation(level: str, split: str) -> None:
    points = [
        chr(p)
        for p in range(0x110000)
        if (unicodedata.category(chr(p))[0] in "ZPC" and p < 0x3100) or p in range(0xD7F0, 0xE010)
    ]
    texts = [f"a{c}B {c}".encode("utf-8", "surrogatepass") for c in points]
    table = ((33, " ! "), (65, "a"), (66, "b"))
    both(Specification(level=level, split=split, table=table), texts)


@pytest.mark.slow
def test_equal_on_every_code_point() -> None:
    texts = [f"a{chr(p)}b".encode("utf-8", "surrogatepass") for p in range(0x110000)]
    table = ((0x85, " "), (0x2028, ""), (0x3000, " "), (0xFFFD, " ? "))
    for level in ("byte", "codepoint"):
        specification = Specification(level=level, table=table if level == "codepoint" else ())
        for start in range(0, len(texts), 1 << 17):
            both(specification, texts[start : start + (1 << 17)])


def test_keras_preset_is_text_vectorization() -> None:
    texts = [b"".join(three) for three in itertools.product(HOSTILE[::3], repeat=3)]
    layer = keras.layers.TextVectorization(ragged=True)
    theirs = layer._preprocess(tf.constant(texts))
    assert Tokenizer(preset("keras"))(tf.constant(texts)).to_list() == theirs.to_list()


def test_characters_hold_their_continuation_bytes() -> None:
    found = characters(tf.constant([b"\x80a\xc3\xa9", b"", b"\xbf\x80", "中b".encode()])).to_list()
    assert found == [[b"\x80", b"a", b"\xc3\xa9"], [], [b"\xbf\x80"], ["中".encode(), b"b"]]


def test_a_long_word_is_linear() -> None:
    word = "中".encode() * 100_000
    found = Tokenizer(preset("whitespace", character_ngrams=(5,)))([word])
    assert found.row_lengths().numpy().tolist() == [1 + 100_002 - 4]


MANY_WIDTHS = preset("words", ngrams=3, character_ngrams=(3, 4, 5), head=2)


def bags_of(texts: list[bytes]) -> dict[str, tf.Tensor]:
    """Their bags, made in a graph."""
    function = tf.function(lambda given: encode(MANY_WIDTHS, Buckets(1000), given, "bag"))
    found: dict[str, tf.Tensor] = function(tf.constant(texts))
    return found


def counts_of(text: bytes) -> Counter[int]:
    return Counter(Encoder(PlainTokenizer(MANY_WIDTHS), 1000).ids(text))


LONG_AND_MANY = b"A" * 50_000 + b" b" * 45_000


@pytest.mark.parametrize("text", [LONG_AND_MANY, LONG_AND_MANY[::-1], "中文字 ".encode() * 10_000], ids=range(3))
def test_memory_is_linear_in_the_bytes(text: bytes) -> None:
    """Words times the longest of them would be 9 GB."""
    texts = [text, b"", b"a b c"]
    bags_of([b"x y z"])
    with memory_for(1 << 30):
        found = bags_of(texts)
    for ids, counts, text in zip(found["ids"].numpy(), found["counts"].numpy(), texts, strict=True):
        assert Counter({int(i): int(n) for i, n in zip(ids, counts) if i}) == counts_of(text)


@pytest.mark.slow
@pytest.mark.parametrize("text", [b"a" * 5_000_000, b"a " * 1_000_000, "中".encode() * 1_000_000], ids=range(3))
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of this process is known on Linux")
def test_memory_is_linear_in_the_bytes_of_large_texts(text: bytes) -> None:
    def peak() -> int:
        (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found) << 10

    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what there is
    before = peak()
    bags_of([text])
    assert peak() - before < 350 * len(text)


def test_input_of_any_shape() -> None:
    layer = Tokenizer(preset("keras", ngrams=2))
    texts = tf.constant([["a b", ""], ["C!", "d  e f"], ["", "g"]])
    rows = layer(texts)
    assert rows.shape.as_list() == [3, 2, None]
    assert rows.to_list()[1] == [[b"c"], [b"d", b"e", b"f", b"d e", b"e f"]]
    assert layer(texts[0, 0]).numpy().tolist() == [b"a", b"b", b"a b"]
    assert layer(tf.reshape(texts, [1, 3, 1, 2])).to_list()[0][1][0] == rows.to_list()[1]
    assert layer(tf.zeros([0, 2], tf.string)).to_list() == []
    assert layer(tf.zeros([2, 0], tf.string)).to_list() == [[], []]
    ragged = tf.ragged.constant([["a b"], [], ["C!", "d"]])
    assert layer(ragged).to_list() == [[[b"a", b"b", b"a b"]], [], [[b"c"], [b"d"]]]
    assert layer(["x y"]).to_list() == [[b"x", b"y", b"x y"]]


def test_unknown_rank_is_refused() -> None:
    layer = Tokenizer(preset("keras"))
    function = tf.function(layer.call, input_signature=[tf.TensorSpec(None, tf.string)])
    with pytest.raises(ValueError, match="rank is known"):
        function.get_concrete_function()


SPECIFICATION = preset("sentences", **ALL)
TEXT = b"It's 3.14 \xff\x00 A-b!"


def test_config_round_trip_and_keras_file(tmp_path: Path) -> None:
    layer = Tokenizer.from_config(Tokenizer(SPECIFICATION).get_config())
    assert layer.specification == SPECIFICATION
    texts = keras.Input((), dtype="string")
    model = keras.Model(texts, layer(texts))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again(tf.constant([TEXT])).to_list() == [PlainTokenizer(SPECIFICATION).features(TEXT)]


def test_in_tf_data_and_tf_function() -> None:
    layer = Tokenizer(SPECIFICATION)
    expected = PlainTokenizer(SPECIFICATION).features(TEXT)
    data = tf.data.Dataset.from_tensor_slices([TEXT, b""]).batch(2).map(layer)
    assert [batch.to_list() for batch in data] == [[expected, []]]
    graph = tf.function(layer.call, input_signature=[tf.TensorSpec([None], tf.string)]).get_concrete_function().graph
    operations = {node.type for node in graph.get_operations()}
    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def test_in_a_saved_model(tmp_path: Path) -> None:
    module = tf.Module()
    signature = [tf.TensorSpec([None], tf.string)]
    module.features = tf.function(lambda texts: Tokenizer(SPECIFICATION)(texts).to_tensor(), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path / "m"))
    found = tf.saved_model.load(str(tmp_path / "m")).features([TEXT])
    assert found[0].numpy().tolist() == PlainTokenizer(SPECIFICATION).features(TEXT)

"""The plain Python tokenizer, by hand-made cases and by its own definition."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.tokens.specification import PUNCTUATION, Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer

SENTENCE = b"It's the state-of-the-art!"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keras", b"its the stateoftheart"),
        ("whitespace", b"It's the state-of-the-art!"),
        ("words", b"it s the state of the art"),
        ("sentences", b"It ' s the state - of - the - art !"),
    ],
)
def test_presets(name: str, words: bytes) -> None:
    assert Tokenizer(preset(name)).words(SENTENCE) == words.split(b" ")


def test_features_in_their_order() -> None:
    tokenizer = Tokenizer(preset("keras", ngrams=2, character_ngrams=(3, 4), head=2))
    assert tokenizer.features(b"a cat, a") == [
        *[b"a", b"cat", b"a", b"a cat", b"cat a"],
        *[b" ~ a ", b" ~ ca", b" ~cat", b" ~at ", b" ~ a "],
        *[b" ~ cat", b" ~cat "],
        *[b" ^a", b" ^cat"],
    ]


def test_rarer_features_in_their_order() -> None:
    tokenizer = Tokenizer(
        preset("keras", ngrams=(), head=1, skips=True, head_pairs=2, prefixes=3, characters_across=(3, 5))
    )
    assert tokenizer.features(b"a cat, a dog") == [
        b" ^a",
        *[b" _a a", b" _cat dog"],
        *[b" &a cat", b" &cat a"],
        *[b" <a", b" <a cat", b" <a cat a"],
        *[b" = a ", b" =a c", b" = ca", b" =cat", b" =at ", b" =t a", b" = a ", b" =a d", b" = do", b" =dog", b" =og "],
        *[b" = a ca", b" =a cat", b" = cat ", b" =cat a", b" =at a ", b" =t a d", b" = a do", b" =a dog", b" = dog "],
    ]
    assert tokenizer.features(b"cat") == [
        *[b" ^cat", b" <cat"],
        *[b" = ca", b" =cat", b" =at ", b" = cat "],
    ]
    assert tokenizer.features(b" ") == []


@pytest.mark.parametrize("split", ["whitespace", "character"])
def test_characters_across_words_are_those_within_them(split: str) -> None:
    text = "né 中".encode() + b" \x80a\xff \x81b"
    tokenizer = Tokenizer(Specification(split=split, ngrams=(), characters_across=(1,)))
    whole = b" " + b" ".join(tokenizer.words(text)) + b" "
    units = [feature.removeprefix(b" =") for feature in tokenizer.features(text)]
    assert b"".join(units) == whole
    assert all(len(unit.lstrip(bytes(range(0x80, 0xC0)))) == len(unit) for unit in units)
    assert b" \x81" in units and "é".encode() in units


@given(st.lists(st.binary(min_size=1, max_size=3).filter(lambda word: not word[:1].isspace()), max_size=4))
def test_no_two_kinds_of_features_are_alike(words: list[bytes]) -> None:
    kinds: dict[str, Any] = {
        "ngrams": (1, 2, 3),
        "character_ngrams": (1, 2, 3),
        "head": 9,
        "skips": True,
        "head_pairs": 9,
        "prefixes": 9,
        "characters_across": (1, 2, 3),
    }
    none: dict[str, Any] = {"ngrams": ()}
    made = [
        Tokenizer(Specification(**{**none, name: value})).features(b" ".join(words)) for name, value in kinds.items()
    ]
    assert sum(len(set(some)) for some in made) == len(set().union(*made))
    assert Tokenizer(Specification(**kinds)).features(b" ".join(words)) == [
        feature for some in made for feature in some
    ]


def test_characters_are_whole_in_utf8_and_defined_in_anything() -> None:
    tokenizer = Tokenizer(Specification(split="character"))
    assert tokenizer.words("né 中".encode()) == [b"n", "é".encode(), "中".encode()]
    assert tokenizer.words(b"a\x80\xff \x81b") == [b"a\x80", b"\xff", b"\x81", b"b"]


def test_only_ascii_white_space_splits() -> None:
    tokenizer = Tokenizer(preset("whitespace"))
    assert tokenizer.words(b"a\tb\nc\x0bd\x0ce\rf g\x1ch\xc2\x85i\xc2\xa0j") == [
        *[b"a", b"b", b"c", b"d", b"e", b"f"],
        b"g\x1ch\xc2\x85i\xc2\xa0j",
    ]


def test_code_points_replace_invalid_utf8() -> None:
    tokenizer = Tokenizer(Specification(level="codepoint", table=((0xA0, " "), (0xDF, "ss"))))
    assert tokenizer.words("stra\u00dfe\u00a0x".encode() + b"\xff") == [b"strasse", "x\ufffd".encode()]


def test_a_unit_is_replaced_once() -> None:
    table = ((33, "? "), (63, "!"), (97, "b"), (98, ""))
    assert Tokenizer(Specification(table=table)).words(b"!?ab") == [b"?", b"!b"]


@given(st.binary())
def test_keras_preset_against_its_definition(text: bytes) -> None:
    lowered = bytes(b + 32 if 65 <= b <= 90 else b for b in text)
    stripped = re.sub(b"[" + re.escape(PUNCTUATION.encode()) + b"]", b"", lowered)
    assert Tokenizer(preset("keras")).words(text) == stripped.split()


units = st.integers(0, 127).filter(lambda u: u != 10)
tables = st.dictionaries(units, st.text(st.characters(max_codepoint=127), max_size=3)).map(
    lambda d: tuple(sorted((u, t) for u, t in d.items() if t != chr(u)))
)


@given(tables, st.binary())
def test_any_table_against_its_definition(table: tuple[tuple[int, str], ...], text: bytes) -> None:
    replacement = {u: t.encode() for u, t in table}
    expected = b"".join(replacement.get(unit, bytes([unit])) for unit in text)
    assert Tokenizer(Specification(table=table)).normalize(text) == expected

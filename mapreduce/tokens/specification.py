"""The tokenizer's specification: what a token is, as data that is stored, fingerprinted and compared.

A specification is a character table (what replaces each byte or code point), a split, and the features that are made
of the words: n-grams of words and of characters, the words that a document begins with, and so on.
`mapreduce.tokens.tokenizer` runs it on the nodes, `models.layers.tokenizer` inside the graph. This module tokenizes
nothing itself and holds no regular expression.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import WIDEST
from mapreduce.tokens import unicode

PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LEVELS = ("byte", "codepoint")
SPLITS = ("whitespace", "character")
PUNCTUATION_RULES = ("delete", "space", "keep", "leave")
CASE_RULES = ("fold", "keep")
ALONE = " {} "
"""In a packed table: each unit of a run becomes a word of its own."""
UNITS = 1 << 18
"""At most in a packed table; Unicode has 155 thousand characters so far."""
LONGEST = 64
"""Characters of a replacement: a document grows by so much at most. The longest of a preset has 18."""
MOST_HEAD = 1_000_000
WIDTHS = ("ngrams", "character_ngrams", "characters_across")
"""The fields that hold widths."""
FEATURES = ("ngrams", "character_ngrams", "head", "skips", "head_pairs", "prefixes", "characters_across")
"""The fields that say what features there are, in the order in which a document has them."""
LATER = ("skips", "head_pairs", "prefixes", "characters_across")
"""Fields that 0.1.0 did not have; where they say nothing they are not written, so that fingerprints stay the same."""


@dataclass(frozen=True)
class Specification:
    """What becomes a token.

    Attributes:
        level: "byte" (invalid UTF-8 passes through untouched) or "codepoint" (it becomes U+FFFD first).
        table: sorted pairs (unit, replacement); a unit is a byte below 128 at byte level, a code point else.
            "" deletes the unit, " " separates words, " ! " keeps it as a word of its own. Units that are
            left out stay as they are.
        split: "whitespace" (bytes 9 to 13 and 32) or "character" (each character is a word).
        ngrams: widths of word n-grams, as TextVectorization's `ngrams` tuple; () for none.
        character_ngrams: widths of character n-grams within each word.
        head: how many of the first words are counted once more, as features of their own.
        skips: whether each pair of a word and the word after next is a feature.
        head_pairs: how many of the first pairs of neighbours are counted once more, as features of their own.
        prefixes: of how many words at most the beginnings of a document are, each of which is a feature.
        characters_across: widths of character n-grams within the words joined by spaces.

    Raises:
        UserError: a field has a value outside these.
    """

    level: str = "byte"
    table: tuple[tuple[int, str], ...] = ()
    split: str = "whitespace"
    ngrams: tuple[int, ...] = (1,)
    character_ngrams: tuple[int, ...] = ()
    head: int = 0
    skips: bool = False
    head_pairs: int = 0
    prefixes: int = 0
    characters_across: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in LEVELS or self.split not in SPLITS:
            raise UserError(
                f"specification: level must be one of {LEVELS} and split one of {SPLITS}. "
                f"Received: level={self.level!r:.60}, split={self.split!r:.60}"
            )
        for name in WIDTHS:
            widths = getattr(self, name)
            if list(widths) != sorted(set(widths)) or not all(_is_count(n) and 0 < n <= WIDEST for n in widths):
                raise UserError(
                    f"specification: {name} are ascending widths from 1 to {WIDEST}. Received: {widths!r:.60}"
                )
        for name, most in (("head", MOST_HEAD), ("head_pairs", MOST_HEAD), ("prefixes", WIDEST)):
            number = getattr(self, name)
            if not _is_count(number) or not 0 <= number <= most:
                raise UserError(f"specification: {name} is a number from 0 to {most}. Received: {number!r:.60}")
        if not isinstance(self.skips, bool):
            raise UserError(f"specification: skips is true or false. Received: {self.skips!r:.60}")
        if not any(getattr(self, name) for name in FEATURES):
            raise UserError(f"specification: no features: give {', '.join(FEATURES[:-1])} or {FEATURES[-1]}")
        _check_table(self.level, self.table)

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON-ready data; the table as `_packed` has it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values = {name: value for name, value in values.items() if value or name not in LATER}
        return {**values, "table": _packed(self.table), "version": 1}

    @classmethod
    def from_json(cls, data: Any) -> Specification:
        """The specification that `to_json` wrote.

        Raises:
            UserError: `data` is not one.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or data.get("version") != 1 or not set(data) <= names | {"version"}:
            raise UserError(f"not a tokenizer specification of version 1. Received: {str(data)[:80]}")
        values = {name: data[name] for name in names if name in data}
        try:
            if "table" in values:
                values["table"] = tuple(sorted(_unpacked(values["table"])))
            for name in WIDTHS:
                if name in values:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise UserError(f"not a tokenizer specification. Received: {str(data)[:80]}") from None

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ where two specifications differ."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]

    @property
    def words_only(self) -> bool:
        """Whether the features are just the words, in the order of the text."""
        return self.ngrams == (1,) and not any(getattr(self, name) for name in FEATURES[1:])

    @property
    def widths(self) -> int:
        """How many widths of n-grams take the memory that the features take; the first words take next to none."""
        longer = 1 + self.prefixes // 20 if self.prefixes else 0  # they may all hold a first word that is the document
        return sum(len(getattr(self, name)) for name in WIDTHS) + self.skips + bool(self.head_pairs) + longer


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_table(level: str, table: tuple[tuple[int, str], ...]) -> None:
    limit = 128 if level == "byte" else 0x110000
    units = [unit for unit, _ in table]
    if units != sorted(set(units)) or any(not 0 <= unit < limit for unit in units):
        raise UserError(f"specification: units of a {level} table ascend and lie below {limit}")
    for unit, text in table:
        if not isinstance(text, str) or text == chr(unit):
            raise UserError(f"specification: unit {unit} needs a replacement other than itself")
        if len(text) > LONGEST:
            raise UserError(
                f"specification: a replacement has at most {LONGEST} characters; that of unit {unit} has {len(text)}"
            )
        if any(ord(c) >= limit or 0xD800 <= ord(c) < 0xE000 for c in text):
            raise UserError(f"specification: the replacement of unit {unit} is outside the {level} level")
        if (unit == 10) and text != " ":
            raise UserError("specification: the line end (10) stays or becomes a space")


def _kinds(unit: int, text: str) -> set[str | int]:
    """The ways in which a run of units may go on as this one does."""
    kinds: set[str | int] = {text} if text != ALONE else set()
    if text == f" {chr(unit)} ":
        kinds.add(ALONE)
    if len(text) == 1:
        kinds.add(ord(text) - unit)
    return kinds


def _packed(table: Iterable[tuple[int, str]]) -> dict[str, str | int]:
    """{unit: replacement} and {first-last: replacement, ALONE or offset} for runs of units."""
    runs: list[tuple[int, int, set[str | int], str]] = []
    for unit, text in table:
        kinds = _kinds(unit, text)
        if runs and runs[-1][1] == unit - 1 and (shared := runs[-1][2] & kinds):
            runs[-1] = (runs[-1][0], unit, shared, text)
        else:
            runs.append((unit, unit, kinds, text))
    packed: dict[str, str | int] = {}
    for first, last, kinds, text in runs:
        packed[str(first) if first == last else f"{first}-{last}"] = text if first == last else min(kinds, key=str)
    return packed


def _unpacked(packed: dict[str, str | int]) -> Iterator[tuple[int, str]]:
    left = UNITS
    for key, text in packed.items():
        first, dash, last = key.partition("-")
        units = range(int(first), min(int(last) if dash else int(first), 0x10FFFF) + 1)
        left -= len(units)
        if left < 0:
            raise UserError(f"specification: a table of more than {UNITS} units, by {key[:20]!r}; name fewer")
        for unit in units:
            if isinstance(text, int):
                yield unit, chr(unit + text)
            else:
                yield unit, f" {chr(unit)} " if dash and text == ALONE else text


def character_table(
    level: str = "byte",
    *,
    punctuation: str = "delete",
    case: str = "fold",
    ideographs: bool = False,
    unspaced: bool = False,
) -> tuple[tuple[int, str], ...]:
    """A table over ASCII (level "byte") or over Unicode (level "codepoint").

    Args:
        punctuation: what becomes of punctuation, the 32 ASCII marks and at code point level all of Unicode's: "delete",
            "space", "keep" (words of their own), or "leave" (no change).
        case: "fold" or "keep". A to Z become a to z; at code point level every code point becomes its compatibility
            form in folded case, and code points that are not seen (category Cf) are deleted.
        ideographs: whether each CJK ideograph becomes a word, at code point level.
        unspaced: whether each character of scripts without spaces between words becomes one, at code point level.
    """
    if punctuation not in PUNCTUATION_RULES or case not in CASE_RULES:
        raise UserError(
            "specification: punctuation is delete, space, keep or leave; case is fold or keep. "
            f"Received: punctuation={punctuation!r}, case={case!r}"
        )
    marks: Iterable[int] = map(ord, PUNCTUATION)
    table: dict[int, str] = {}
    folded = {unit: chr(unit + 32) for unit in range(65, 91)}
    if level == "codepoint":
        found = unicode.classes()
        marks, folded = found.punctuation, {**found.fold, **dict.fromkeys(found.ignorable, "")}
        table.update(dict.fromkeys(found.space, " "))
        alone = (found.ideograph if ideographs else frozenset()) | (found.unspaced if unspaced else frozenset())
        table.update((unit, f" {chr(unit)} ") for unit in alone)
    if punctuation != "leave":
        replacement = {"delete": "", "space": " ", "keep": " {} "}[punctuation]
        table.update((mark, replacement.format(chr(mark))) for mark in marks)
    if case == "fold":
        classed = dict(table)
        for unit, text in folded.items():
            table[unit] = "".join(classed.get(ord(c), c) for c in text)
    return tuple(sorted((unit, text) for unit, text in table.items() if text != chr(unit)))


_PRESETS: dict[str, dict[str, Any]] = {
    "keras": {"punctuation": "delete", "case": "fold"},
    "whitespace": {"punctuation": "leave", "case": "keep"},
    "words": {"punctuation": "space", "case": "fold"},
    "sentences": {"punctuation": "keep", "case": "keep"},
    "unicode": {"level": "codepoint", "punctuation": "space", "case": "fold"},
    "cjk": {"level": "codepoint", "punctuation": "space", "case": "fold", "ideographs": True},
    "unspaced": {"level": "codepoint", "punctuation": "keep", "case": "fold", "unspaced": True},
    "characters": {"level": "codepoint", "punctuation": "leave", "case": "keep"},
}
PRESETS = tuple(_PRESETS)


def preset(
    name: str,
    *,
    ngrams: int | tuple[int, ...] | None = None,
    character_ngrams: tuple[int, ...] | None = None,
    head: int | None = None,
    skips: bool | None = None,
    head_pairs: int | None = None,
    prefixes: int | None = None,
    characters_across: tuple[int, ...] | None = None,
    **rules: Any,
) -> Specification:
    """A named specification, with any of its parts overridden.

    Args:
        name: "keras" (exactly TextVectorization's `lower_and_strip_punctuation` and `whitespace`),
            "whitespace" (split only), "words" (punctuation becomes a space, so contractions and hyphens are
            split), "sentences" (case and punctuation kept, each mark a word), "unicode" (as "words", over all of
            Unicode), "cjk" (as "unicode", and each ideograph a word), "unspaced" (as "unicode", and each character of
            Chinese, Japanese, Thai, Lao, Khmer and Burmese and each mark a word) or "characters" (each code point a
            word).
        ngrams: widths; an int n means 1 to n, as in TextVectorization.
        rules: of the table, as `character_table` takes them; None leaves the preset's.

    Raises:
        UserError: there is no such preset or value.

    Example:
        >>> preset("words", ngrams=2, head=8).ngrams
        (1, 2)
    """
    if name not in _PRESETS:
        raise UserError(f"no tokenizer preset {name!r}; there are {', '.join(PRESETS)}")
    rules = {**_PRESETS[name], **{rule: value for rule, value in rules.items() if value is not None}}
    split = "character" if name == "characters" else "whitespace"
    return override(
        Specification(level=rules.get("level", "byte"), table=character_table(**rules), split=split),
        ngrams=ngrams,
        character_ngrams=character_ngrams,
        head=head,
        skips=skips,
        head_pairs=head_pairs,
        prefixes=prefixes,
        characters_across=characters_across,
    )


def override(
    specification: Specification,
    *,
    ngrams: int | tuple[int, ...] | None = None,
    character_ngrams: tuple[int, ...] | None = None,
    head: int | None = None,
    skips: bool | None = None,
    head_pairs: int | None = None,
    prefixes: int | None = None,
    characters_across: tuple[int, ...] | None = None,
) -> Specification:
    """The same characters and words with other features; None leaves a field as it is."""
    if isinstance(ngrams, int):
        if not 1 <= ngrams <= WIDEST:
            raise UserError(f"specification: ngrams is a width from 1 to {WIDEST}. Received: {ngrams!r:.60}")
        ngrams = tuple(range(1, ngrams + 1))
    changes = {
        "ngrams": ngrams,
        "character_ngrams": character_ngrams,
        "head": head,
        "skips": skips,
        "head_pairs": head_pairs,
        "prefixes": prefixes,
        "characters_across": characters_across,
    }
    return replace(specification, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]

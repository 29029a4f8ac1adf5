"""Runs a specification in plain Python, standard library only: bytes of a document to its words and features.

The same rules as `models.layers.tokenizer`, which runs them inside a TensorFlow graph; property tests hold the two
equal. This module counts nothing and reads no records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from mapreduce.tokens.specification import Specification

CHARACTER_NGRAM = b" ~"
"""Begins every character n-gram; no word n-gram begins with a space, so the two never collide."""
HEAD = b" ^"
"""Begins every head feature."""
SKIP, HEAD_PAIR, PREFIX, ACROSS = b" _", b" &", b" <", b" ="
"""Begin the pairs with a word between them, the first pairs, the beginnings and the characters across words."""

# A character at byte level: one byte and the continuation bytes behind it, in valid UTF-8 and in any other.
_characters = re.compile(rb"[\x00-\xff][\x80-\xbf]*", re.DOTALL).findall


class Tokenizer:
    """Turns documents into features.

    Example:
        >>> from mapreduce.tokens.specification import preset
        >>> Tokenizer(preset("keras", ngrams=2)).features(b"It's a cat.")
        [b'its', b'a', b'cat', b'its a', b'a cat']
    """

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self.normalize = _normalizer(specification)
        if specification.split == "whitespace":
            self._split: Callable[[bytes], list[bytes]] = bytes.split
        else:
            self._split = lambda text: list(chain.from_iterable(map(_characters, text.split())))
        if specification.words_only:
            self.features = self.words  # type: ignore[method-assign]

    def words(self, text: bytes) -> list[bytes]:
        """The words of a document, in order."""
        return self._split(self.normalize(text))

    def features(self, text: bytes) -> list[bytes]:
        """The features of a document: word n-grams by width, character n-grams by width, the head, skips, head pairs,
        prefixes, then characters across words by width."""
        return list(self.each_feature(text))

    def each_feature(self, text: bytes) -> Iterator[bytes]:
        """The same, one by one: memory holds the words of the document, not its features."""
        words = self.words(text)
        spec = self.specification
        return chain(
            chain.from_iterable(word_ngrams(words, width) for width in spec.ngrams),
            chain.from_iterable(character_ngrams(words, width) for width in spec.character_ngrams),
            (HEAD + word for word in words[: spec.head]),
            skips(words) if spec.skips else (),
            (HEAD_PAIR + pair for pair in word_ngrams(words[: spec.head_pairs + 1], 2)),
            prefixes(words, spec.prefixes),
            chain.from_iterable(characters_across(words, width) for width in spec.characters_across),
        )


def word_ngrams(words: list[bytes], width: int) -> Iterable[bytes]:
    """All runs of `width` words, joined with one space.

    Example:
        >>> list(word_ngrams([b"a", b"b", b"c"], 2))
        [b'a b', b'b c']
    """
    return words if width == 1 else map(b" ".join, zip(*(islice(words, i, None) for i in range(width))))


def character_ngrams(words: list[bytes], width: int) -> Iterator[bytes]:
    """All runs of `width` characters within each word, a space before and after the word included.

    Example:
        >>> list(character_ngrams([b"cat"], 3))
        [b' ~ ca', b' ~cat', b' ~at ']
    """
    for word in words:
        characters = _characters(b" " + word + b" ")
        yield from [CHARACTER_NGRAM + b"".join(characters[i : i + width]) for i in range(len(characters) - width + 1)]


def skips(words: list[bytes]) -> Iterator[bytes]:
    """All pairs of a word and the word after next.

    Example:
        >>> list(skips([b"a", b"b", b"c", b"d"]))
        [b' _a c', b' _b d']
    """
    return (SKIP + first + b" " + third for first, third in zip(words, islice(words, 2, None)))


def prefixes(words: list[bytes], most: int) -> Iterator[bytes]:
    """The first words joined with one space: of one word, of two, ... of `most`.

    Example:
        >>> list(prefixes([b"a", b"b", b"c"], 2))
        [b' <a', b' <a b']
    """
    return (PREFIX + b" ".join(words[: i + 1]) for i in range(min(most, len(words))))


def characters_across(words: list[bytes], width: int) -> Iterator[bytes]:
    """All runs of `width` characters in the words joined with one space, a space before and after all of it included.

    Example:
        >>> list(characters_across([b"a", b"cat"], 4))
        [b' = a c', b' =a ca', b' = cat', b' =cat ']
    """
    characters = _characters(b" " + b" ".join(words) + b" ") if words else []
    return (ACROSS + b"".join(characters[i : i + width]) for i in range(len(characters) - width + 1))


def _normalizer(specification: Specification) -> Callable[[bytes], bytes]:
    """The character table as one function on bytes; it never deletes a line end, so a block may hold many."""
    if specification.level == "codepoint":
        table = dict(specification.table)
        return lambda text: text.decode("utf-8", "replace").translate(table).encode()
    single = bytearray(range(256))
    deleted = bytearray()
    longer: dict[bytes, bytes] = {}
    for unit, text in specification.table:
        if not text:
            deleted.append(unit)
        elif len(text) == 1:
            single[unit] = ord(text)
        else:
            longer[bytes([unit])] = text.encode("ascii")
    table_256, delete = bytes(single), bytes(deleted)
    if not specification.table:
        return lambda text: text
    if not longer:
        return lambda text: text.translate(table_256, delete)
    if any(single[unit] != unit and bytes([single[unit]]) in longer for unit in range(128)):
        # One unit turns into another that the table expands: replace unit by unit, each of them once.
        pieces = [bytes(single[unit : unit + 1]) for unit in range(256)]
        for unit, text in specification.table:
            pieces[unit] = text.encode("ascii")
        return lambda text: b"".join(map(pieces.__getitem__, text))
    expanded = re.compile(b"[" + b"".join(map(re.escape, longer)) + b"]").sub
    if all(text == b" " + unit + b" " for unit, text in longer.items()):
        return lambda text: expanded(rb" \g<0> ", text.translate(table_256, delete))
    return lambda text: expanded(lambda match: longer[match.group()], text.translate(table_256, delete))

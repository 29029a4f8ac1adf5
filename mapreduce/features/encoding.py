"""Documents to shard lines: the hash, the label and the ids of a text or the pixels of an image.

A shard line is `hash TAB label TAB base64`; the hash has 16 digits, and 16 more of its group where records have one.
`jobs/encode.py` writes them, the bridge in `models.dataset` reads them; nothing here knows models.
"""

from __future__ import annotations

import sys
from array import array
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from mapreduce.input.formats.images import encoded
from mapreduce.input.records import record_hash
from mapreduce.native import library as native
from mapreduce.output.vocabulary import FIRST, OOV
from mapreduce.tokens.hashing import bucket
from mapreduce.tokens.tokenizer import Tokenizer


def pack(values: Iterable[int]) -> bytes:
    """Integers as little-endian int32 in base64 of the web-safe alphabet, padded."""
    numbers = array("i", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return urlsafe_b64encode(numbers.tobytes())


def unpack(data: bytes) -> list[int]:
    """What `pack` has packed."""
    numbers = array("i", urlsafe_b64decode(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class Encoder:
    """Looks features up, or hashes them, and writes shard lines; looks up natively where the library is there.

    Args:
        tokens: in the order of their ids, or a number of buckets that features are hashed to.
    """

    def __init__(self, tokenizer: Tokenizer, tokens: Sequence[bytes] | int, salt: bytes = b"") -> None:
        self._tokenizer, self._tokens, self._salt = tokenizer, tokens, salt
        self._native: native.Encoder | None = None
        library = native.load() if len(salt) <= 64 else None
        if library and not isinstance(tokens, int):
            self._native = native.Encoder(library, tokenizer.specification, tokens, FIRST, salt)

    @cached_property
    def _id(self) -> Callable[[bytes], int]:
        """The id of a feature. The native library has its own table, so this one is made when it is asked for."""
        tokens = self._tokens
        if isinstance(tokens, int):
            return lru_cache(1 << 18)(lambda feature: FIRST + bucket(feature, tokens))
        ids = {token: i for i, token in enumerate(tokens, FIRST)}
        return lambda feature: ids.get(feature, OOV)

    def ids(self, text: bytes) -> list[int]:
        """The ids of a document's features, in their order; 1 for one outside the vocabulary."""
        return list(map(self._id, self._tokenizer.features(text)))

    def lines(self, documents: Iterable[list[tuple[bytes, bytes]]]) -> Iterator[bytes]:
        """Blocks of shard lines, a block for each list of documents (label, text)."""
        for block in documents:
            if self._native is None:
                yield self._lines(block)
                continue
            try:
                labels, texts = [label for label, _ in block], [text for _, text in block]
                in_python = self._tokenizer.specification.level == "codepoint"
                normal = list(map(self._tokenizer.normalize, texts)) if in_python else texts
                yield self._native.lines(labels, texts, normal)
            except native.Unsupported:
                yield self._lines(block)

    def _lines(self, documents: list[tuple[bytes, bytes]]) -> bytes:
        salt = self._salt
        return b"".join(
            [
                b"%s\t%s\t%s\n" % (record_hash(text, salt).encode(), label, pack(self.ids(text)))
                for label, text in documents
            ]
        )


def grouped(
    encoder: Encoder | ImageEncoder, documents: Iterable[list[tuple[bytes, bytes, bytes]]], salt: bytes
) -> Iterator[bytes]:
    """Blocks of shard lines of documents (label, text, group): the hash of the group stands behind that of the text."""
    for block in documents:
        lines = b"".join(encoder.lines([[(label, text) for label, text, _ in block]])).split(b"\n")
        hashes = (record_hash(group, salt).encode() for _, _, group in block)
        yield b"".join([line[:16] + key + line[16:] + b"\n" for line, key in zip(lines, hashes)])


class ImageEncoder:
    """Writes shard lines of images; their texts hold the pixels as a shard line does."""

    def __init__(self, salt: bytes = b"") -> None:
        self._salt = salt

    def lines(self, documents: Iterable[list[tuple[bytes, bytes]]]) -> Iterator[bytes]:
        """Blocks of shard lines, a block for each list of images (label, text)."""
        for block in documents:
            lines = [
                b"%s\t%s\t%s\n" % (record_hash(text, self._salt).encode(), label, encoded(text))
                for label, text in block
            ]
            yield b"".join(lines)

"""Documents to shard lines: the hash, the label and the ids of a text or the pixels of an image; and the job class.

A shard line is `hash TAB label TAB base64`. The bridge in `models.dataset` reads it; nothing here knows models.
"""

from __future__ import annotations

import os
import sys
from array import array
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from typing import Any

from mapreduce import images, manifest, native
from mapreduce import vocabulary as vocabularies
from mapreduce.errors import UserError
from mapreduce.hashing import bucket
from mapreduce.records import FORMATS, record_hash
from mapreduce.textjob import TextJob, task_file
from mapreduce.tokenizer import Tokenizer
from mapreduce.vocabulary import FIRST, OOV, Vocabulary


def pack(values: Iterable[int]) -> bytes:
    """Integers as little-endian int32 in base64 of the web-safe alphabet, padded."""
    numbers = array("i", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return urlsafe_b64encode(numbers.tobytes())


class Encoder:
    """Looks features up, or hashes them, and writes shard lines; looks up natively where the library is there.

    Args:
        vocabulary: the tokens, or a number of buckets that features are hashed to.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary | int, salt: bytes = b"") -> None:
        self._tokenizer, self._salt = tokenizer, salt
        self._native = None
        self._id: Callable[[bytes], int]
        if isinstance(vocabulary, int):
            self._id = lru_cache(1 << 18)(lambda feature: FIRST + bucket(feature, vocabulary))
            return
        ids = vocabulary.ids()
        self._id = lambda feature: ids.get(feature, OOV)
        library = native.load() if len(salt) <= 64 else None
        self._native = native.Encoder(library, tokenizer.specification, ids, salt) if library else None

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


class ImageEncoder:
    """Writes shard lines of images; their texts hold the pixels as a shard line does."""

    def __init__(self, salt: bytes = b"") -> None:
        self._salt = salt

    def lines(self, documents: Iterable[list[tuple[bytes, bytes]]]) -> Iterator[bytes]:
        """Blocks of shard lines, a block for each list of images (label, text)."""
        for block in documents:
            lines = [
                b"%s\t%s\t%s\n" % (record_hash(text, self._salt).encode(), label, images.encoded(text))
                for label, text in block
            ]
            yield b"".join(lines)


class EncodingJob(TextJob):
    """A job that turns features of texts into ids, by a vocabulary or by hashing, and images into their pixels.

    It takes the vocabulary's own specification; flags may repeat it, not change it.
    """

    READS = FORMATS

    def configure_args(self) -> None:
        super().configure_args()
        self.add_driver_arg("--vocabulary", help="output of jobs/vocabulary.py, or a file of its lines")
        self.add_passthru_arg("--hash-buckets", type=int, help="hash features to so many ids; needs no vocabulary")

    def load_args(self, args: list[str]) -> None:
        """A folder stands for the files in it, which can be sent to the nodes."""
        super().load_args(args)
        folder = self.options.vocabulary
        if not folder or os.path.isfile(folder):
            return
        found = manifest.read(folder, "vocabulary")
        specification = manifest.specification(found)
        if self.names_specification():
            if self.specification.fingerprint != specification.fingerprint:
                raise UserError(
                    f"{folder}: made with specification {specification.fingerprint}, and the flags give "
                    f"{self.specification.fingerprint}; leave the flags out or make the vocabulary again"
                )
        else:
            self.options.specification = os.path.join(folder, manifest.NAME)
        self.options.vocabulary = manifest.part_paths(folder, found)[0]

    @cached_property
    def vocabulary(self) -> Vocabulary | int:
        """The vocabulary that --vocabulary names, or the number of --hash-buckets."""
        return self.options.hash_buckets or vocabularies.read(self.options.vocabulary)

    @cached_property
    def encoder(self) -> Encoder | ImageEncoder:
        """What writes the shard lines, by the format."""
        if self.options.format == images.FORMAT:
            return ImageEncoder(self.salt)
        return Encoder(self.tokenizer, self.vocabulary, self.salt)

    @property
    def salt(self) -> bytes:
        """The salt of the records' hashes."""
        return bytes(self.options.salt.encode())

    def _detect_format(self, named: list[str]) -> str:
        found = super()._detect_format(named)
        if found != "tsv" or self.options.vocabulary or self.options.hash_buckets:
            return found
        return images.FORMAT if any(map(images.holds_images, self.headers(named))) else found  # on a cluster too

    def _settle(self, paths: list[str]) -> list[Any]:
        path, buckets = self.options.vocabulary, self.options.hash_buckets
        settled = super()._settle(paths)
        if self.options.format == images.FORMAT:
            if path is not None or buckets is not None:
                raise UserError("images have no tokens: leave out --vocabulary and --hash-buckets")
            return settled
        if (path is None) == (buckets is None) or (buckets is not None and not 0 < buckets < 2**31 - FIRST):
            raise UserError(
                "name a vocabulary (jobs/vocabulary.py makes one) with --vocabulary, or give --hash-buckets, a number "
                f"of at least 1; images (--format images) need neither. Received: {path} and {buckets}"
            )
        return [*settled, *(["--vocabulary", task_file(path)] if path else [])]

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The vocabulary's fingerprint, and the dtype and shape of an example."""
        if self.options.format == images.FORMAT:
            shape = images.parse_shape(self.options.shape)
            return {**super().manifest_fields(parts), "dtype": "uint8", "shape": list(shape)}
        fingerprint = self.vocabulary.fingerprint if isinstance(self.vocabulary, Vocabulary) else None
        fields = {"vocabulary_fingerprint": fingerprint, "dtype": "int32", "shape": [None]}
        return {**super().manifest_fields(parts), **fields}

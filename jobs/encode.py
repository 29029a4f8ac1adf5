"""Encodes records: every document becomes a line of its hash, its label and the ids of its features.

Lines are ordered by hash, which shuffles them; with --group-field the hash of the group stands behind it. The ids are
little-endian int32 in web-safe base64, 0 for padding (never written), 1 for a token outside the vocabulary, i + 2 for
the token on line i of the vocabulary. Images need no vocabulary: the array is that of their pixels, uint8, of the shape
that the manifest names.

Input:   pos	the cat
Output:  5a30e2f7b5fb5f2c	pos	AgAAAAMAAAA=
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce.errors import UserError
from mapreduce.features.encoding import Encoder, ImageEncoder, grouped
from mapreduce.flag_values import whole
from mapreduce.input.formats import detect, images, is_ambiguous
from mapreduce.input.formats.format import IMAGES, TEXTS
from mapreduce.output import manifest as manifests
from mapreduce.output import vocabulary as vocabularies
from mapreduce.output.vocabulary import FIRST
from mapreduce.paths import is_remote
from mapreduce.shuffle.sums import in_order
from mapreduce.textjob import TextJob


class Encode(TextJob):
    __doc__ = __doc__
    KIND = "encode"
    EXAMPLE = "python jobs/encode.py -r local --vocabulary vocabulary --shards 4 --output-dir shards train.tsv"
    LABELLED = True
    READS = (TEXTS, IMAGES)

    _fingerprint: str | None = None  # of the vocabulary, where its manifest has said it

    def configure_args(self) -> None:
        super().configure_args()
        self.add_driver_arg("--vocabulary", file=True, help="output of jobs/vocabulary.py, or a file of its lines")
        ids = whole(1, 2**31 - FIRST - 1)
        self.add_passthru_arg("--hash-buckets", type=ids, help="hash features to so many ids; needs no vocabulary")
        self.add_passthru_arg("--shards", type=whole(1, 10_000), default=1, help="number of parts (default: 1)")

    def load_args(self, args: list[str]) -> None:
        """A folder stands for the files in it, which can be sent to the nodes."""
        super().load_args(args)
        folder = self.options.vocabulary
        if not folder or os.path.isfile(folder):
            return
        found = manifests.read(folder, "vocabulary")
        specification = manifests.specification(found)
        if self.names_specification():
            if self.specification.fingerprint != specification.fingerprint:
                raise UserError(
                    f"{folder}: made with specification {specification.fingerprint}, and the flags give "
                    f"{self.specification.fingerprint}; leave the flags out or make the vocabulary again"
                )
        else:
            self.options.specification = os.path.join(folder, manifests.NAME)
        self.options.vocabulary = manifests.part_paths(folder, found)[0]
        self._fingerprint = found["vocabulary_fingerprint"]

    @cached_property
    def encoder(self) -> Encoder | ImageEncoder:
        """What writes the shard lines, by the format."""
        if not self.reads_texts:
            return ImageEncoder(self.salt)
        tokens = self.options.hash_buckets or vocabularies.read_tokens(self.options.vocabulary)
        return Encoder(self.tokenizer, tokens, self.salt)

    @property
    def salt(self) -> bytes:
        """The salt of the records' hashes."""
        return bytes(self.options.salt.encode())

    def names_tokens(self) -> bool:
        options = self.options
        return super().names_tokens() or options.vocabulary is not None or options.hash_buckets is not None

    def find_format(self, named: list[str]) -> str:
        found = super().find_format(named)
        if self.names_tokens() or not is_ambiguous(found) or not any(map(is_remote, named)):
            return found
        return detect(self.sources(self.files_behind(named)))  # the one on the cluster is fetched

    def settle(self) -> None:
        super().settle()
        path, buckets = self.options.vocabulary, self.options.hash_buckets
        if not self.reads_texts:
            return
        if (path is None) == (buckets is None):
            raise UserError(
                "name a vocabulary (the job vocabulary makes one) with --vocabulary, or give --hash-buckets; "
                f"images (--format images) need neither. Received: {path or 'none'}, {buckets or 'none'}"
            )

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The vocabulary's fingerprint, and the dtype and shape of an example."""
        if not self.reads_texts:
            shape = images.parse_shape(self.options.shape)
            return {**super().manifest_fields(parts), "dtype": "uint8", "shape": list(shape)}
        if self.options.vocabulary and self._fingerprint is None:
            self._fingerprint = vocabularies.fingerprint(vocabularies.read_tokens(self.options.vocabulary))
        fields = {"vocabulary_fingerprint": self._fingerprint, "dtype": "int32", "shape": [None]}
        return {**super().manifest_fields(parts), **fields}

    def jobconf(self) -> dict[str, Any]:
        return {**super().jobconf(), "mapreduce.job.reduces": str(self.options.shards)}

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        if self.options.group_field is None:
            return self.encoder.lines(self.documents(blocks))
        return grouped(self.encoder, self.keyed(blocks), self.salt)

    reducer = in_order


if __name__ == "__main__":
    Encode.run()

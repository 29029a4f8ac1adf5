"""Encodes records: every document becomes a line of its hash, its label and the ids of its features.

Lines are ordered by hash, which shuffles them. The ids are little-endian int32 in web-safe base64, 0 for padding
(never written), 1 for a token outside the vocabulary, i + 2 for the token on line i of the vocabulary. Images need no
vocabulary: the array is that of their pixels, uint8, of the shape that the manifest names.

Input:   pos	the cat
Output:  5a30e2f7b5fb5f2c	pos	AgAAAAMAAAA=
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.combiner import in_order
from mapreduce.encoding import EncodingJob


class Encode(EncodingJob):
    __doc__ = __doc__
    KIND = "encode"
    EXAMPLE = "python jobs/encode.py -r local --vocabulary vocabulary --shards 4 --output-dir shards train.tsv"
    LABELLED = True

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--shards", type=int, default=1, help="number of parts (default: 1)")

    def jobconf(self) -> dict[str, Any]:
        return {**super().jobconf(), "mapreduce.job.reduces": str(self.options.shards)}

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return self.encoder.lines(self.documents(blocks))

    reducer = in_order


if __name__ == "__main__":
    Encode.run()

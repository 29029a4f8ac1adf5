"""Builds a vocabulary: counts tokens, then selects; one part, in the order of TextVectorization.

Term frequency descending, ties by token descending by bytes. The columns are term and document frequency.

Input:   the cat and the hat
Output:  the	2	1
         hat	1	1
         cat	1	1
         and	1	1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce import selection, vocabulary
from mapreduce.combiner import add
from mapreduce.counting import count_documents
from mapreduce.job import MRStep
from mapreduce.textjob import TextJob


class BuildVocabulary(TextJob):
    __doc__ = __doc__
    KIND = "vocabulary"
    READS_PARTS = True
    EXAMPLE = "python jobs/vocabulary.py -r local --top-k 20000 --output-dir vocabulary train.tsv"

    def configure_args(self) -> None:
        super().configure_args()
        selection.add_selection_arguments(self.add_passthru_arg)

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_documents(self.texts(blocks), self.tokenizer)

    def rank(self, token: bytes, counts: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield selection.rank_key(token, counts), token + b"\t" + counts

    def select_init(self) -> None:
        self.selection = selection.Selection.from_options(self.options)

    def select(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        return self.selection.take(key, values)

    def steps(self) -> list[MRStep]:
        return [
            MRStep(mapper=self.block_mapper, combiner=add.__get__(self), reducer=add.__get__(self)),
            MRStep(
                mapper=self.rank,
                reducer_init=self.select_init,
                reducer=self.select,
                jobconf={"mapreduce.job.reduces": "1"},
            ),
        ]

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        tokens = vocabulary.read(f"{parts}/part-00000").tokens
        return {**super().manifest_fields(parts), "vocabulary_fingerprint": vocabulary.fingerprint(tokens)}


if __name__ == "__main__":
    BuildVocabulary.run()

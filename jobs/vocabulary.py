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

from mapreduce.combiner import add
from mapreduce.counting import count_documents
from mapreduce.job import MRStep, in_blocks
from mapreduce.selection import SelectionJob


class BuildVocabulary(SelectionJob):
    __doc__ = __doc__
    KIND = "vocabulary"
    EXAMPLE = "python jobs/vocabulary.py -r local --top-k 20000 --output-dir vocabulary train.tsv"

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_documents(self.texts(blocks), self.tokenizer)

    def steps(self) -> list[MRStep]:
        return [
            MRStep(mapper=in_blocks(self.map_blocks), combiner=add.__get__(self), reducer=add.__get__(self)),
            MRStep(
                mapper=in_blocks(self.rank),
                reducer_init=self.select_init,
                reducer=self.select,
                reducer_final=self.select_final,
                jobconf={"mapreduce.job.reduces": "1"},
            ),
        ]


if __name__ == "__main__":
    BuildVocabulary.run()

"""Counts words: the term frequency of every token.

Input:   the cat and the hat
Output:  and	1
         cat	1
         hat	1
         the	2
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapreduce.features.counting import count_terms
from mapreduce.shuffle.sums import add
from mapreduce.textjob import TextJob


class WordCount(TextJob):
    __doc__ = __doc__
    KIND = "wordcount"
    EXAMPLE = "python jobs/wordcount.py -r local README.md > counts.tsv"

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_terms(self.texts(blocks), self.tokenizer)

    combiner = add
    reducer = add


if __name__ == "__main__":
    WordCount.run()

"""Finds documents that occur twice: word for word or nearly so, within an input file and across files.

Two texts are similar where the Jaccard index of their sets of word triples (or of what --ngrams says) is at least
--threshold. A line is hash, hash, similarity and, for either text, how many documents of which file have it; for
equal texts both hashes are the same. The counters say how many there are. Of images only equal ones are found.

Input:   pos	the same words
         neg	the same words
Output:  88444d2eca528429	88444d2eca528429	1.0000	{"train.tsv":2}	{"train.tsv":2}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from mapreduce.cluster.hdfs import name_here
from mapreduce.features import minhash
from mapreduce.input.formats.format import IMAGES, TEXTS
from mapreduce.input.records import SplitRule
from mapreduce.job import MRStep, in_blocks
from mapreduce.recordjob import input_file
from mapreduce.textjob import TextJob
from mapreduce.tokens.specification import Specification, override


class Duplicates(TextJob):
    __doc__ = __doc__
    KIND = "duplicates"
    READS = (TEXTS, IMAGES)
    EXAMPLE = "python jobs/duplicates.py -r local --output-dir duplicates train.tsv test.tsv"

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--threshold", type=float, default=0.8, help="least similarity (default: 0.8)")
        self.add_passthru_arg("--by-split", action="store_true", help="tell train from validation, not file from file")

    @cached_property
    def specification(self) -> Specification:
        found = super().specification
        return found if self.options.ngrams else override(found, ngrams=(3,))

    def shingles(self, text: bytes) -> set[bytes]:
        return set(self.tokenizer.features(text)) or {text}

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        options = self.options
        validation = SplitRule("validation", options.validation, options.salt.encode())

        def source(text: bytes) -> str:
            if options.by_split:
                return "validation" if text in validation else "train"
            return name_here(input_file())

        return minhash.propose(self.documents(blocks), self.shingles, source, options.threshold)

    def collect(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        return minhash.collect(key, values)

    def attach(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        return minhash.attach(key, values)

    def verify(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        for name, line, counters in minhash.verify(key, values, self.shingles, self.options.threshold):
            for counter in counters:
                self.increment_counter(minhash.GROUP, counter)
            yield name, line

    def steps(self) -> list[MRStep]:
        return [
            MRStep(mapper=in_blocks(self.map_blocks), reducer=self.collect),
            MRStep(reducer=self.attach),
            MRStep(reducer=self.verify),
        ]


if __name__ == "__main__":
    Duplicates.run()

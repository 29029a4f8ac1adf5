"""Counts features: for every feature and label its term frequency and its document frequency.

Input:   pos	good good film
         neg	bad film
Output:  bad	neg	1	1
         film	neg	1	1
         film	pos	1	1
         good	pos	2	1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapreduce.features.counting import count_labelled
from mapreduce.flag_values import whole
from mapreduce.shuffle.sums import add_frequent, add_labelled
from mapreduce.textjob import TextJob


class FeatureCount(TextJob):
    __doc__ = __doc__
    KIND = "featurecount"
    EXAMPLE = "python jobs/featurecount.py -r local --ngrams 2 --output-dir counts train.tsv"
    LABELLED = True

    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--min-df", type=whole(0), default=1, help="leave out features of fewer documents")

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_labelled(self.documents(blocks), self.tokenizer)

    combiner = add_labelled

    reducer = add_frequent


if __name__ == "__main__":
    FeatureCount.run()

"""Counts labels: for every label its documents, their tokens and how many documents have which length.

Minimum, median, p90, p99 and maximum of the length in words are read from the last column. Letters by script are job
counters, in the manifest.

Input:   pos	good good film
         pos	great film
Output:  pos	2	5	2:1 3:1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mapreduce.features import letters
from mapreduce.features.counting import count_lengths
from mapreduce.shuffle.sums import add_histograms
from mapreduce.textjob import TextJob


class LabelCount(TextJob):
    __doc__ = __doc__
    KIND = "labelcount"
    EXAMPLE = "python jobs/labelcount.py -r local train.tsv"
    LABELLED = True

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        found: Counter[str] = Counter()
        yield from count_lengths(letters.watch(self.documents(blocks), found), self.tokenizer)
        for script, n in found.items():
            self.increment_counter(letters.GROUP, script, n)

    combiner = add_histograms
    reducer = add_histograms


if __name__ == "__main__":
    LabelCount.run()

"""Adds up pixels: for every class its images, their pixels, the sum of the pixels and the sum of their squares.

All are exact integers, so outputs add up (jobs/merge.py). With n pixels, a sum s and a sum of squares q the mean is
s / n and the deviation the square root of q / n - (s / n)^2. The values of every channel count as pixels.

Input:   7	2x2x1:AAD_Ag==
Output:  7	1	4	257	65029
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapreduce.features.pixel_sums import add_pixels
from mapreduce.input.formats.format import IMAGES
from mapreduce.shuffle.sums import add
from mapreduce.textjob import TextJob


class ImageStats(TextJob):
    __doc__ = __doc__
    KIND = "imagestats"
    EXAMPLE = "python jobs/imagestats.py -r local --output-dir stats data/raw/mnist-train.tsv"
    LABELLED = True
    READS = (IMAGES,)

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return add_pixels(self.documents(blocks))

    combiner = add
    reducer = add


if __name__ == "__main__":
    ImageStats.run()

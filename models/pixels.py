"""What the counts say about pixels: mean and deviation, from an output of jobs/imagestats.py.

The sums are exact integers, and so is all that is done with them before the last division. No image is read here.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from mapreduce import manifest
from mapreduce.errors import UserError


@dataclass(frozen=True)
class PixelCounts:
    """The sums over some images.

    Attributes:
        images: how many.
        pixels: their values, those of every channel.
        total, squares: the sum of the values, which are 0 to 255, and the sum of their squares.
    """

    images: int
    pixels: int
    total: int
    squares: int

    @property
    def mean(self) -> float:
        """The mean of the pixels; 0.0 without any."""
        return self.total / max(1, self.pixels)

    @property
    def deviation(self) -> float:
        """The standard deviation of the pixels, that of the whole set (n, not n - 1, below the line)."""
        return math.sqrt(self.pixels * self.squares - self.total**2) / max(1, self.pixels)

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(
            self.images + other.images,
            self.pixels + other.pixels,
            self.total + other.total,
            self.squares + other.squares,
        )


def read(directory: str | os.PathLike[str]) -> dict[str, PixelCounts]:
    """The sums of each label, by sorted name; `total` adds them up.

    Raises:
        UserError: the output is missing or not whole.
    """
    found = manifest.read(directory, "imagestats")
    counts = {}
    for path in manifest.part_paths(directory, found):
        with open(path, "rb") as file:
            for line in file:
                label, *columns = line.rstrip(b"\n").split(b"\t")
                if len(columns) != 4 or not all(column.isdigit() for column in columns):
                    raise UserError(f"{path}: not `label` and four sums: {line[:60]!r}; count again")
                counts[label.decode("utf-8", "surrogateescape")] = PixelCounts(*map(int, columns))
    return dict(sorted(counts.items()))


def total(counts: dict[str, PixelCounts]) -> PixelCounts:
    """The sums over the images of all labels."""
    return sum(counts.values(), PixelCounts(0, 0, 0, 0))

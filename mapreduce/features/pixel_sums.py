"""Sums of pixels: blocks of images to lines of exact integers by label. `jobs/imagestats.py` is the job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mapreduce.input.formats.images import pixels

# The square of a byte has two bytes; each is looked up, and the sums are put together.
_LOW, _HIGH = (bytes(value * value >> shift & 255 for value in range(256)) for shift in (0, 8))


def add_pixels(documents: Iterable[list[tuple[bytes, bytes]]]) -> Iterator[bytes]:
    """One block of lines `label TAB images TAB pixels TAB sum TAB sum of squares` for lists of images (label, text)."""
    totals: dict[bytes, list[int]] = {}
    for block in documents:
        by_label: dict[bytes, list[bytes]] = {}
        for label, text in block:
            by_label.setdefault(label, []).append(pixels(text))
        for label, found in by_label.items():
            values = b"".join(found)
            total = totals.setdefault(label, [0, 0, 0, 0])
            total[0] += len(found)
            total[1] += len(values)
            values = values.translate(None, b"\0")  # they add nothing, and images have many
            total[2] += sum(values)
            total[3] += sum(values.translate(_LOW)) + 256 * sum(values.translate(_HIGH))
    yield b"".join([label + b"".join([b"\t%d" % n for n in totals[label]]) + b"\n" for label in sorted(totals)])

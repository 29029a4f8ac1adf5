"""Sums of pixels, against a plain loop."""

from __future__ import annotations

import base64
import random

from mapreduce.features.pixel_sums import add_pixels


def test_sums_are_those_of_a_loop() -> None:
    chance = random.Random(1)
    found = [(b"%d" % (i % 3), chance.randbytes(12)) for i in range(50)]
    documents = [(label, b"3x4x1:" + base64.urlsafe_b64encode(pixels)) for label, pixels in found]
    expected = b""
    for label in (b"0", b"1", b"2"):
        values = [value for name, pixels in found if name == label for value in pixels]
        images_of = len(values) // 12
        expected += b"%s\t%d\t%d\t%d\t%d\n" % (label, images_of, len(values), sum(values), sum(v * v for v in values))
    assert b"".join(add_pixels([documents[:20], documents[20:]])) == expected

"""Image records: `label TAB 28x28x1:BASE64`, a line of the format `images`.

The text of such a record is height, width and channels, a colon, and the pixels in base64 of the web-safe alphabet,
padded: one byte a value, row by row, channels last. That form is the only one that is read, so equal images are equal
texts, with one hash. data/convert.py makes these lines; no picture file is read here.
"""

from __future__ import annotations

import re
import string
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from dataclasses import replace

from mapreduce.errors import Rejected, UserError
from mapreduce.input.files import Source
from mapreduce.input.formats.format import IMAGES, Format, Layout, Record, checked, label_and_text

Shape = tuple[int, int, int]
_SHAPE = re.compile(rb"([1-9][0-9]{0,8})x([1-9][0-9]{0,8})x([1-9][0-9]{0,8})")
_ALPHABET = (string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_").encode()


class ImageText:
    """The texts of images of one shape.

    Args:
        shape: height, width and channels, as "28x28x1"; None is the shape of the first image that is checked.
    """

    def __init__(self, shape: str | None = None) -> None:
        self.shape: Shape | None = None
        if shape is not None:
            self._settle(parse_shape(shape))

    def _settle(self, shape: Shape) -> None:
        self.shape = shape
        size = shape[0] * shape[1] * shape[2]
        self._prefix = write_shape(shape).encode() + b":"
        self._length = len(self._prefix) + -(-size // 3) * 4
        self._padding = b"=" * (-size % 3)
        # The last digit holds bits that belong to no byte; they are zero.
        self._last = _ALPHABET[:: (1, 4, 16)[-size % 3]]

    def check(self, text: bytes) -> None:
        """Raises Rejected where a text is none of an image of this shape."""
        if self.shape is None:
            found = shape_of(text)
            if found is None:
                raise Rejected("not an image")
            self._settle(found)
        prefix, padding = self._prefix, self._padding
        if not text.startswith(prefix):
            raise Rejected("not an image" if shape_of(text) is None else "another shape")
        digits = text[len(prefix) : len(text) - len(padding)]
        whole = len(text) == self._length and text.endswith(padding) and digits[-1] in self._last
        if not whole or digits.translate(None, _ALPHABET):
            raise Rejected("damaged pixels")


def encoded(text: bytes) -> bytes:
    """The base64 of the pixels of an image's text that was checked."""
    return text[text.index(b":") + 1 :]


def pixels(text: bytes) -> bytes:
    """The pixels of an image's text that was checked."""
    return urlsafe_b64decode(encoded(text))


def shape_of(text: bytes) -> Shape | None:
    """The shape that an image's text begins with; None where it is none."""
    head, colon, _ = text[:40].partition(b":")
    found = _SHAPE.fullmatch(head) if colon else None
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def parse_shape(text: str) -> Shape:
    """Parses height, width and channels.

    Example:
        >>> parse_shape("28x28x1")
        (28, 28, 1)

    Raises:
        UserError: it is something else.
    """
    found = shape_of(text.encode("utf-8", "replace") + b":")
    if found is None:
        raise UserError(f"a shape is height, width and channels, as in 28x28x1. Received: {text!r}")
    return found


def write_shape(shape: Iterable[int]) -> str:
    """The shape as in records: 28x28x1."""
    return "x".join(map(str, shape))


class Images(Format):
    """Lines `label TAB 28x28x1:BASE64`."""

    name = "images"
    suffixes = (".tsv",)
    holds = IMAGES

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._image = ImageText(layout.shape)

    @classmethod
    def claims(cls, first: bytes) -> bool:
        """Whether the text of the line begins as that of an image."""
        return shape_of(first.partition(b"\t")[2]) is not None

    @classmethod
    def settle(cls, layout: Layout, sources: Iterable[Source]) -> Layout:
        """Takes the shape of the first image, where none is given.

        Raises:
            UserError: there is no file, or the first line of the first one is no image record.
        """
        if layout.shape is not None:
            return replace(layout, shape=write_shape(parse_shape(layout.shape)))
        for source in sources:
            shape = shape_of(source.first().partition(b"\t")[2])
            if shape is None:
                raise UserError(
                    f"{source.name}, line 1: no image record, `label TAB 28x28x1:pixels`; data/convert.py makes them, "
                    "and --shape 28x28x1 goes past a damaged first line"
                )
            return replace(layout, shape=write_shape(shape))
        raise UserError("no file to read the shape of the images from; give it, as in --shape 28x28x1")

    def parse(self, line: bytes) -> Record:
        """Cuts at the first tab and checks the image."""
        label, text = checked(*label_and_text(line))
        self._image.check(text)
        return label, text

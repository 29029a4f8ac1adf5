"""Read images, each collection of its shape, as pairs of label and image text: `28x28x1:BASE64`.

The text is height, width and channels, a colon, and the pixels in base64 of the web-safe alphabet, padded: one byte a
value, row by row, channels last. Read are IDX files, as MNIST has them, and folders of PNG and JPEG files, for which
Pillow is needed. Used by convert.py and fetch.py; nothing is written here. What is left out is added to the counts.
"""

from __future__ import annotations

import gzip
import warnings
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data.readers import Counts, Pair, class_files
from mapreduce.command import missing
from mapreduce.errors import UserError
from mapreduce.input.formats.images import write_shape

SUFFIXES = (".png", ".jpg", ".jpeg")
Shape = tuple[int, ...]


def image_text(shape: Shape, pixels: bytes) -> str:
    """The text of an image of this shape, (height, width, channels), which is what a record line holds."""
    return f"{write_shape(shape)}:{urlsafe_b64encode(pixels).decode('ascii')}"


def read_idx(data: bytes, name: str) -> tuple[Shape, bytes]:
    """The dimensions and the values of an IDX file of bytes, gzipped or not.

    Raises:
        UserError: it is none, or is not whole.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{name}: damaged gzip file: {error}; get it again") from None
    if data[:3] != b"\0\0\x08" or len(data) < 4 + 4 * data[3]:
        raise UserError(f"{name}: not an IDX file of unsigned bytes, which begins with 00 00 08; give another file")
    first = 4 + 4 * data[3]
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, first, 4))
    size = 1
    for length in shape:
        size *= length
    if len(data) - first != size:
        raise UserError(f"{name}: {len(data) - first} values, and its header names {size}; get it again")
    return shape, data[first:]


def idx_pairs(images: bytes, labels: bytes, names: tuple[str, str], counts: Counts) -> Iterator[Pair]:
    """(label, image text) of every image of an IDX file, in its order.

    Args:
        images: the file of images, [n, height, width] or [n, height, width, channels].
        labels: the file of their labels, [n]; a label is written as a number.
        names: of the two files, for errors.

    Raises:
        UserError: a file is no IDX file, or the two do not belong together.
    """
    shape, pixels = read_idx(images, names[0])
    counted, numbers = read_idx(labels, names[1])
    if len(shape) not in (3, 4) or len(counted) != 1 or shape[0] != counted[0] or 0 in shape:
        raise UserError(
            f"{names[0]} holds {write_shape(shape)} values and {names[1]} {write_shape(counted)}; "
            "give images of as many as there are labels"
        )
    image = (*shape[1:], 1)[:3]
    size = image[0] * image[1] * image[2]
    for at, number in enumerate(numbers):
        counts["images"] += 1
        yield str(number), image_text(image, pixels[at * size : (at + 1) * size])


def are_pictures(folder: Path) -> bool:
    """Whether a folder in this folder holds a PNG or JPEG file, by its suffix."""
    return any(path.suffix.lower() in SUFFIXES for path in folder.glob("[!.]*/[!.]*"))


def picture_pairs(
    folder: Path, labels: Sequence[str], size: Shape | None, grey: bool, counts: Counts
) -> Iterator[Pair]:
    """(label, image text) of every PNG and JPEG file in the class folders of `folder`, in the order of `class_files`.

    An image has one channel, or three where it has colours; transparency is left out, values of 16 bits are scaled to
    8, and a photograph is turned as its EXIF data say. All have the shape of the first; others are left out, and the
    counts name the first of them.

    Args:
        size: (height, width) that images are resized to (bicubic), or None.
        grey: makes one channel of colours.

    Raises:
        UserError: Pillow is not installed, or the folder is none of class folders.
    """
    load = _loader(size, grey, counts)
    wanted: Shape | None = None
    for label, path in class_files(folder, labels, counts):
        if path.suffix.lower() not in SUFFIXES:
            counts.leave_out(label, "files other than PNG and JPEG", str(path))
            continue
        try:
            shape, pixels = load(path)
        except Exception as error:  # a damaged file makes Pillow raise nearly anything
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            counts.leave_out(label, "damaged or unreadable images", f"{path}, {why}")
            continue
        wanted = wanted or shape
        if shape != wanted:
            where = f"{path}, {write_shape(shape)}; --size resizes"
            counts.leave_out(label, f"images that are not {write_shape(wanted)}", where)
            continue
        counts["images"] += 1
        yield label, image_text(shape, pixels)


def _loader(size: Shape | None, grey: bool, counts: Counts) -> Callable[[Path], tuple[Shape, bytes]]:
    try:
        from PIL import Image, ImageChops, ImageOps
    except ImportError:
        raise UserError(f"PNG and JPEG files are read by Pillow: {missing('PIL')}") from None

    def load(path: Path) -> tuple[Shape, bytes]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of EXIF data, which matter little
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                image = read(opened, path)
        if size:
            image = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        return (image.height, image.width, len(image.getbands())), image.tobytes()

    def read(opened: Any, path: Path) -> Any:
        """The image turned, of 8 bits a value, in the mode L or RGB."""
        raw = str(opened.tile[0][3]) if opened.tile else ""
        is_grey = grey or opened.mode in ("1", "L", "LA", "La", "I;16", "I") or raw.startswith("LA")
        is_clear = opened.has_transparency_data
        image = ImageOps.exif_transpose(opened)
        if raw.startswith("I;16"):
            image = image.convert("I").point([_scaled(value) for value in range(1 << 16)], "L")
        elif raw in _LOW:
            # Pillow gives the high bytes of such values; asked for another layout of the file it gives the low ones.
            with Image.open(path, formats=("PNG",)) as again:
                again.tile = [(*again.tile[0][:3], _LOW[raw])]
                low = ImageOps.exif_transpose(again)
            if raw.startswith("LA"):
                image, low = low.split()[:2]
            # (256 * high + low) / 257 = high + (low - high) / 257, and half of 257 is between 128 and 129.
            up, down = ImageChops.subtract(low, image), ImageChops.subtract(image, low)
            up, down = (one.point(lambda difference: difference > 128) for one in (up, down))
            image = ImageChops.subtract(ImageChops.add(image, up), down)
        if ";16" in raw:
            counts["images of 16 bits a value scaled to 8 (value / 257, rounded)"] += 1
        if is_clear:
            counts["transparency left out of images"] += 1
            image = image.convert("RGBA") if image.mode == "P" else image  # or Pillow warns
        return image.convert("L" if is_grey else "RGB")

    return load


_LOW = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", "LA;16B": "RGBA"}
"""Layouts of PNG files of 16 bits a value, by Pillow's names, and what each is read as to get the low bytes: in the
last one the bytes of a pixel are the high and the low one of grey, and those of transparency."""


def _scaled(value: int) -> int:
    """A value of 16 bits scaled to 8."""
    return (2 * value + 257) // 514

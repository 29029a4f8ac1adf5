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
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from data.readers import Pair, class_files
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


def idx_pairs(images: bytes, labels: bytes, names: tuple[str, str], counts: Counter[str]) -> Iterator[Pair]:
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
    folder: Path, labels: Sequence[str], size: Shape | None, grey: bool, counts: Counter[str]
) -> Iterator[Pair]:
    """(label, image text) of every PNG and JPEG file in the class folders of `folder`, in the order of `class_files`.

    An image has one channel, or three where it has colours; transparency is left out, and a photograph is turned as
    its EXIF data say. All have the shape of the first; others are left out, and the counts name the first of them.

    Args:
        size: (height, width) that images are resized to (bicubic), or None.
        grey: makes one channel of colours.

    Raises:
        UserError: Pillow is not installed, or the folder is none of class folders.
    """
    load = _loader(size, grey, counts)
    causes: dict[str, str] = {}
    wanted: Shape | None = None

    def leave_out(what: str, path: Path, more: str = "") -> None:
        counts[causes.setdefault(what, f"{what} left out (the first: {path}{more})")] += 1

    for label, path in class_files(folder, labels, counts):
        if path.suffix.lower() not in SUFFIXES:
            leave_out("files other than PNG and JPEG", path)
            continue
        try:
            shape, pixels = load(path)
        except (OSError, SyntaxError, ValueError, Warning) as error:  # what Pillow raises for damaged files
            leave_out("damaged or unreadable images", path, f", {str(error).splitlines()[0] if str(error) else ''}")
            continue
        wanted = wanted or shape
        if shape != wanted:
            leave_out(f"images that are not {write_shape(wanted)}", path, f", {write_shape(shape)}; --size resizes")
            continue
        counts["images"] += 1
        yield label, image_text(shape, pixels)


def _loader(size: Shape | None, grey: bool, counts: Counter[str]) -> Callable[[Path], tuple[Shape, bytes]]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise UserError(f"PNG and JPEG files are read by Pillow: {missing('PIL')}") from None

    def load(path: Path) -> tuple[Shape, bytes]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as opened:
                image: Any = ImageOps.exif_transpose(opened)
                if image.mode.startswith(("I", "F")):
                    raise ValueError("more than 8 bits a value")
                if image.has_transparency_data:
                    counts["transparency left out of images"] += 1
                    image = image.convert("RGBA") if image.mode == "P" else image  # or Pillow warns
                image = image.convert("L" if grey or image.mode in ("1", "L", "LA", "La") else "RGB")
        if size:
            image = image.resize((size[1], size[0]), Image.Resampling.BICUBIC)
        return (image.height, image.width, len(image.getbands())), image.tobytes()

    return load

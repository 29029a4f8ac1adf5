"""Image records: what is one, why a line is none, and that no other way of writing one is read."""

from __future__ import annotations

import base64
import gzip
import random
from pathlib import Path

import pytest

from mapreduce.errors import UserError
from mapreduce.input.files import Source
from mapreduce.input.formats import Layout, detect, images
from mapreduce.input.records import RecordReader


def line(shape: str, pixels: bytes, label: str = "7") -> bytes:
    return f"{label}\t{shape}:".encode() + base64.urlsafe_b64encode(pixels) + b"\n"


@pytest.mark.parametrize("size", range(1, 8))
def test_pixels_come_back(size: int) -> None:
    pixels = random.Random(size).randbytes(size)
    reader = RecordReader("images", layout=Layout(shape=f"1x{size}x1"))
    ((label, text),) = reader.read(line(f"1x{size}x1", pixels))
    assert (label, images.pixels(text), images.shape_of(text)) == (b"7", pixels, (1, size, 1))


GOOD = base64.urlsafe_b64encode(bytes([255, 254, 253, 252])).decode()  # __79_A==


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"2x2x1:{GOOD}", None),
        (f"2x2x1:{GOOD}\r", None),
        ("a good film", "not an image"),
        (GOOD, "not an image"),
        (f"2x2:{GOOD}", "not an image"),
        (f"02x2x1:{GOOD}", "not an image"),
        (f"0x2x1:{GOOD}", "not an image"),
        (f"1x4x1:{GOOD}", "another shape"),
        ("3x2x1:AAAAAAAA", "another shape"),
        ("2x2x1:", "damaged pixels"),
        (f"2x2x1:{GOOD}=", "damaged pixels"),
        (f"2x2x1:{GOOD[:-1]}", "damaged pixels"),
        (f"2x2x1:{GOOD[:-1]}A", "damaged pixels"),
        ("2x2x1:=_79_A=_", "damaged pixels"),
        (f"2x2x1:{GOOD.replace('_', '/', 1)}", "damaged pixels"),  # the other alphabet
        ("2x2x1:__79_B==", "damaged pixels"),  # bits that belong to no byte
        (f"2x2x1: {GOOD[1:]}", "damaged pixels"),
    ],
)
def test_what_is_rejected(text: str, cause: str | None) -> None:
    reader = RecordReader("images", layout=Layout(shape="2x2x1"))
    assert len(reader.read(f"7\t{text}\n".encode())) == (cause is None)
    assert dict(reader.rejected) == ({cause: 1} if cause else {})


def test_without_a_shape_the_first_image_has_it() -> None:
    reader = RecordReader("images")
    block = b"7\trubbish\n" + line("1x2x1", b"ab") + line("2x1x1", b"ab") + line("1x2x1", b"cd")
    assert [images.pixels(text) for _, text in reader.read(block)] == [b"ab", b"cd"]
    assert dict(reader.rejected) == {"not an image": 1, "another shape": 1}


def test_the_format_is_detected_and_the_shape_read(tmp_path: Path) -> None:
    plain, packed, text = tmp_path / "a.tsv", tmp_path / "b.tsv.gz", tmp_path / "c.tsv"
    plain.write_bytes(b"\xef\xbb\xbf" + line("40x50x3", bytes(6000)))
    packed.write_bytes(gzip.compress(line("40x50x3", bytes(6000))))
    text.write_bytes(b"7\t40x50x3 is a shape\n")

    def formats(*paths: Path) -> str:
        return detect(Source(str(path)) for path in paths)

    def shape(*paths: Path) -> str | None:
        return images.Images.settle(Layout(), [Source(str(path)) for path in paths]).shape

    assert formats(plain, packed) == "images"
    assert formats(text) == "tsv"
    assert shape(packed, text) == "40x50x3"
    with pytest.raises(UserError, match="is tsv"):
        formats(plain, text)
    with pytest.raises(UserError, match="line 1: no image record"):
        shape(text)
    packed.write_bytes(packed.read_bytes()[:30])
    with pytest.raises(UserError, match="damaged"):
        shape(packed)


@pytest.mark.parametrize("text", ["", "28", "28x28", "28x28x0", "28x28x1x1", "-1x2x3"])
def test_no_shape(text: str) -> None:
    with pytest.raises(UserError, match="as in 28x28x1"):
        images.parse_shape(text)

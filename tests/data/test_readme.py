"""The example lines of data/README.md are read by the code that they describe."""

from __future__ import annotations

import base64
import re
import struct
from pathlib import Path

import pytest

from mapreduce.features.pixel_sums import add_pixels
from mapreduce.input import first_bytes
from mapreduce.input.files import ON_CLUSTERS, OPENERS, Source
from mapreduce.input.formats import FORMATS, Layout, images
from mapreduce.input.records import RecordReader, record_hash
from tests.conftest import ROOT

README = ROOT / "data" / "README.md"


def example(name: str) -> bytes:
    """The fenced block of that name."""
    found = re.search(rf"^```{name}\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"no block {name}"
    return found[1].encode()


@pytest.mark.parametrize(
    ("name", "label"),
    [("text", b""), ("tsv", b"pos"), ("csv", b"pos"), ("jsonl", b"pos"), ("fasttext", b"pos")],
)
def test_every_input_format_is_read_as_the_same_record(name: str, label: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"example.{name}"
    file.write_bytes(example(name))
    layout = FORMATS[name].settle(Layout(), [Source(str(file))])
    assert RecordReader(name, layout=layout).read(example(name)) == [(label, b"a good film")]


def test_the_table_of_compressions_is_what_the_code_does() -> None:
    rows = re.findall(r"^\| `(\.\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", README.read_text(), re.MULTILINE)
    assert [suffix for suffix, *_ in rows] == list(OPENERS)
    for suffix, _, *clusters in rows:
        codec = "by Hadoop's codec" if suffix in ON_CLUSTERS else "fetched, and copied as lines"
        assert clusters == [codec, codec]
    others = {
        "LZ4": b"\x04\x22\x4d\x18",
        "lzop": b"\x89LZO\0\r\n\x1a\n",
        "Snappy": b"\xff\6\0\0sNaPpY",
        "compress": b"\x1f\x9d",
    }
    for name, first in others.items():
        assert first_bytes.kind(first) == name and name not in first_bytes.SUFFIXES


def test_the_shard_line_is_that_of_the_record() -> None:
    shard_hash, label, array = example("encode").rstrip(b"\n").split(b"\t")
    assert shard_hash.decode() == record_hash(b"a good film")
    assert label == b"pos"
    ids = base64.urlsafe_b64decode(array)
    assert [int.from_bytes(ids[at : at + 4], "little", signed=True) for at in range(0, len(ids), 4)] == [
        2,
        1,
        7,
    ]


def test_the_image_is_that_of_the_shard_line_and_of_the_sums() -> None:
    ((label, text),) = RecordReader("images").read(example("images"))
    pixels = images.pixels(text)
    assert (images.shape_of(text), list(pixels)) == ((2, 2, 1), [0, 1, 254, 255])
    shard_hash, shard_label, array = example("encode-images").rstrip(b"\n").split(b"\t")
    assert (shard_hash.decode(), shard_label) == (record_hash(text), label)
    assert base64.urlsafe_b64decode(array) == pixels
    assert b"".join(add_pixels([[(label, text)]])) == example("imagestats")


def test_the_numbers_are_those_of_the_row() -> None:
    _, label, array = example("encode-rows").rstrip(b"\n").split(b"\t")
    assert float(label) == 655.72
    assert struct.unpack("<3f", base64.urlsafe_b64decode(array)) == (1, 0, -0.5)


def test_label_lengths_add_up() -> None:
    _, documents, tokens, *lengths = example("labelcount").decode().split()
    counted = {int(length): int(n) for length, n in (entry.split(":") for entry in lengths)}
    assert sum(counted.values()) == int(documents)
    assert sum(length * n for length, n in counted.items()) == int(tokens)

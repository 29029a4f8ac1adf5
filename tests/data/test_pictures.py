"""Images through data/convert.py: IDX files, and PNG and JPEG files that Pillow writes; numpy says what is expected."""

from __future__ import annotations

import base64
import gzip
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.data.conftest import idx, picture
from tests.data.test_convert import convert

RANDOM = np.random.default_rng(4)


def png(values: np.ndarray[Any, Any], size: tuple[int, int] | None = None) -> bytes:
    """A PNG file of 16 bits a value, as its specification says: Pillow writes those of one channel alone.

    Args:
        values: uint16 [height, width, channels].
        size: the height and width that the header is to tell.
    """
    channels = values.shape[2]
    height, width = size or values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header += bytes([16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0])
    found = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        found += len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return found


def arrays(lines: bytes) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """(label, uint8 array) of record lines, by their description in data/README.md."""
    found = []
    for line in lines.decode().splitlines():
        label, text = line.split("\t")
        shape, _, encoded = text.partition(":")
        pixels = np.frombuffer(base64.urlsafe_b64decode(encoded), np.uint8)
        found.append((label, pixels.reshape([int(length) for length in shape.split("x")])))
    return found


@pytest.mark.parametrize("shape", [(5, 3, 4), (2, 28, 28), (4, 2, 3, 3)])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_plain_or_gzipped(shape: tuple[int, ...], packed: bool, tmp_path: Path) -> None:
    values = RANDOM.integers(0, 256, shape, np.uint8)
    labels = RANDOM.integers(0, 10, shape[0], np.uint8)
    for name, data in (("images", idx(values.tobytes(), *shape)), ("labels", idx(labels.tobytes(), shape[0]))):
        (tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    done = convert("images", "--idx-labels", "labels", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = arrays(done.stdout)
    assert [label for label, _ in found] == [str(label) for label in labels]
    assert np.array_equal(np.stack([image for _, image in found]), values.reshape(*shape[:3], -1))
    assert done.stderr.decode() == f"stdout: {shape[0]} images, {len(set(labels.tolist()))} labels\n"
    renamed = convert("images", "--idx-labels", "labels", "--rename", f"{labels[0]}=first", cwd=tmp_path)
    assert renamed.stdout.startswith(b"first\t")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of 4x6 images, most of one shape."""
    for label, name in (("cat", "10.png"), ("cat", "2.PNG"), ("dog", "1.png")):
        picture(tmp_path / "p" / label / name, RANDOM.integers(0, 256, (4, 6, 3), np.uint8))
    return tmp_path / "p"


def test_a_folder_of_pngs_by_class_and_number(pictures: Path) -> None:
    done = convert("p", cwd=pictures.parent)
    assert done.returncode == 0, done.stderr
    wanted = [("cat", "2.PNG"), ("cat", "10.png"), ("dog", "1.png")]
    found = arrays(done.stdout)
    assert [label for label, _ in found] == [label for label, _ in wanted]
    for (label, name), (_, image) in zip(wanted, found):
        assert np.array_equal(image, np.asarray(Image.open(pictures / label / name)))
    assert done.stderr == b"stdout: 3 images, 2 labels\n"


def test_what_is_left_out_is_counted_and_the_first_is_named(pictures: Path) -> None:
    (pictures / "cat" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    whole = (pictures / "cat" / "2.PNG").read_bytes()
    (pictures / "cat" / "4.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "cat" / "5.txt").write_text("a note")
    picture(pictures / "dog" / "2.png", np.zeros((4, 6), np.uint8))  # grey
    picture(pictures / "dog" / "3.png", np.zeros((5, 6, 3), np.uint8))
    for name, side in (("4.png", 60_000), ("6.png", 11_000)):  # of the header alone: an error and a warning of Pillow's
        (pictures / "dog" / name).write_bytes(png(np.zeros((4, 6, 1), np.uint16), (side, side)))
    picture(pictures / "dog" / "5.png", np.full((4, 6, 4), 9, np.uint8))
    strict = convert("p", cwd=pictures.parent)
    assert (strict.returncode, strict.stdout) == (3, b"")
    told = strict.stderr.decode()
    assert told.startswith("convert: class dog (and 1 more): 4 of 6 left out, more than --max-left-out 0.01; ")
    assert "images that are not 4x6x3 (2, the first: p/dog/2.png, 4x6x1; --size resizes)" in told
    assert "damaged or unreadable images (2, the first: p/dog/4.png, Image size (3600000000 pixels) exceeds " in told
    assert told.count("\n") == 1
    done = convert("p", "--max-left-out", "0.8", cwd=pictures.parent)
    assert [label for label, _ in arrays(done.stdout)] == ["cat", "cat", "dog", "dog"]
    told = done.stderr.decode()
    assert told.count("\n") == 1 and told.startswith("stdout: 4 images, 2 labels; ")
    assert "damaged or unreadable images left out (the first: p/cat/3.png, " in told and "): 4;" in told
    assert "; images that are not 4x6x3 left out (the first: p/dog/2.png, 4x6x1; --size resizes): 2;" in told
    assert "; files other than PNG and JPEG left out (the first: p/cat/5.txt): 1;" in told
    assert "transparency left out of images: 1" in told


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_values_of_16_bits_are_scaled_and_rounded(channels: int, tmp_path: Path) -> None:
    values = RANDOM.integers(0, 1 << 16, (64, 48, channels), np.uint16)
    values[0] = np.arange(48 * channels).reshape(48, channels) * 257 // 2  # halves, and what is near them
    (tmp_path / "p" / "a").mkdir(parents=True)
    (tmp_path / "p" / "a" / "1.png").write_bytes(png(values))
    done = convert("p", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ((_, found),) = arrays(done.stdout)
    assert np.array_equal(found, np.rint(values / 257)[..., : 1 if channels < 3 else 3])
    assert b"images of 16 bits a value scaled to 8 (value / 257, rounded): 1" in done.stderr


def test_one_class_with_too_much_left_out_is_an_error_though_it_is_little_of_all(tmp_path: Path) -> None:
    for number in range(200):
        picture(tmp_path / "p" / "many" / f"{number}.png", np.zeros((2, 2), np.uint8))
    picture(tmp_path / "p" / "few" / "1.png", np.zeros((2, 2), np.uint8))
    (tmp_path / "p" / "few" / "2.png").write_bytes(b"")
    done = convert("p", "--output", "out.tsv", cwd=tmp_path)
    assert done.returncode == 3 and not (tmp_path / "out.tsv").exists()
    assert b"class few: 1 of 2 left out" in done.stderr
    for most in ("1", "0.5"):
        assert convert("p", "--max-left-out", most, cwd=tmp_path).stdout.count(b"\n") == 201


def test_size_and_grey_are_those_of_pillow(pictures: Path) -> None:
    pixels = RANDOM.integers(0, 256, (40, 30, 3), np.uint8)
    picture(pictures / "cat" / "1.jpg", pixels)
    done = convert("p", "--size", "8x9", "--grey", cwd=pictures.parent)
    found = arrays(done.stdout)
    assert len(found) == 4
    golden = Image.open(pictures / "cat" / "1.jpg").convert("L").resize((9, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(found[0][1], np.asarray(golden)[..., None])


def test_a_photograph_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    picture(tmp_path / "p" / "a" / "1.jpg", np.zeros((4, 6), np.uint8), exif=exif)
    assert convert("p", cwd=tmp_path).stdout.startswith(b"a\t6x4x1:")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_has_one_channel_or_three(mode: str, tmp_path: Path) -> None:
    (tmp_path / "p" / "a").mkdir(parents=True)
    image = Image.new(mode, (2, 2), 1)
    image.save(tmp_path / "p" / "a" / ("1.jpg" if mode == "CMYK" else "1.png"))
    channels = 1 if mode in ("1", "L", "LA") else 3
    assert convert("p", cwd=tmp_path).stdout.startswith(f"a\t2x2x{channels}:".encode())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("images --idx-labels nowhere", "nowhere: no such file"),
        ("images --idx-labels images", "give images of as many as there are labels"),
        ("images --idx-labels three", "images holds 2x2x2 values and three 3;"),
        ("flat --idx-labels labels", "flat holds 2x0x2 values"),
        ("labels --idx-labels labels", "give images of as many"),
        ("cut --idx-labels labels", "cut: 7 values, and its header names 8; get it again"),
        ("half.gz --idx-labels labels", "half.gz: damaged gzip file"),
        ("text --idx-labels labels", "text: not an IDX file of unsigned bytes"),
        ("floats --idx-labels labels", "floats: not an IDX file of unsigned bytes"),
        ("images", "for an IDX file --idx-labels"),
        ("images --idx-labels labels --grey", "--grey True: does not go with this input"),
        ("images --idx-labels labels --size 3x3", "--size (3, 3): does not go with"),
        ("p --size 3", "write height and width as 32x32"),
        ("p --idx-labels labels", "--idx-labels labels: does not go with"),
        ("p --separator space", "--separator space: does not go with"),
        ("p --max-left-out 1.0", "no record found; damaged or unreadable images left out (the first: p/a/1.png, "),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(arguments: str, expected: str, tmp_path: Path) -> None:
    values = bytes(range(8))
    for name, data in {
        "images": idx(values, 2, 2, 2),
        "labels": idx(b"\1\2", 2),
        "three": idx(b"\1\2\3", 3),
        "cut": idx(values, 2, 2, 2)[:-1],
        "flat": idx(b"", 2, 0, 2),
        "half.gz": gzip.compress(idx(values, 2, 2, 2))[:-9],
        "text": b"a text",
        "floats": b"\0\0\x0d" + idx(values, 2, 2, 2)[3:],
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "p" / "a").mkdir(parents=True)
    (tmp_path / "p" / "a" / "1.png").write_bytes(b"no picture")
    before = sorted(tmp_path.rglob("*"))
    done = convert(*arguments.split(), "--output", "out.tsv", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert expected in done.stderr.decode() and done.stderr.count(b"\n") == 1, done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_without_pillow_one_line_says_what_to_install(pictures: Path) -> None:
    data = ROOT / "data"
    program = (
        f"import sys; sys.modules['PIL'] = None; sys.path.insert(0, {str(data)!r}); import convert; "
        "sys.exit(convert.main(['p']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=pictures.parent, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"pip install 'featuremill[images]'" in done.stderr and done.stderr.count(b"\n") == 1

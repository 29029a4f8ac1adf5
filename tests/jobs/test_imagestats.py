"""Images through the jobs: exact sums that add up, and shard lines of pixels; numpy says what is expected."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapreduce.input.records import record_hash
from mapreduce.output import manifest
from models import dataset
from tests.conftest import ROOT, Run

SHAPE = (9, 7, 3)
IMAGES = 4_000
Array = np.ndarray[Any, Any]


def records(images: Array, labels: Array) -> bytes:
    shape = "x".join(map(str, images.shape[1:]))
    return b"".join(
        f"{label}\t{shape}:{base64.urlsafe_b64encode(image.tobytes()).decode()}\n".encode()
        for image, label in zip(images, labels)
    )


@pytest.fixture(scope="module")
def images() -> tuple[Array, Array]:
    r = np.random.default_rng(2)
    dense = r.integers(0, 256, (IMAGES, *SHAPE), np.uint8)
    return dense * (r.random((IMAGES, *SHAPE)) < 0.6), r.integers(0, 10, IMAGES)


@pytest.fixture(scope="module")
def files(images: tuple[Array, Array], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The images in two files, two days, with a damaged line in each."""
    folder = tmp_path_factory.mktemp("images")
    for name, rows in (("a", slice(0, 2_500)), ("b", slice(2_500, IMAGES))):
        lines = records(images[0][rows], images[1][rows])
        (folder / f"{name}.tsv").write_bytes(lines + b"3\t9x7x3:AAAA\n" + b"3\t1x1x1:AA==\n")
    return sorted(folder.iterdir())


def sums(output: Path) -> dict[str, list[int]]:
    """Images, pixels, sum and sum of squares of each label."""
    found = manifest.read(output, "imagestats")
    lines = b"".join(Path(path).read_bytes() for path in manifest.part_paths(output, found)).decode().splitlines()
    return {label: list(map(int, columns)) for label, *columns in (line.split("\t") for line in lines)}


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_the_sums_are_those_of_numpy(
    runner: str, images: tuple[Array, Array], files: list[Path], tmp_path: Path, run_job: Run
) -> None:
    out = tmp_path / "stats"
    done = run_job("imagestats", "-r", runner, "--jobconf", "mapreduce.job.maps=3", "--output-dir", out, *files)
    assert b"4 of 4004 lines are no images records: another shape (2), damaged pixels (2)" in done.stderr
    found = sums(out)
    assert list(found) == [str(label) for label in range(10)]
    for label, counts in found.items():
        mine = images[0][images[1] == int(label)].astype(np.int64)
        assert counts == [len(mine), mine.size, mine.sum(), (mine**2).sum()]
    described = manifest.read(out, "imagestats")
    assert described["specification"] is None and described["arguments"]["shape"] == "9x7x3"
    assert described["records"]["rejected"] == {"another shape": 2, "damaged pixels": 2}


def test_a_sum_is_a_run_over_both_and_back(files: list[Path], tmp_path: Path, run_job: Run) -> None:
    for name, inputs in {"a": files[:1], "b": files[1:], "both": files}.items():
        run_job("imagestats", "-q", "--output-dir", tmp_path / name, *inputs)
    run_job("merge", "--output-dir", tmp_path / "sum", tmp_path / "a", tmp_path / "b")
    run_job("merge", "--subtract", "--output-dir", tmp_path / "back", tmp_path / "sum", tmp_path / "b")

    def content(name: str) -> tuple[bytes, dict[str, Any]]:
        found = manifest.read(tmp_path / name, "imagestats")
        del found["seconds"]
        return b"".join(Path(path).read_bytes() for path in manifest.part_paths(tmp_path / name, found)), found

    assert content("sum") == content("both")
    assert content("back") == content("a")


def test_encode_and_the_bridge_give_the_pixels_back(
    images: tuple[Array, Array], files: list[Path], tmp_path: Path, run_job: Run
) -> None:
    outputs = {}
    for runner in ("inline", "local"):
        out = tmp_path / runner
        run_job("encode", "-q", "-r", runner, "--shards", 3, "--salt", "s", "--output-dir", out, *files)
        found = manifest.read(out, "encode")
        outputs[runner] = [Path(path).read_bytes() for path in manifest.part_paths(out, found)]
    assert outputs["inline"] == outputs["local"] and len(outputs["local"]) == 3
    assert (found["dtype"], found["shape"], found["specification"]) == ("uint8", [9, 7, 3], None)
    wanted = sorted(
        b"%s\t%s" % (record_hash(line.split(b"\t")[1], b"s").encode(), line.split(b"\t")[0])
        for line in records(*images).splitlines()
    )
    lines = [line for part in outputs["local"] for line in part.splitlines()]
    assert sorted(line.rsplit(b"\t", 1)[0] for line in lines) == wanted
    rows, labels = dataset.to_numpy(out, labels=[str(label) for label in range(10)])
    ours = sorted(zip(labels.tolist(), [row.tobytes() for row in rows]))
    assert ours == sorted(zip(images[1].tolist(), [image.tobytes() for image in images[0]]))
    assert rows[0].shape == SHAPE == dataset.shape(out)


def test_splits_divide_the_images(files: list[Path], run_job: Run) -> None:
    def lines(*flags: str) -> list[bytes]:
        return run_job("encode", "-q", *flags, *files).stdout.splitlines()

    train, validation = lines("--split", "train"), lines("--split", "validation")
    assert sorted(train + validation) == sorted(lines())
    assert 0.05 < len(validation) / IMAGES < 0.15
    assert max(int(line[:16], 16) for line in validation) < 0.1 * 2**64 <= min(int(line[:16], 16) for line in train)


def test_the_examples_of_help(run_job: Run) -> None:
    flags = ["--format", "images", "--shape", "2x2x1"]
    assert run_job("imagestats", "--shape", "2x2x1", stdin=b"7\t2x2x1:AAD_Ag==\n").stdout == b"7\t1\t4\t257\t65029\n"
    shard = run_job("encode", *flags, stdin=b"7\t2x2x1:AAD_Ag==\n").stdout
    assert shard == record_hash(b"2x2x1:AAD_Ag==").encode() + b"\t7\tAAD_Ag==\n"


@pytest.mark.parametrize(
    ("job", "flags", "words"),
    [
        ("encode", ["--vocabulary", "VOCABULARY", "IMAGES"], "images have no tokens: leave out --vocabulary"),
        ("encode", ["--hash-buckets", "9", "IMAGES"], "images have no tokens: leave out --vocabulary"),
        ("encode", ["--ngrams", "2", "IMAGES"], "images have no tokens"),
        ("encode", ["TEXTS"], "name a vocabulary"),
        ("encode", ["--format", "images", "TEXTS"], "line 1: no image record"),
        ("encode", ["IMAGES", "TEXTS"], "input files of several formats"),
        ("encode", ["--shape", "9x7", "IMAGES"], "as in 28x28x1"),
        ("imagestats", ["TEXTS"], "line 1: no image record"),
        ("imagestats", ["--format", "tsv", "IMAGES"], "reads images, and the input holds texts"),
        ("imagestats", ["-"], "--shape 28x28x1"),
        ("wordcount", ["IMAGES"], "reads texts, and the input holds images"),
        ("labelcount", ["IMAGES"], "reads texts, and the input holds images"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    job: str, flags: list[str], words: str, files: list[Path], tmp_path: Path, run_job: Run
) -> None:
    (tmp_path / "texts.tsv").write_text("a\tgood film\n")
    (tmp_path / "v").write_text("good\t1\t1\n")
    names = {"IMAGES": files[0], "TEXTS": tmp_path / "texts.tsv", "VOCABULARY": tmp_path / "v"}
    done = run_job(job, "--output-dir", tmp_path / "out", *(names.get(flag, flag) for flag in flags), code=2)
    said = done.stderr.decode()
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_shapes_are_too_many_to_go_on(files: list[Path], run_job: Run) -> None:
    done = run_job("imagestats", "--shape", "3x3x1", files[0], code=3)
    assert b"another shape (2502)" in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.data
def test_mnist_has_the_mean_and_the_deviation_that_are_known(tmp_path: Path, run_job: Run) -> None:
    raw = ROOT / "data" / "raw"
    subprocess.run([sys.executable, ROOT / "data" / "fetch.py", "mnist", "--output", raw], check=True)
    run_job("imagestats", "-r", "local", "--output-dir", tmp_path / "stats", raw / "mnist-train.tsv")
    number, pixels, total, squares = map(sum, zip(*sums(tmp_path / "stats").values()))
    assert (number, pixels) == (60_000, 60_000 * 28 * 28)
    mean = total / pixels
    assert (round(mean, 3), round((squares / pixels - mean**2) ** 0.5, 3)) == (33.318, 78.567)
    run_job("encode", "-r", "local", "--shards", 2, "--output-dir", tmp_path / "shards", raw / "mnist-test.tsv")
    found = manifest.read(tmp_path / "shards", "encode")
    assert json.dumps(found["shape"]) == "[28, 28, 1]" and found["records"]["out"] == 10_000
    rows, labels = dataset.to_numpy(tmp_path / "shards", labels=[str(label) for label in range(10)])
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # the known ones
    assert np.stack(rows).dtype == np.uint8

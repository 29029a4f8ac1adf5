"""The same input gives the same bytes: any hash seed, number of tasks and executor; any number of reducers, sorted."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import preset
from tests.conftest import Run

JOBS = ("wordcount", "featurecount", "labelcount", "vocabulary", "encode", "duplicates")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Records of 9 MB, enough for eight tasks, and of 1 MB; hostile bytes and rejected lines among them."""
    chance = random.Random(11)
    folder = tmp_path_factory.mktemp("inputs")
    odd = [b"\xff\xfe", "Ünï".encode(), b"N\0L", b"don't", "\u0085\u2028".encode(), b"\r", b"x" * 70, b"\xef\xbb\xbf"]
    lines = []
    for _ in range(15_000):
        words = [b"w%d" % int(chance.paretovariate(0.6)) for _ in range(chance.randrange(1, 180))]
        label = chance.choice([b"pos", b"neg", "né".encode(), b""] if chance.random() < 0.01 else [b"pos", b"neg"])
        lines.append(b"%s\t%s %s" % (label, b" ".join(words), chance.choice(odd)))
    (folder / "large.tsv").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "small.tsv").write_bytes(b"\n".join(lines[:2_000]))
    tokens = [b"w%d" % i for i in range(1, 500)]
    vocabulary.write(folder / "vocabulary", tokens, [1] * 499, [1] * 499, preset("keras"))
    yield folder
    (folder / "large.tsv").unlink()


def flags(job: str, inputs: Path, reduces: int) -> list[object]:
    if job == "encode":
        return ["--vocabulary", inputs / "vocabulary", "--shards", reduces]
    return ["--jobconf", f"mapreduce.job.reduces={reduces}"]


def digests(output: Path) -> tuple[dict[str, str], str]:
    """sha256 of every part, and of all lines, sorted."""
    found = manifest.read(output)
    paths = manifest.part_paths(output, found)
    lines = sorted(line for path in paths for line in Path(path).read_bytes().split(b"\n")[:-1])
    return {part["name"]: part["sha256"] for part in found["parts"]}, hashlib.sha256(b"\n".join(lines)).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_ten_runs_write_the_same_bytes(job: str, inputs: Path, tmp_path: Path, run_job: Run) -> None:
    path = inputs / ("small.tsv" if job == "duplicates" else "large.tsv")
    parts = set()
    for number in range(10):
        tasks = 1 + number % 8
        out = tmp_path / str(number)
        more = ["-r", "inline"] if number == 0 else ["-r", "local", "--num-cores", tasks]
        more += ["--jobconf", f"mapreduce.job.maps={tasks}", "--output-dir", out, "-q"]
        run_job(job, *flags(job, inputs, 3), *more, path, env={"PYTHONHASHSEED": str(number)})
        parts.add(tuple(digests(out)[0].items()))
    assert len(parts) == 1


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_any_number_of_reducers_writes_the_same_lines(job: str, inputs: Path, tmp_path: Path, run_job: Run) -> None:
    wholes = set()
    for reduces in range(1, 6):
        out = tmp_path / str(reduces)
        run_job(job, "-r", "local", "-q", *flags(job, inputs, reduces), "--output-dir", out, inputs / "small.tsv")
        parts, whole = digests(out)
        assert len(parts) == (1 if job == "vocabulary" else reduces)
        wholes.add(whole)
    assert len(wholes) == 1

"""Memory holds whatever the data: a whole process takes at most twice --sort-memory and 60 MiB."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from mapreduce.native import library as native
from mapreduce.shuffle import memory
from mapreduce.shuffle.sums import add_histograms, add_labelled, in_order
from tests.benchmarks.bench_memory import bound, peak

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="no /proc")
needs_library = pytest.mark.skipif(native.load() is None, reason="Python's own objects take more")


@needs_proc
@needs_library
@pytest.mark.slow
def test_many_equal_documents_take_no_more(tmp_path: Path) -> None:
    (tmp_path / "equal.tsv").write_bytes(b"pos\tthe cat\n" * 600_000)
    flags = ("--sort-memory", "16M", "--hash-buckets", "9", "--output-dir", tmp_path / "out")
    assert peak("encode", *flags, tmp_path / "equal.tsv") < bound(16)
    assert len({*(tmp_path / "out" / "part-00000").read_bytes().split(b"\n")}) == 2


@needs_proc
@needs_library
@pytest.mark.parametrize("job", ["wordcount", pytest.param("vocabulary", marks=pytest.mark.slow), "featurecount"])
@pytest.mark.parametrize("widths", [("--ngrams", "5"), ("--character-ngrams", "3-5")])
def test_one_long_document_takes_no_more(tmp_path: Path, job: str, widths: tuple[str, str]) -> None:
    draw = random.Random(0)
    words = (draw.randbytes(draw.randint(1, 4)).hex() for _ in range(200_000))
    (tmp_path / "long.tsv").write_text("pos\t" + " ".join(words) + "\n")
    flags = ("--sort-memory", "16M", *widths, "--format", "tsv", "--output-dir", tmp_path / "out")
    assert peak(job, *flags, tmp_path / "long.tsv") < bound(16)


@pytest.mark.parametrize("reverse", [False, True])
def test_lines_beyond_the_memory_are_sorted_through_files(monkeypatch: pytest.MonkeyPatch, reverse: bool) -> None:
    draw = random.Random(0)
    lines = [draw.randbytes(draw.randrange(4)).replace(b"\n", b"") for _ in range(1000)]
    monkeypatch.setattr(memory, "task_memory", lambda: 500)
    monkeypatch.setattr(memory, "FILES", 4)
    assert list(memory.sorted_lines(lines, reverse=reverse)) == sorted(lines, reverse=reverse)
    assert list(memory.sorted_lines(lines, len)) == sorted(lines, key=len)  # equal ones as they came
    assert list(memory.sorted_lines(iter(()))) == []


def test_values_are_sorted_within_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "task_memory", lambda: 500)
    held = memory._written
    written: list[int] = []
    monkeypatch.setattr(memory, "_written", lambda lines: written.append(1) or held(lines))
    assert list(in_order(None, b"k", iter([b"b", b"a\x00", b"a"] * 50))) == [
        (b"k", value) for value in [b"a"] * 50 + [b"a\x00"] * 50 + [b"b"] * 50
    ]
    assert len(written) > 10


def test_what_is_added_up_is_not_held() -> None:
    """The values come from a generator that sees how many of them are still there."""
    alive = 0

    class Value(bytes):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def values(value: bytes):  # type: ignore[no-untyped-def]
        nonlocal alive
        for _ in range(100):
            alive += 1
            yield Value(value)
            assert alive < 5

    assert list(add_labelled(None, b"k", values(b"x\t1\t2"))) == [(b"k", b"x\t100\t200")]
    assert list(add_histograms(None, b"k", values(b"1\t2\t2:1"))) == [(b"k", b"100\t200\t2:100")]


@pytest.mark.parametrize(("most", "files"), [(20, 10), (64, 32), (1 << 20, memory.FILES)])
def test_a_merge_opens_half_of_what_may_be_open(most: int, files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.resource, "getrlimit", lambda what: (most, most))
    assert memory.files_at_once() == files

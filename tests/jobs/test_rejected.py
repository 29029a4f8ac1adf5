"""Records add up, and what is rejected is counted, shown and limited: on both executors and any number of tasks."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import pytest

from mapreduce.output import manifest
from tests.conftest import Run


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40,000 records, 2.4 MB, of which lines 5, 1000, 20000 and 39999 are none."""
    lines = [b"pos\t" + b"word " * 10 + b"%d" % i for i in range(1, 40_001)]
    lines[4], lines[999], lines[19_999], lines[39_998] = b"no label", b"", b"neg\t ", b"\xff\ttext"
    path = tmp_path_factory.mktemp("spoilt") / "spoilt.tsv"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize(("runner", "maps"), [("inline", 1), ("local", 2), ("local", 3)])
def test_records_add_up(runner: str, maps: int, spoilt: Path, tmp_path: Path, run_job: Run) -> None:
    out = tmp_path / "out"
    flags = ["-r", runner, "--jobconf", f"mapreduce.job.maps={maps}", "--split", "train", "--output-dir", out]
    done = run_job("labelcount", *flags, spoilt)
    found = manifest.read(out)
    rejected = {"no label": 1, "empty line": 1, "empty text": 1, "label is not UTF-8": 1}
    records = found["records"]
    assert records["rejected"] == rejected
    assert records["in"] == 40_000 == records["used"] + records["other split"] + 4
    assert 35_000 < records["used"] < 37_000
    assert records["out"] == len((out / "part-00000").read_bytes().splitlines())
    assert b"4 of 40000 lines are no tsv records" in done.stderr and b"spoilt.tsv, line 5" in done.stderr
    samples = [json.loads(line) for line in (out / "_rejected").read_bytes().splitlines()]
    assert [(s["line"], s["cause"], s["text"]) for s in samples] == [
        (5, "no label", "no label"),
        (1000, "empty line", ""),
        (20_000, "empty text", "neg\t "),
        (39_999, "label is not UTF-8", "\ufffd\ttext"),
    ]
    assert {s["file"] for s in samples} == {str(spoilt)}
    assert set(found["counters"]) <= {"records", "letters"}


def test_samples_are_the_first_ones(spoilt: Path, tmp_path: Path, run_job: Run) -> None:
    for keep in (0, 2):
        out = tmp_path / str(keep)
        flags = ["-r", "local", "--jobconf", "mapreduce.job.maps=3", "--keep-rejected", keep, "--output-dir", out]
        run_job("labelcount", *flags, spoilt)
        samples = (out / "_rejected").read_text().splitlines() if keep else []
        assert [json.loads(line)["line"] for line in samples] == [5, 1000][:keep]
        assert (out / "_rejected").exists() == bool(keep)


@pytest.mark.parametrize(
    ("limit", "lines", "code"),
    [
        ([], 99, 0),
        ([], 98, 3),
        (["--max-rejected", "1"], 1, 0),
        (["--max-rejected", "0"], 1000, 3),
        (["--max-rejected", "0.5"], 1, 0),
        (["--max-rejected", "0.3"], 2, 3),
    ],
)
@pytest.mark.parametrize("runner", ["inline", "local"])
def test_too_many_fail(runner: str, limit: list[str], lines: int, code: int, tmp_path: Path, run_job: Run) -> None:
    data = b"pos\ttext\n" * lines + b"no label\n"
    flags = ["-r", runner, "--format", "tsv", *limit, "--output-dir", tmp_path / "out"]
    done = run_job("labelcount", *flags, stdin=data, code=code)
    assert f"1 of {lines + 1} lines".encode() in done.stderr
    assert (tmp_path / "out").exists() == (code == 0)
    assert len(done.stderr.splitlines()) == 1


def test_the_three_most_common_causes_are_named(tmp_path: Path, run_job: Run) -> None:
    data = b"x\tok\n" + b"none\n" * 4 + b"x\t\n" * 3 + b"\n" * 2 + b"\xff\tx\n"
    done = run_job("labelcount", "--format", "tsv", stdin=data, code=3)
    assert b"no label (4), empty text (3), empty line (2);" in done.stderr
    assert b"not UTF-8" not in done.stderr


@pytest.mark.parametrize("runner", ["inline", "local"])
@pytest.mark.parametrize("job", ["wordcount", "vocabulary"])
def test_strict_rejects_invalid_utf8_in_plain_text(job: str, runner: str, run_job: Run) -> None:
    data = b"good\n" * 400_000 + b"bad \xff\n" + "gö\n".encode()
    flags = ["-r", runner, "--tokenizer", "whitespace"]
    done = run_job(job, *flags, "--strict", stdin=data)
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [b"good", "gö".encode()]
    assert b"1 of 400002 lines are no text records: invalid UTF-8 (1)" in done.stderr
    done = run_job(job, *flags, stdin=data)
    assert len(done.stdout.splitlines()) == 4
    assert b"1 of 400002 texts are not UTF-8 and are used as they are" in done.stderr
    assert b"; the first: -, line 400001" in done.stderr


@pytest.mark.parametrize("line", [b'{"label": "x", "text": "\\ud800"}', b'{"label": "x", "text": "\xff"}'])
def test_strict_json(line: bytes, run_job: Run) -> None:
    done = run_job("labelcount", "--format", "jsonl", "--strict", stdin=line + b"\n", code=3)
    assert b"(1)" in done.stderr


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_long_line_is_rejected(runner: str, tmp_path: Path, run_job: Run) -> None:
    data = b"a b\n" * 300 + b"x " * 50 + b"\n" + b"c " * 49 + b"\n"
    done = run_job("wordcount", "-r", runner, "--max-line", "99", stdin=data)
    assert done.stdout == b"a\t300\nb\t300\nc\t49\n"
    assert b"1 of 302 lines are no text records: too long (1)" in done.stderr


def test_a_line_of_100_mb_in_bounded_memory(tmp_path: Path, run_job: Run) -> None:
    path, out = tmp_path / "long.txt", tmp_path / "out"
    with path.open("wb") as file:
        file.write(b"a b\n" * 300)
        for _ in range(100):
            file.write(b"x" * 999_999 + b" ")
        file.write(b"\nc d\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    run_job("wordcount", "-r", "local", "--jobconf", "mapreduce.job.reduces=1", "--output-dir", out, path)
    assert (out / "part-00000").read_bytes() == b"a\t300\nb\t300\nc\t1\nd\t1\n"
    assert manifest.read(out)["records"]["rejected"] == {"too long": 1}
    assert json.loads((out / "_rejected").read_text())["line"] == 301
    if sys.platform == "linux":  # the largest child so far, in KiB
        assert max(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before, 0) < 100 * 1024
    path.unlink()


@pytest.mark.parametrize("flags", [["--salt", "x" * 65], ["--validation", "2"], ["--max-line", "0"]])
def test_flags_out_of_range(flags: list[str], run_job: Run) -> None:
    done = run_job("wordcount", *flags, stdin=b"x\n", code=2)
    assert b"Received" in done.stderr and b"Traceback" not in done.stderr

"""Counts are a monoid: yesterday's output plus today's input is a run over both, byte for byte, and back again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import preset
from tests.conftest import Run


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three days of records, with words, labels and rejected lines of their own."""
    folder = tmp_path_factory.mktemp("days")
    chance = random.Random(3)
    for day in range(3):
        lines = [
            f"{chance.choice(['pos', 'neg', f'day{day}'])}\t"
            + " ".join(f"w{int(chance.paretovariate(0.7))}" for _ in range(chance.randrange(1, 40)))
            for _ in range(500)
        ]
        (folder / f"{day}.tsv").write_text("\n".join([*lines, "no label"]) + "\n")
    return sorted(folder.iterdir())


def content(output: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The parts, and the manifest without the time."""
    found = manifest.read(output)
    del found["seconds"]
    return {part["name"]: (output / part["name"]).read_bytes() for part in found["parts"]}, found


@pytest.mark.parametrize(
    ("job", "runner", "reduces"),
    [("wordcount", "inline", None), ("featurecount", "local", 3), ("labelcount", "local", None)],
)
def test_a_sum_is_a_run_over_both(
    job: str, runner: str, reduces: int | None, days: list[Path], tmp_path: Path, run_job: Run
) -> None:
    flags: list[object] = ["-r", runner, "-q"]
    counting = flags if reduces is None else [*flags, "--jobconf", f"mapreduce.job.reduces={reduces}"]
    for name, inputs in {"0": days[:1], "1": days[1:2], "2": days[2:], "012": days, "02": [days[0], days[2]]}.items():
        run_job(job, *counting, "--output-dir", tmp_path / name, *inputs)
    run_job("merge", *flags, "--output-dir", tmp_path / "sum", *(tmp_path / name for name in "012"))
    assert content(tmp_path / "sum") == content(tmp_path / "012")
    assert (tmp_path / "sum" / "_manifest.json").read_bytes() != (tmp_path / "0" / "_manifest.json").read_bytes()
    back = ["--subtract", "--output-dir", tmp_path / "back", tmp_path / "sum", tmp_path / "1"]
    run_job("merge", *flags, *back)
    assert content(tmp_path / "back") == content(tmp_path / "02")
    run_job("merge", *flags, "--subtract", "--output-dir", tmp_path / "one", *(tmp_path / name for name in ("02", "2")))
    assert content(tmp_path / "one") == content(tmp_path / "0")


def test_the_number_of_parts_follows_the_input(tmp_path: Path, run_job: Run) -> None:
    """Two outputs of one part each, of 40 MiB of input, make two parts, as a run over 80 MiB does."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-00000").write_bytes(b"a\t1\nb\t2\nc\t3\n")
        found = manifest.build("wordcount", inputs=[{"path": name, "size": 40 << 20, "crc32": "0" * 8}])
        manifest.write(tmp_path / name, found)
    run_job("merge", "--output-dir", tmp_path / "sum", tmp_path / "a", tmp_path / "b")
    parts, _ = content(tmp_path / "sum")
    assert sorted(b"".join(parts.values()).splitlines()) == [b"a\t2", b"b\t4", b"c\t6"] and len(parts) == 2


def test_what_cannot_be_added_is_refused_in_one_line(days: list[Path], tmp_path: Path, run_job: Run) -> None:
    def make(name: str, job: str, *flags: object) -> Path:
        run_job(job, "-q", "--output-dir", tmp_path / name, *flags, days[0])
        return tmp_path / name

    counts = make("counts", "featurecount")
    vocabulary.write(tmp_path / "v", [b"a"], [1], [1], preset("keras"))
    other = make("ngrams", "featurecount", "--ngrams", "2")
    fingerprints = [manifest.read(path)["specification_fingerprint"] for path in (counts, other)]
    for flags, words in (
        ([counts], ["two outputs"]),
        ([counts, tmp_path / "none"], ["none: no such output"]),
        ([counts, days[0]], ["a file, and output is a folder"]),
        ([counts, "hdfs://host/x"], ["-r hadoop"]),
        ([tmp_path / "v", tmp_path / "v"], ["vocabulary outputs cannot be added"]),
        ([counts, make("words", "wordcount")], ["wordcount output", "featurecount output"]),
        ([counts, other], fingerprints),
        ([counts, make("min", "featurecount", "--min-df", "2")], ["--min-df"]),
        ([counts, make("train", "featurecount", "--split", "train")], ["split 'train'", "'all'"]),
        (["--subtract", counts, make("twice", "featurecount", days[1])], ["is no input of"]),
    ):
        done = run_job("merge", "--output-dir", tmp_path / "sum", *flags, code=2)
        said = done.stderr.decode()
        assert len(said.splitlines()) == 1 and all(word in said for word in words), said
        assert not (tmp_path / "sum").exists()


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_no_count_becomes_negative(runner: str, tmp_path: Path, run_job: Run) -> None:
    for name, data in {"a": b"x\t1\n", "b": b"x\t2\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-00000").write_bytes(data)
        manifest.write(tmp_path / name, manifest.build("wordcount"))
    flags = ["-r", runner, "--subtract", "--output-dir", tmp_path / "c", tmp_path / "a", tmp_path / "b"]
    done = run_job("merge", *flags, code=2)
    assert b"less of b'x'" in done.stderr and len(done.stderr.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]

"""Every job: the same part files inline, local and on Hadoop, from hostile input here and on HDFS.

The matrix runs in Hadoop's client; `test_yarn.py` runs each job once on YARN.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas
import pyarrow
import pytest

from mapreduce.input.records import SplitRule
from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import preset
from tests.conftest import Run
from tests.hadoop.conftest import IN_CLIENT, Hadoop, parts

TABLE = ("--names", "label,text", "--header", "no")
JOBS = {
    "wordcount": ("text", ("--split", "train")),
    "featurecount": ("tsv", ("--ngrams", "2", "--min-df", "2")),
    "labelcount": ("tsv", ()),
    "vocabulary": ("text", ("--top-k", "500", "--min-df", "2", "--character-ngrams", "3")),
    "encode": ("tsv", ()),
    "duplicates": ("tsv", ()),
    "imagestats": ("images", ("--shape", "5x4x1")),
    "groupcount": ("tsv", (*TABLE, "--types", "label:text,text:text", "--by", "text", "--distinct", "label")),
    "schema": ("tsv", TABLE),
}
"""Job to kind of input and flags."""


def flags(job: str, reduces: int, tmp_path: Path) -> list[str]:
    """The flags of a job, with its number of reducers."""
    given = [*JOBS[job][1], "--max-rejected", "1.0"]
    if job != "encode":
        return [*given, "--jobconf", f"mapreduce.job.reduces={reduces}"]
    words = [b"w%d" % n for n in range(1, 300)]
    if not (tmp_path / "v").exists():
        vocabulary.write(tmp_path / "v", words, [1] * len(words), [1] * len(words), preset("keras"))
    return [*given, "--vocabulary", str(tmp_path / "v"), "--shards", str(reduces)]


def check_same(job: str, here: Path, there: Path) -> None:
    """Two outputs of a job have the same parts, and manifests that say the same of records and arguments."""
    assert parts(there) == parts(here)
    assert sum(map(len, parts(here).values())) > 50
    a, b = (manifest.read(folder, job) for folder in (here, there))
    for name in ("arguments", "specification", "records", "counters", "vocabulary_fingerprint", "results"):
        assert a[name] == b[name], name
    assert [(p["size"], p["sha256"]) for p in a["parts"]] == [(p["size"], p["sha256"]) for p in b["parts"]]


def whole(folder: Path) -> str:
    """The sha256 of all lines of an output, sorted: the same at any number of reducers."""
    lines = sorted(line for data in parts(folder).values() for line in data.splitlines(True))
    return hashlib.sha256(b"".join(lines)).hexdigest()


@pytest.mark.parametrize(
    ("job", "reduces"),
    [(job, n) for job in JOBS for n in ((1, 5) if job in ("wordcount", "vocabulary") else (2,))],
)
def test_parts_are_the_same_bytes(
    job: str, reduces: int, inputs: dict[str, str], hadoop: Hadoop, tmp_path: Path, run_job: Run
) -> None:
    kind, arguments = JOBS[job][0], flags(job, reduces, tmp_path)
    for runner in ("inline", "local"):
        run_job(job, "-r", runner, *arguments, "--output-dir", tmp_path / runner, inputs[kind])
    check_same(job, tmp_path / "inline", tmp_path / "local")
    there = f"hdfs:///out/{tmp_path.name}"
    source = inputs[f"hdfs {kind}"]
    run_job(job, "-r", "hadoop", *IN_CLIENT, *arguments, "--output-dir", there, source)
    hadoop("fs", "-get", there, tmp_path / "hadoop")
    check_same(job, tmp_path / "local", tmp_path / "hadoop")
    run_job(job, "-r", "local", *flags(job, 3, tmp_path), "--output-dir", tmp_path / "three", inputs[kind])
    assert whole(tmp_path / "three") == whole(tmp_path / "hadoop")
    assert hadoop("fs", "-ls", "/tmp").stdout.count(f"mapreduce.{job}") == 0
    described = json.loads((tmp_path / "hadoop" / manifest.NAME).read_bytes())
    assert {entry["path"].rpartition("/")[2] for entry in described["inputs"]} == {
        path.name for path in Path(inputs[kind]).iterdir() if not path.name.startswith(("_", "."))
    }


def test_outputs_are_added_and_taken_out_again(
    inputs: dict[str, str], hadoop: Hadoop, tmp_path: Path, run_job: Run
) -> None:
    reject = ("--max-rejected", "1.0", "--output-dir")
    run_job("labelcount", "-r", "local", *reject, tmp_path / "a", f"{inputs['tsv']}/bom.tsv")
    run_job("labelcount", "-r", "local", *reject, tmp_path / "b", f"{inputs['tsv']}/crlf.tsv")
    for runner, more in (("local", ()), ("hadoop", IN_CLIENT)):
        both = tmp_path / f"both-{runner}"
        run_job("merge", "-r", runner, *more, "--output-dir", both, tmp_path / "a", tmp_path / "b")
        left = tmp_path / f"left-{runner}"
        run_job("merge", "-r", runner, *more, "--subtract", "--output-dir", left, both, tmp_path / "b")
        assert parts(left) == parts(tmp_path / "a")
    there = f"hdfs:///out/{tmp_path.name}"
    for name in "ab":
        hadoop("fs", "-mkdir", "-p", f"{there}/{name}")
        hadoop("fs", "-put", tmp_path / name, f"{there}/{name}/counts")  # whose last names are one
    both = [f"{there}/{name}/counts" for name in "ab"]
    run_job("merge", "-r", "hadoop", *IN_CLIENT, "--output-dir", f"{there}/both", *both)
    hadoop("fs", "-get", f"{there}/both", tmp_path / "there")
    assert parts(tmp_path / "there") == parts(tmp_path / "both-local") and manifest.read(tmp_path / "there")
    assert parts(tmp_path / "both-hadoop") == parts(tmp_path / "both-local")


def test_local_input_and_local_output(inputs: dict[str, str], cluster: Path, tmp_path: Path, run_job: Run) -> None:
    for runner, more in (("local", ()), ("hadoop", IN_CLIENT)):
        out = tmp_path / runner
        run_job("wordcount", "-r", runner, *more, "--output-dir", out, f"{inputs['text']}/*.txt", inputs["text"])
    check_same("wordcount", tmp_path / "local", tmp_path / "hadoop")


def test_standard_input_to_standard_output(cluster: Path, run_job: Run) -> None:
    out = run_job("wordcount", "-r", "hadoop", *IN_CLIENT, stdin=b"the cat\nand the hat").stdout
    assert out == b"and\t1\ncat\t1\nhat\t1\nthe\t2\n"


@pytest.mark.parametrize("runner", ["hadoop", "spark"])
def test_a_table_is_the_same_on_a_cluster(runner: str, hadoop: Hadoop, tmp_path: Path, run_job: Run) -> None:
    """Line ends in quotes, other encodings and formats: one record each, from this machine and from HDFS."""
    rows = [("pos" if n % 3 else "neg", f"one, {n}\ntwo {n}", n % 50) for n in range(2000)]
    frame = pandas.DataFrame(rows, columns=["label", "text", "author"])
    names = ["t.csv", "t.feather", "t.parquet", "t.json", "t.csv.zst", "u.csv"]
    for name, write in zip(names, (frame.to_csv, frame.to_feather, frame.to_parquet)):
        write(tmp_path / name, **({"index": False} if name == "t.csv" else {}))
    frame.to_json(tmp_path / "t.json", orient="records")
    with pyarrow.CompressedOutputStream(str(tmp_path / "t.csv.zst"), "zstd") as file:
        file.write((tmp_path / "t.csv").read_bytes())
    frame.to_csv(tmp_path / "u.csv", index=False, encoding="utf-16", sep=";")
    split = ("--group-field", "author", "--split", "train")
    wanted = run_job("labelcount", "-r", "local", *split, tmp_path / "t.csv").stdout
    used = sum(str(author).encode() in SplitRule("train") for author in range(50)) * 40
    assert sum(int(line.split(b"\t")[1]) for line in wanted.splitlines()) == used < 2000
    more = (*split, *(IN_CLIENT if runner == "hadoop" else ()))
    there = f"hdfs:///out/{tmp_path.name}"
    hadoop("fs", "-mkdir", "-p", there)
    hadoop("fs", "-put", *(tmp_path / name for name in names), there)
    for name in names:
        assert run_job("labelcount", "-r", runner, *more, tmp_path / name).stdout == wanted, name
        if runner == "spark":
            continue  # it reads the cluster's files where it is told which cluster
        if name == "u.csv":
            done = run_job("labelcount", "-r", runner, *more, f"{there}/{name}", code=2)
            assert b"is UTF-16, which a cluster does not cut into lines" in done.stderr
        else:
            assert run_job("labelcount", "-r", runner, *more, f"{there}/{name}").stdout == wanted, name

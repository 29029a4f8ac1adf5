"""Records of one group, an author's say, are in one split: in every format, however the input is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from mapreduce.input.records import SplitRule
from mapreduce.output import manifest
from tests.conftest import Run

AUTHORS = [f"author {n}" if n else "" for n in range(40)]
RECORDS = [("ab"[n % 2], f"text{n}", AUTHORS[n * 7 % 40]) for n in range(2000)]
FRAME = pandas.DataFrame(RECORDS, columns=["label", "text", "author"])
VALIDATION = {text for _, text, author in RECORDS if (author or text).encode() in SplitRule("validation", 0.25)}
WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a.csv": (lambda path: FRAME.to_csv(path, index=False), "Author"),
    "b.csv": (lambda path: FRAME[["author", "text", "label"]].to_csv(path, index=False, sep=";"), "1"),
    "header.tsv": (lambda path: FRAME.to_csv(path, index=False, sep="\t"), "author"),
    "none.tsv": (lambda path: FRAME.to_csv(path, index=False, sep="\t", header=False), "3"),
    "a.jsonl": (lambda path: FRAME.to_json(path, orient="records", lines=True), "author"),
    "dotted.jsonl": (
        lambda path: path.write_text(
            "".join(json.dumps({"label": a, "text": b, "by": {"name": c}}) + "\n" for a, b, c in RECORDS)
        ),
        "by.name",
    ),
    "a.json": (lambda path: FRAME.to_json(path, orient="records"), "author"),
    "a.parquet": (lambda path: FRAME.to_parquet(path, row_group_size=300), "author"),
    "a.feather": (lambda path: FRAME.to_feather(path), "author"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_group_is_in_one_split(name: str, tmp_path: Path, run_job: Run) -> None:
    write, field = WRITERS[name]
    write(tmp_path / name)
    flags = ("--group-field", field, "--validation", "0.25", "--jobconf", "mapreduce.job.maps=5")
    for split in ("train", "validation"):
        output = tmp_path / split
        run_job("featurecount", "-r", "local", *flags, "--split", split, "--output-dir", output, tmp_path / name)
        lines = [line for part in output.glob("part-*") for line in part.read_text().splitlines()]
        found = {line.split("\t")[0] for line in lines}
        assert found == {text for _, text, _ in RECORDS if (text in VALIDATION) == (split == "validation")}
        described = manifest.read(output)
        assert described["arguments"]["group_field"] == field
        assert described["records"]["other split"] == len(RECORDS) - len(found)
    assert 200 < len(VALIDATION) < 800


def test_what_has_no_group_is_told(tmp_path: Path, run_job: Run) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "a.txt").write_text("a text\n")
    (tmp_path / "a.tsv").write_text("a\ta text\n")
    FRAME.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"label": "a", "text": "one"}\n' * 9)
    grouped = ("--split", "train", "--group-field")
    for name, field, code, said in (
        ("a.csv", "writer", 2, "no one column 'writer' in the header"),
        ("a.csv", "4", 2, "name it, or its number, with --group-field"),
        ("a.parquet", "writer", 2, "no column 'writer'; there are label, text, author; name it with --group-field"),
        ("a.txt", "author", 2, "text records have no further fields; leave out --group-field"),
        ("a.tsv", "author", 2, "without a header columns have numbers, 1 to 2; give --group-field 2"),
        ("a.jsonl", "writer", 3, "no field of its group"),
    ):
        job = "wordcount" if name.endswith("txt") else "labelcount"
        done = run_job(job, *grouped, field, tmp_path / name, code=code)
        assert said in done.stderr.decode() and done.stderr.count(b"\n") == 1, name

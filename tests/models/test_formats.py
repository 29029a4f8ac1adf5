"""The table of data/README.md, which command reads which format: every cell is tried."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from mapreduce.input.files import Source
from mapreduce.input.formats import FORMATS, detect
from mapreduce.input.formats.format import TEXTS
from mapreduce.output import manifest
from models import inputs
from tests.conftest import ROOT

TABLE = ROOT / "data" / "README.md"
PAIRS = [("up", f"rise, {n} rise") for n in range(30)] + [("döwn", f"fall {n}\nfall") for n in range(30)]
NO, YES = "no labels", "yes"


def cells() -> dict[str, list[str]]:
    found = re.search(
        r"^\| format \| jobs over words .*?\n\|[-|]+\n(.*?)\n\n", TABLE.read_text(), re.DOTALL | re.MULTILINE
    )
    assert found
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in found[1].splitlines()]
    return {name: values for name, *values in rows}


CELLS = cells()


def one_line() -> list[tuple[str, str]]:
    return [(label, text.replace("\n", " ")) for label, text in PAIRS]


def frame() -> pandas.DataFrame:
    return pandas.DataFrame(PAIRS, columns=["label", "text"])


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "text": (".txt", lambda path: path.write_text("".join(f"{text}\n" for _, text in one_line()))),
    "tsv": (".tsv", lambda path: path.write_text("".join(f"{label}\t{text}\n" for label, text in one_line()))),
    "csv": (".csv", lambda path: frame().to_csv(path, index=False)),
    "jsonl": (".jsonl", lambda path: frame().to_json(path, orient="records", lines=True)),
    "json": (".json", lambda path: frame().to_json(path, orient="records", indent=1)),
    "parquet": (".parquet", lambda path: frame().to_parquet(path)),
    "arrow": (".feather", lambda path: frame().to_feather(path)),
    "fasttext": (".ft", lambda path: path.write_text("".join(f"__label__{a} {b}\n" for a, b in one_line()))),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("formats")
    found = {}
    for name, (suffix, write) in WRITERS.items():
        found[name] = folder / f"{name}{suffix}"
        write(found[name])
    return found


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)


def test_every_format_of_texts_has_a_row(files: dict[str, Path]) -> None:
    assert set(CELLS) == {one.name for one in FORMATS.values() if one.holds == TEXTS} == set(WRITERS)
    assert {name: detect([Source(str(path))]) for name, path in files.items()} == {name: name for name in files}


@pytest.mark.parametrize("name", CELLS)
def test_jobs(name: str, files: dict[str, Path]) -> None:
    done = run("jobs/wordcount.py", "-r", "local", files[name])
    assert (CELLS[name][0] == YES) == (done.returncode == 0), done.stderr
    assert "rise\t60\n" in done.stdout and "fall\t60\n" in done.stdout
    done = run("jobs/labelcount.py", "-r", "local", files[name])
    assert (CELLS[name][1] == YES) == (done.returncode == 0), done.stderr
    if CELLS[name][1] == YES:
        assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [["döwn", "30"], ["up", "30"]]
    else:
        assert "needs labelled records" in done.stderr


@pytest.mark.parametrize("name", CELLS)
def test_predict_and_python(name: str, files: dict[str, Path], one_model: Path) -> None:
    rows = [row for block in inputs.rows([str(files[name])]) for row in block]
    assert [row.text for row in rows] == [text.encode() for _, text in one_line()] and CELLS[name][5] == YES
    assert [row.cause for row in rows] == [""] * len(PAIRS)
    lines = [row.line for row in rows]
    assert lines == sorted(lines) and lines[0] == (2 if name == "csv" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_train_predict_and_evaluate(name: str, files: dict[str, Path], one_model: Path, tmp_path: Path) -> None:
    done = run("-m", "models.predict", one_model, files[name])
    assert (CELLS[name][3] == YES) == (done.returncode == 0), done.stderr
    assert done.stdout.count("\n") == len(PAIRS)
    done = run("-m", "models.evaluate", one_model, files[name])
    assert (CELLS[name][4] == YES) == (done.returncode == 0), done.stderr
    done = run("-m", "models.train", "--train", files[name], "--output", tmp_path / "model", "--test", files[name])
    assert (CELLS[name][2] == YES) == (done.returncode == 0), done.stderr
    if CELLS[name][2] == YES:
        assert "accuracy 1.0000" in done.stdout
        assert set(manifest.read(tmp_path / "model")["results"]["labels"]) == {
            "up",
            "döwn",
        }

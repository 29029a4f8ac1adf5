"""`make train`: what reaches models.train, for names of files that a shell would take apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
# In place of Python: writes down what it is called with, as NUL-separated words.
RECORDER = '#!/bin/sh\nprintf "%s\\0" "$@" >> "$RECORD"\n'


def called(folder: Path, root: Path, *variables: str) -> list[str]:
    """The arguments that `make train` gives to models.train."""
    python, record = folder / "bin" / "python", folder / "record"
    python.parent.mkdir(exist_ok=True)
    python.write_text(RECORDER)
    python.chmod(0o755)
    record.write_bytes(b"")
    command = ["make", "-o", ".venv/installed", "-o", "data", "train", f"BIN={python.parent}", *variables]
    subprocess.run(command, cwd=root, check=True, env={"PATH": "/usr/bin:/bin", "RECORD": str(record)})
    return record.read_text().split("\0")[:-1]


def test_the_data_set_that_is_named(tmp_path: Path, root: Path) -> None:
    found = called(tmp_path, root, "DATA=r8", "MODEL=textcnn", "RESUME=1")
    assert found == [
        *("-m", "models.train", "--train", "data/raw/r8-train.tsv", "--test", "data/raw/r8-test.tsv"),
        *("--model", "textcnn", "--runner", "local", "--seed", "0", "--resume"),
        *("--output", "data/derived/r8/textcnn"),
    ]


@pytest.mark.parametrize("name", ["my/train.tsv", "a b/it's.csv", 'say "so".tsv', "$$HOME;x.tsv"])
def test_files_of_ones_own(tmp_path: Path, root: Path, name: str) -> None:
    found = called(tmp_path, root, f"TRAIN={name}", f"TEST=test {name}", "ARGS=--epochs 5 --candidates 'igm, tf-idf'")
    name = name.replace("$$", "$")
    assert found[2:6] == ["--train", name, "--test", f"test {name}"]
    place = found.index("--output")
    assert found[place + 1 :] == [
        f"data/derived/{name.replace('/', '-')}/linear",  # no name here has - or _
        *("--epochs", "5", "--candidates", "igm, tf-idf"),
    ]
    assert "--test" not in called(tmp_path, root, f"TRAIN={name}".replace("$", "$$"))


def test_two_files_have_two_models(tmp_path: Path, root: Path) -> None:
    names = ["a/train.tsv", "b/train.csv", "a/train.csv", "train.tsv", "a-train.tsv", "a_-train.tsv", "a/-train.tsv"]
    names += ["a-/train.tsv", "a_/train.tsv", "a/_train.tsv"]
    found = [called(tmp_path, root, f"TRAIN={name}") for name in names]
    outputs = {one[one.index("--output") + 1] for one in found}
    assert (
        len(outputs) == len(names) and {"data/derived/a-train.tsv/linear", "data/derived/a_-train.tsv/linear"} < outputs
    )


def test_a_file_that_is_missing_is_one_line(root: Path) -> None:
    command = ["make", "-o", ".venv/installed", "train", f"BIN={Path(sys.executable).parent}", "TRAIN=no such.tsv"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=env)
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("make"))  # which says where it stopped
    assert done.returncode == 2 and done.stdout == "" and line.startswith("train: no such.tsv: no such input file")

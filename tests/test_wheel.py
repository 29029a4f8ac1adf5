"""The wheel, by way of the source distribution, in a fresh environment: jobs without TensorFlow, and what they miss."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


def call(*command: object, cwd: Path, stdin: str = "", code: int = 0) -> str:
    """What a command says on stdout, or on stderr where it is to fail."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = list(map(str, command))
    done = subprocess.run(words, cwd=cwd, env=environment, input=stdin, capture_output=True, text=True)
    assert done.returncode == code, f"{words}: {done.stderr}"
    return done.stderr if code else done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what git tracks."""
    folder = tmp_path_factory.mktemp("wheel")
    call("git", "clone", "-q", ROOT, folder / "clone", cwd=folder)
    call(sys.executable, "-m", "venv", folder / "builder", cwd=folder)
    python = folder / "builder" / "bin" / "python"
    call(python, "-m", "pip", "install", "-q", "build", cwd=folder)
    call(python, "-m", "build", "--outdir", folder / "dist", folder / "clone", cwd=folder)
    (found,) = (folder / "dist").glob("*.whl")
    return found


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("fresh")
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    programs = folder / "venv" / "bin"
    call(programs / "python", "-m", "pip", "install", "-q", wheel, cwd=folder)
    return programs


def test_jobs_run_without_tensorflow(fresh: Path, tmp_path: Path) -> None:
    packages = call(fresh / "python", "-m", "pip", "list", cwd=tmp_path).lower()
    assert "mrjob" in packages and "tqdm" in packages
    assert not any(name in packages for name in ("tensorflow", "numpy", "keras"))
    found = call(fresh / "featuremill", "doctor", cwd=tmp_path)
    assert "ok      native library: built" in found
    for runner in ("inline", "local"):
        out = call(
            fresh / "featuremill", "wordcount", "-r", runner, "--tokenizer", "cjk", cwd=tmp_path, stdin="A b a\n"
        )
        assert out == "a\t2\nb\t1\n"
    (tmp_path / "train.tsv").write_text("pos\tgood film\nneg\tbad film\n")
    call(fresh / "featuremill", "vocabulary", "-q", "--output-dir", "words", "train.tsv", cwd=tmp_path)
    call(
        fresh / "featuremill",
        "encode",
        "-q",
        "--vocabulary",
        "words",
        "--output-dir",
        "shards",
        "train.tsv",
        cwd=tmp_path,
    )
    assert (tmp_path / "shards" / "_SUCCESS").exists()
    assert "20ng-train.tsv" in call(fresh / "featuremill", "fetch", "--list", cwd=tmp_path)


def test_a_job_of_the_users_own(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "lengths.py").write_text(
        "from mapreduce.job import Job\n\n\nclass Lengths(Job):\n    def mapper(self, _, line):\n"
        "        yield len(line), 1\n\n    def reducer(self, length, counts):\n        yield length, sum(counts)\n\n\n"
        "if __name__ == '__main__':\n    Lengths.run()\n"
    )
    assert call(fresh / "python", "lengths.py", "-r", "local", cwd=tmp_path, stdin="ab\nc\nd\n") == "1\t2\n2\t1\n"


def test_what_is_missing_is_named_with_the_line_to_type(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("pos\tgood film\nneg\tbad film\n")
    line = "tensorflow is not installed; run: pip install 'featuremill[models]'\n"
    train = ("train", "--train", "train.tsv", "--output", "model")
    assert call(fresh / "featuremill", *train, cwd=tmp_path, code=2) == f"train: {line}"
    assert call(fresh / "python", "-m", "models.train", *train[1:], cwd=tmp_path, code=2) == f"train: {line}"
    assert not (tmp_path / "model.work").exists()


def test_numpy_alone_reads_what_jobs_write(fresh: Path, wheel: Path, tmp_path: Path) -> None:
    call(fresh / "python", "-m", "pip", "install", "-q", f"{wheel}[predict]", cwd=tmp_path)
    (tmp_path / "train.tsv").write_text("pos\tgood film\nneg\tbad film\n")
    call(
        fresh / "featuremill",
        "encode",
        "-q",
        "--hash-buckets",
        "9",
        "--output-dir",
        "shards",
        "train.tsv",
        cwd=tmp_path,
    )
    program = (
        "from models import dataset; rows, y = dataset.to_numpy('shards', labels=['neg', 'pos']); print(sorted(y))"
    )
    assert "0" in call(fresh / "python", "-c", program, cwd=tmp_path)
    assert "tensorflow" not in call(fresh / "python", "-m", "pip", "list", cwd=tmp_path).lower()


def test_without_a_compiler_jobs_run_and_it_is_said(wheel: Path, tmp_path: Path) -> None:
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    programs = tmp_path / "venv" / "bin"
    (source,) = wheel.parent.glob("*.tar.gz")
    call("env", "CC=false", programs / "python", "-m", "pip", "install", "-q", source, cwd=tmp_path)
    assert "no native library (it was not built" in call(programs / "featuremill", "doctor", cwd=tmp_path)
    assert call(programs / "featuremill", "wordcount", cwd=tmp_path, stdin="b a b\n") == "a\t1\nb\t2\n"

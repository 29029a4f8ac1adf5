"""The installed command: its help, every job and command by name, and folders with packages of the same names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mapreduce import featuremill
from tests.conftest import ROOT

COMMAND = Path(sys.executable).with_name("featuremill")
NAMES = [name for commands in featuremill.groups().values() for name in commands]


def run(*arguments: object, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """What the command does in a folder; nothing of this checkout is on its path but what is installed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, text=True)


def test_help_fits_one_screen_and_names_everything(tmp_path: Path) -> None:
    done = run("--help", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) <= 40 and max(map(len, lines)) <= 80
    jobs = {path.stem for path in (ROOT / "jobs").glob("[!_]*.py")}
    named = {line.split()[0] for line in lines if line.startswith("  ")}
    assert named == set(NAMES) and jobs < named
    assert all(len(line.split()) > 2 for line in lines if line.startswith("  "))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_that_ends_in_a_line_to_paste(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = done.stdout.rstrip().splitlines()[-1].strip()
    assert f"featuremill {name} " in last and "usage: featuremill" in done.stdout
    assert "python -m" not in last and ".py" not in last.partition(">")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "usage: featuremill"),
        (["wordcuont"], "featuremill: no command 'wordcuont', perhaps wordcount"),
        (["train"], "featuremill train: the following arguments are required"),
        (["predict", "no-model"], "predict: no-model: no such model output"),
        (["fetch", "no-data"], "featuremill fetch: no-data: give one or more of"),
        (["wordcount", "no-file"], "wordcount: no-file: no such input file"),
        (["convert", "no-folder"], "convert: no-folder: no such file or folder"),
        (
            ["wordcount", "--tokeniser", "words"],
            "featuremill wordcount: unrecognized arguments: --tokeniser",
        ),
        (
            ["wordcount", "--ngrams", "x"],
            "featuremill wordcount: argument --ngrams: a number, a range",
        ),
        (
            ["wordcount", "--sort-memory", "much"],
            "featuremill wordcount: argument --sort-memory: a number",
        ),
        (["labelcount", "--max-rejected", "x"], "featuremill labelcount: argument --max-rejected: a count"),
        (["predict", "--all", "none", "--format", "text", "/dev/null"], "predict: none: no such model output"),
        (["predict", "none", "--all", "/dev/null"], "predict: none: no such model output"),
        (["predict", "/etc/passwd"], "predict: /etc/passwd: a file, and model output is a folder"),
        (["wordcount", "--output-dir", "x" * 300, "/dev/null"], "wordcount: "),
        (["tfrecord", "none", "/proc/x"], "tfrecord: none: no such encode output"),
        (
            ["convert", "/etc", "--output", "/proc/x/y"],
            "convert: /proc/x: no such file or directory",
        ),
        (["fetch", "r8", "--output", "/etc/passwd"], "fetch: /etc/passwd"),
    ],
)
def test_errors_are_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith(words)
    assert not arguments or done.stderr.count("\n") == 1


def test_a_folder_with_packages_of_the_same_names_does_not_matter(tmp_path: Path) -> None:
    for name in ("data", "jobs", "mapreduce", "models", "mrjob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')\n")
    (tmp_path / "train.tsv").write_text("".join(f"{'ab'[i % 2]}\t{'xy'[i % 2]} {i}\n" for i in range(40)))
    for runner in ("inline", "local"):
        done = run("wordcount", "-r", runner, cwd=tmp_path, stdin="b a b\n")
        assert (done.stdout, done.stderr) == ("a\t1\nb\t2\n", "")
    done = run("vocabulary", "-q", "--output-dir", "words", "train.tsv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        run("convert", "--separator", "tab", "train.tsv", cwd=tmp_path).stdout == (tmp_path / "train.tsv").read_text()
    )
    done = run(
        "train", "--train", "train.tsv", "--output", "model", "--candidates", "tf-idf", "--no-saved-model", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    done = run("predict", "model", cwd=tmp_path, stdin="x\ny\n")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["a", "b"], done.stderr


def test_steps_in_a_folder_here_are_gone_on_with_by_the_line_that_was_typed(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("a b a\n")
    (tmp_path / "fail.py").write_text(
        "import mapreduce.features.ranking as r\ndef rank(*_, **__):\n    raise r.UserError('no more')\nr.rank = rank\n"
        "import sys; sys.argv[0] = 'featuremill'\nfrom mapreduce.featuremill import main\nsys.exit(main())\n"
    )
    command = [sys.executable, "fail.py", "vocabulary", "--step-output-dir", "steps", "lines"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    again = "featuremill vocabulary --step-output-dir steps lines --resume"
    assert done.returncode == 2 and done.stderr.endswith(f"; to go on from them: {again}\n")
    done = run(*again.split()[1:], cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "a\t2\t1\nb\t1\t1\n"), done.stderr

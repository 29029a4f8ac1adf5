"""The README's commands run as they stand, in a copy of the tracked files; its links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def commands(kind: str) -> list[str]:
    """Command lines of the README's blocks that are marked `sh` or `sh train`."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in found for line in block.splitlines()]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks or is to track, with a small data set of a user's own."""
    folder = tmp_path_factory.mktemp("clone")
    files = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    for name in files.decode().split("\0")[:-1]:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time, or make would install the copy
    (folder / "my").mkdir()
    good, bad = "great fine superb good lovely".split(), "awful bad poor dull sad".split()
    lines = [
        f"{label}\t{words[i % 5]} {words[(i // 5) % 5]} film number {i}"
        for i in range(100)
        for label, words in (("pos", good), ("neg", bad))
    ]
    (folder / "my" / "train.tsv").write_text("\n".join(lines[:160]) + "\n")
    for name in ("test.tsv", "today.tsv"):
        (folder / "my" / name).write_text("\n".join(lines[160:]) + "\n")
    (folder / "lines.txt").write_text("a superb film\nsad and dull\n")
    if (ROOT / ".venv").exists():
        (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder


def run(command: str, folder: Path) -> str:
    """Runs one line in a shell with this Python first on the path; returns its stdout."""
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs the tests: a user's make has none above it
    env = {
        **{name: value for name, value in os.environ.items() if name not in outer},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
    }
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


# The commands of a block build on each other, so one test runs them in their order.


def test_commands(clone: Path) -> None:
    for command in commands("sh"):
        if not command.startswith("make"):
            run(command, clone)


@pytest.mark.slow
def test_own_data(clone: Path) -> None:
    train, predict = (c for c in commands("sh train") if "TRAIN=" in c or "derived/my-train" in c)
    out = run(train, clone)
    assert re.fullmatch(r"accuracy [01]\.\d{4}\n", out)
    assert float(out.split()[1]) > 0.9
    assert run(predict, clone).startswith("pos\t")


@pytest.mark.data
def test_commands_on_fetched_data(clone: Path) -> None:
    for command in commands("sh data"):
        run(command, clone)


@pytest.mark.data
@pytest.mark.parametrize("command", [c for c in commands("sh train") if "r8" in c or "mnist" in c])
def test_training_commands(command: str, clone: Path) -> None:
    out = run(command, clone)
    if "autoencoder" in command:
        assert out.startswith("reconstruction error") and float(out.split()[2]) < 0.02
    else:
        assert float(out.split()[1]) > 0.94


def test_links() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_target_of_make_has_help() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()  # type: ignore[union-attr]
    for target in set(targets) - {"help", "clean"}:
        assert re.search(rf"^## make {target}\b", makefile, re.MULTILINE), target

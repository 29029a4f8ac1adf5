"""docs/tables.md: its commands print what it says they do.

    python -m tests.test_tables_page

runs them, which takes fetched data and minutes, and writes their output anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "tables.md"
BLOCK = re.compile(r"^```console ([a-z ]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""What is run: a block that says of which table it is."""


def commands(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with the output that stands below it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, output = re.split(r"(?<!\\)\n", part, maxsplit=1)
        yield command, output


def run(command: str, folder: Path) -> str:
    """What a command prints in a folder that has the project's files."""
    if command.startswith("cat "):  # what a file holds is said by the page
        return (folder / command.split()[1]).read_text()
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())


def prepare(folder: Path) -> Path:
    """Makes a folder look like a clone whose data were fetched."""
    for name in ("jobs", "models", "mapreduce"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    for path in [*(ROOT / "data").glob("*.py"), ROOT / "data" / "raw"]:
        (folder / "data" / path.name).symlink_to(path)
    for _, block in BLOCK.findall(PAGE.read_text()):
        for command, output in commands(block):
            if command.startswith("cat "):
                (folder / command.split()[1]).write_text(output)
    return folder


def there(command: str) -> bool:
    """Whether the job of a command is."""
    job = re.match(r"python (jobs/\w+\.py)", command)
    return job is None or (ROOT / job[1]).exists()


def check(folder: Path, kind: str) -> int:
    """Runs the blocks of a kind; returns how many commands there were."""
    number = 0
    for named, block in BLOCK.findall(PAGE.read_text()):
        if named.partition(" ")[0] == kind:
            for command, output in filter(lambda pair: there(pair[0]), commands(block)):
                found = run(command, folder)
                if "train" in named:  # weights, and so errors, depend on the machine's arithmetic
                    assert shape(found) == shape(output), f"{command}\n{found}"
                    for one, other in zip(numbers(found), numbers(output)):
                        assert one == pytest.approx(other, rel=0.15, abs=8), f"{command}\n{found}"
                else:
                    assert found == output, command
                number += 1
    return number


def shape(text: str) -> str:
    return re.sub(r"-?\d+(\.\d+)?", "0", text)


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?\d+\.\d+", text)]


def test_commands_on_the_table_of_the_page(tmp_path: Path) -> None:
    assert check(prepare(tmp_path), "items") >= 6


@pytest.mark.data
def test_commands_on_the_flights(tmp_path: Path) -> None:
    assert check(prepare(tmp_path), "flights") >= 10
    drawn = (tmp_path / "data" / "derived" / "flights.svg").read_text()
    assert all(f">{name}</text>" in drawn for name in ("dep_delay", "carrier", "time_hour"))


def write() -> None:
    """Writes the output of the commands into the page."""
    with tempfile.TemporaryDirectory() as folder:
        place = prepare(Path(folder))

        def written(found: re.Match[str]) -> str:
            lines = (
                f"$ {command}\n{run(command, place) if there(command) else output}"
                for command, output in commands(found[2])
            )
            return f"```console {found[1]}\n{''.join(lines)}```"

        replace: Callable[[re.Match[str]], str] = written
        PAGE.write_text(BLOCK.sub(replace, PAGE.read_text()))


if __name__ == "__main__":
    write()

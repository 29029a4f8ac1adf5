"""What happens when things are killed: tasks, the driver, and the user's patience."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")

# Counts words, slowly enough to be killed on the way; each process writes down its id.
SCRIPT = """
import os, time
from mapreduce.job import Job

class Slow(Job):
    def mapper_init(self):
        open(os.environ["PIDS"] + "/" + str(os.getpid()), "w").close()

    def mapper(self, _, line):
        time.sleep(0.002)
        for word in line.split():
            yield word, 1

    def reducer_init(self):
        open(os.environ["PIDS"] + "/" + str(os.getpid()), "w").close()

    def reducer(self, key, values):
        time.sleep(0.001)
        yield key, sum(values)

if __name__ == "__main__":
    Slow.run()
"""
TEXT = b"".join(b"word%d again%d\n" % (i, i % 7) for i in range(150))


class Started:
    """A run of the job, whose children can be found and killed."""

    def __init__(self, folder: Path, root: Path, *arguments: str) -> None:
        self.pids, script = folder / "pids", folder / "slow.py"
        self.pids.mkdir(exist_ok=True)
        script.write_text(SCRIPT)
        (folder / "input").write_bytes(TEXT)
        self.output = folder / "out"
        self.driver = subprocess.Popen(
            [
                *(sys.executable, str(script), "-r", "local", "--num-cores", "2", "--jobconf", "mapreduce.job.maps=2"),
                *("--jobconf", "mapreduce.job.reduces=2", "--output-dir", str(self.output), *arguments),
                str(folder / "input"),
            ],
            env={**os.environ, "PIDS": str(self.pids), "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def children(self) -> list[int]:
        """Tasks that have begun and are still alive."""
        return [pid for pid in map(int, os.listdir(self.pids)) if is_alive(pid)]

    def wait_for_children(self) -> None:
        until = time.monotonic() + 20
        while not self.children() and self.driver.poll() is None and time.monotonic() < until:
            time.sleep(0.002)

    def finish(self) -> tuple[int, str]:
        _, err = self.driver.communicate(timeout=60)
        return self.driver.returncode, err.decode()

    def parts(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self.output.glob("part-*"))}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_gone(pids: list[int], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(is_alive, pids))


@pytest.fixture
def start(tmp_path: Path, root: Path) -> Iterator[Callable[..., Started]]:
    runs = []

    def begin(*arguments: str) -> Started:
        runs.append(Started(tmp_path, root, *arguments))
        return runs[-1]

    yield begin
    for run in runs:
        run.driver.kill()
        run.driver.communicate()


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.glob("out*"))


def kill_tasks(start: Callable[..., Started], tmp_path: Path, times: int) -> None:
    whole = start()
    assert whole.finish()[0] == 0
    expected = whole.parts()
    draw = random.Random(1)
    killed = 0
    while killed < times:
        subprocess.run(["rm", "-r", str(whole.output), str(whole.pids)], check=True)
        run = start("--jobconf", "mapreduce.map.maxattempts=40", "--jobconf", "mapreduce.reduce.maxattempts=40")
        for _ in range(4):
            time.sleep(draw.random() * 0.3)
            for pid in run.children()[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        code, err = run.finish()
        assert code == 0, err
        assert run.parts() == expected
        assert left_over(tmp_path) == ["out"]


def test_killed_tasks_are_run_again(start: Callable[..., Started], tmp_path: Path) -> None:
    kill_tasks(start, tmp_path, 4)


@pytest.mark.slow
def test_fifty_killed_tasks(start: Callable[..., Started], tmp_path: Path) -> None:
    kill_tasks(start, tmp_path, 50)


def kill_driver(start: Callable[..., Started], tmp_path: Path, times: int) -> None:
    whole = start()
    assert whole.finish()[0] == 0
    expected = whole.parts()
    draw = random.Random(2)
    for _ in range(times):
        subprocess.run(["rm", "-rf", str(whole.output), str(whole.pids)], check=True)
        run = start()
        run.wait_for_children()
        time.sleep(draw.random() * 0.8)
        children = run.children()
        run.driver.kill()
        run.finish()
        assert is_gone(children, 5)
        assert not run.output.exists() or run.parts() == expected  # it was done before
    subprocess.run(["rm", "-rf", str(whole.output), str(whole.pids)], check=True)
    last = start()
    code, err = last.finish()
    assert code == 0, err
    assert last.parts() == expected
    assert left_over(tmp_path) == ["out"]


def test_a_killed_driver_leaves_no_output_and_takes_its_children(start: Callable[..., Started], tmp_path: Path) -> None:
    kill_driver(start, tmp_path, 2)


@pytest.mark.slow
def test_twenty_killed_drivers(start: Callable[..., Started], tmp_path: Path) -> None:
    kill_driver(start, tmp_path, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_cleans_up_within_two_seconds(
    start: Callable[..., Started], tmp_path: Path, number: signal.Signals
) -> None:
    run = start()
    run.wait_for_children()
    children = run.children()
    assert children
    began = time.monotonic()
    run.driver.send_signal(number)
    code, err = run.finish()
    assert time.monotonic() - began < 2
    assert code == 130
    assert err == "Slow: interrupted; nothing was written\n"
    assert not any(map(is_alive, children))
    assert left_over(tmp_path) == []


def test_a_running_drivers_folder_is_left_alone(start: Callable[..., Started], tmp_path: Path, root: Path) -> None:
    first = start()
    first.wait_for_children()
    (tmp_path / "out._temporary.0123456789abcdef").mkdir(0o700)
    second = start()  # to the same output: the one that is done first wins
    codes = sorted([first.finish()[0], second.finish()[0]])
    assert codes == [0, 2]
    assert left_over(tmp_path) == ["out"]

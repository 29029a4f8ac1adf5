"""Progress: a bar on a terminal, plain lines elsewhere, nothing with -q; never on stdout."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mapreduce import progress

SLOW = """
import time
from mapreduce.job import Job


class Slow(Job):
    def mapper(self, _, line):
        time.sleep(0.006)
        yield len(line), 1

    def reducer(self, key, values):
        yield key, sum(values)


if __name__ == "__main__":
    Slow.run()
"""


@pytest.fixture
def command(tmp_path: Path, root: Path) -> list[str]:
    """A job of two tasks that takes some two seconds over 8 MB."""
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "lines").write_bytes((b"x" * 9_999 + b"\n") * 800)
    return [sys.executable, str(tmp_path / "slow.py"), "-r", "local", str(tmp_path / "lines")]


def on_a_terminal(command: list[str], root: Path) -> bytes:
    """What a command writes to a terminal on its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {**os.environ, "PYTHONPATH": str(root)}
    job = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert job.wait() == 0, shown.decode()
    return shown


def test_a_bar_on_a_terminal(command: list[str], root: Path) -> None:
    shown = on_a_terminal(command, root).decode()
    bars = [bar for bar in shown.split("\r") if "slow map" in bar]
    assert any("%|" in bar and "B/s" in bar and "<" in bar for bar in bars), shown
    assert any("/8.00M" in bar for bar in bars)


def test_quiet(command: list[str], root: Path) -> None:
    assert on_a_terminal([*command, "-q"], root) == b""


def test_lines_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.Progress("count map", 100_000_000) as shown:
        for _ in range(10):
            now += 2.0
            shown.update(10_000_000)
    out, lines = capsys.readouterr()
    assert out == ""
    assert lines.splitlines() == [
        "count map: 30 %, 5.0 MB/s, 14 s left",
        "count map: 60 %, 5.0 MB/s, 8 s left",
        "count map: 90 %, 5.0 MB/s, 2 s left",
    ]


def test_nothing_of_what_is_soon_over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.Progress("count map", 100) as shown:
        shown.update(100)
    assert capsys.readouterr() == ("", "")


def test_work_whose_size_is_not_known(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    with progress.Progress("predict", None, unit="records") as shown:
        shown.update(20)
        shown.update(5)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("predict: 20 records, ") and first.endswith(" records/s")
    assert second.startswith("predict: 25 records, ")

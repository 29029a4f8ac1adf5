"""When something goes wrong: a whole output or none, one line on why, nothing left, and a second run works.

Each test provokes a fault of the machine: a disk that is full or read-only, input that vanishes, changes or may not be
read, a driver that is killed. Faults of tasks are in tests/mapreduce/local/test_faults.py.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapreduce.output import manifest
from tests.conftest import ROOT

pytestmark = pytest.mark.faults
RUNNERS = pytest.mark.parametrize("runner", ["inline", "local"])
WITHOUT_POWERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.getuid() == 0 else []
"""Before a command: root reads what it may not read otherwise."""

MEDDLER = """
import os
from mapreduce.textjob import TextJob
from mapreduce.shuffle.sums import add

class Meddler(TextJob):
    "Counts words; on its first block it does to a file what the environment says."
    def map_blocks(self, blocks):
        victim = os.environ["VICTIM"]
        for block in blocks:
            if os.environ["DOES"] == "remove" and os.path.exists(victim):
                os.remove(victim)
            elif os.environ["DOES"] == "append":
                with open(victim, "ab") as file:
                    file.write(b"more words")
            elif os.environ["DOES"] == "cut":
                os.truncate(victim, 10)
            yield b"".join(b"%s\\t1\\n" % word for word in block.split())
    combiner = reducer = add

if __name__ == "__main__":
    Meddler.run()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


@pytest.fixture
def words(folder: Path) -> Path:
    """8 MB of words, each its own."""
    chance = random.Random(1)
    path = folder / "words.txt"
    path.write_text("".join(f"{chance.getrandbits(80):020x} {i}\n" for i in range(300_000)))
    return path


def run(script: str | Path, *flags: object, **more: Any) -> subprocess.CompletedProcess[bytes]:
    path = ROOT / "jobs" / f"{script}.py" if isinstance(script, str) else script
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more.pop("env", {})}
    command = [*more.pop("under", []), sys.executable, path, *map(str, flags)]
    return subprocess.run(command, capture_output=True, env=environment, **more)


def refused(done: subprocess.CompletedProcess[bytes], words: str, code: int = 2) -> None:
    """One line on stderr, that says why."""
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert words in said and len(said.splitlines()) == 1 and "Traceback" not in said, said
    assert done.stdout == b""


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=777", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@RUNNERS
def test_a_full_disk(runner: str, words: Path, small_disk: Path) -> None:
    refused(run("wordcount", "-r", runner, "--output-dir", small_disk / "out", words), "No space left on device")
    assert list(small_disk.iterdir()) == []
    refused(run("wordcount", "-r", runner, words, env={"TMPDIR": str(small_disk)}), "No space left on device")
    assert all(path.is_dir() and not list(path.iterdir()) for path in small_disk.iterdir())


def test_a_disk_that_is_full_at_the_last_byte(folder: Path, small_disk: Path) -> None:
    """What is left is too little for the parts or for the manifest, whichever comes first."""
    (folder / "x.txt").write_text("".join(f"word{i}\n" for i in range(20_000)))
    whole = run("wordcount", "--output-dir", folder / "out", folder / "x.txt")
    assert whole.returncode == 0
    free = 3 << 20
    for left in range(0, 600_000, 60_000):
        (small_disk / "filling").write_bytes(b"x" * (free - left))
        done = run("wordcount", "--output-dir", small_disk / "out", folder / "x.txt")
        if done.returncode:
            refused(done, "No space left on device")
            assert [path.name for path in small_disk.iterdir()] == ["filling"], left
        else:
            assert manifest.read(small_disk / "out")["parts"] == manifest.read(folder / "out")["parts"]
            shutil.rmtree(small_disk / "out")
        (small_disk / "filling").unlink()


@RUNNERS
def test_files_may_grow_no_more(runner: str, words: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    out = words.parent / "out"
    refused(run("wordcount", "-r", runner, "--output-dir", out, words, preexec_fn=limit), "File too large")
    assert sorted(path.name for path in words.parent.iterdir()) == ["words.txt"]


@RUNNERS
def test_a_read_only_output(runner: str, folder: Path, small_disk: Path) -> None:
    (folder / "x.txt").write_text("a\n")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    flags = ["-r", runner, "--output-dir", small_disk / "out", folder / "x.txt"]
    refused(run("wordcount", *flags), "cannot be written")
    refused(run("wordcount", "--manifest", small_disk / "m", folder / "x.txt"), "cannot be written")
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert run("wordcount", *flags).returncode == 0


@RUNNERS
@pytest.mark.parametrize("what", ["input", "output"])
def test_permission_denied(what: str, runner: str, folder: Path) -> None:
    (folder / "x.txt").write_text("a\n")
    (folder / "closed").mkdir(mode=0o755)
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    if what == "input":
        (folder / "x.txt").chmod(0)
    closed = folder / "closed"
    closed.chmod(0o555)
    out = (closed if what == "output" else folder / "open") / "out"
    if WITHOUT_POWERS and subprocess.run([*WITHOUT_POWERS, "true"], check=False).returncode:
        pytest.skip("root cannot be kept from reading here")
    done = run("wordcount", "-r", runner, "--output-dir", out, folder / "x.txt", under=WITHOUT_POWERS)
    refused(done, "x.txt: cannot be read: Permission denied" if what == "input" else "not a folder that you may write")
    assert not list(closed.iterdir()) and not list((folder / "open").iterdir())
    closed.chmod(0o755)


@RUNNERS
@pytest.mark.parametrize(("does", "says"), [("remove", "cannot be read"), ("append", "changed"), ("cut", "changed")])
def test_input_that_vanishes_or_changes(does: str, says: str, runner: str, folder: Path) -> None:
    script, first, victim = folder / "meddler.py", folder / "a.txt", folder / "b.txt"
    script.write_text(MEDDLER)
    first.write_text("a b\n")
    victim.write_text("a line\n" * 10)
    flags = ["-r", runner, "--num-cores", 1, "--output-dir", folder / "out"]
    done = run(script, *flags, first, victim, env={"VICTIM": str(victim), "DOES": does})
    refused(done, f"b.txt: {says}")
    assert sorted(p.name for p in folder.iterdir() if p != victim) == ["a.txt", "meddler.py"]
    victim.write_text("a line\n")
    assert run(script, *flags, first, victim, env={"VICTIM": str(victim), "DOES": ""}).returncode == 0
    assert (folder / "out" / "part-00000").read_bytes() == b"a\t2\nb\t1\nline\t1\n"


def test_damaged_archives(folder: Path) -> None:
    for suffix in ("gz", "bz2", "xz"):
        path = folder / f"x.txt.{suffix}"
        path.write_bytes(b"\x1f\x8bno archive")
        done = run("wordcount", "-r", "local", "--output-dir", folder / "out", path)
        refused(done, f"x.txt.{suffix}")
        assert not (folder / "out").exists()


@RUNNERS
def test_killed_drivers(runner: str, words: Path) -> None:
    """Killed at any moment, the output is there whole or not at all, and the next run clears up and succeeds."""
    out = words.parent / "out"
    flags = ["-r", runner, "--output-dir", str(out), str(words)]
    started = time.monotonic()
    assert run("wordcount", *flags).returncode == 0
    takes = time.monotonic() - started
    expected = manifest.read(out)["parts"]
    shutil.rmtree(out)
    for number in range(8):
        driver = subprocess.Popen([sys.executable, str(ROOT / "jobs" / "wordcount.py"), *flags])
        time.sleep(takes * (number + 1) / 8)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        if out.exists():
            assert manifest.read(out)["parts"] == expected
            shutil.rmtree(out)
    done = run("wordcount", *flags)
    assert done.returncode == 0, done.stderr.decode()
    assert manifest.read(out)["parts"] == expected
    assert sorted(path.name for path in words.parent.iterdir()) == ["out", "words.txt"]

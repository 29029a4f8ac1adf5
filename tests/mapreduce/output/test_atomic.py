"""The one writer of files and folders: all of it or nothing, whatever ends the writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mapreduce.output import atomic
from tests.conftest import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic.whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new" and names(tmp_path) == ["file"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with pytest.raises(KeyboardInterrupt), atomic.whole_file(tmp_path / "file") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    with pytest.raises(ValueError), atomic.whole_folder(tmp_path / "folder") as folder:
        (Path(folder) / "half").touch()
        raise ValueError
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path / "folder") == ["old"] and names(tmp_path) == ["file", "folder"]


def test_a_folder_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    for number in (1, 2):
        with atomic.whole_folder(tmp_path / "folder") as folder:
            (Path(folder) / "deep").mkdir()
            (Path(folder) / "deep" / str(number)).write_text("x")
    assert names(tmp_path / "folder" / "deep") == ["2"] and names(tmp_path) == ["folder"]


def test_a_link_is_followed_and_a_device_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    atomic.write(tmp_path / "link", b"through")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"through"
    atomic.write("/dev/null", b"away")
    assert not os.path.isfile("/dev/null")


KILLED = """
    import os, signal
    from mapreduce.output import atomic

    published = atomic.publish
    rename = os.rename

    def first_only(old, new):
        rename(old, new)
        if {between} and new.endswith("old"):
            os.kill(os.getpid(), signal.SIGKILL)  # the old one is taken away, the new one not there yet

    os.rename = first_only
    with {how} as place:
        if not {between}:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("between", [False, True])
def test_a_killed_writer_leaves_nothing_behind_the_next_one(between: bool, tmp_path: Path) -> None:
    with atomic.whole_folder(tmp_path / "folder") as folder:
        (Path(folder) / "old").touch()
    atomic.write(tmp_path / "file", b"old")
    writers = [f"atomic.whole_folder({str(tmp_path / 'folder')!r})"]
    writers += [] if between else [f"atomic.whole_file({str(tmp_path / 'file')!r})"]
    for how in writers:
        program = textwrap.dedent(KILLED).format(how=how, between=between)
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT)
        assert done.returncode == -signal.SIGKILL
    assert any(atomic.MARK in name for name in names(tmp_path))
    with pytest.raises(RuntimeError), atomic.whole_folder(tmp_path / "folder"):
        assert names(tmp_path / "folder") == ["old"]  # it is back where it was taken away
        raise RuntimeError
    atomic.write(tmp_path / "file", b"new")
    assert names(tmp_path) == ["file", "folder"] and names(tmp_path / "folder") == ["old"]


def test_what_is_written_is_private_and_the_rest_is_nobodys_to_remove(tmp_path: Path) -> None:
    theirs = ["out._temporary.mine", "out._temporary.0123456789abcdef", "out._temporary.old.7", "out._temporary.1"]
    for name in theirs:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis").touch()
    (tmp_path / "out._temporary.fedcba9876543210").mkdir(0o700)
    (tmp_path / "out._temporary.fedcba9876543210" / "thesis").touch()
    os.mkfifo(tmp_path / "out._temporary.00000000000000ff")  # to open it would block
    (tmp_path / "out._temporary.00000000000000fe").touch()
    before = names(tmp_path)
    with atomic.whole_folder(tmp_path / "out") as folder:
        mode = os.stat(os.path.dirname(folder)).st_mode & 0o777
        assert mode == 0o700 and os.path.dirname(folder) != f"{tmp_path}/out{atomic.MARK}{os.getpid()}"
        os.mkfifo(os.path.join(folder, "pipe"))
        os.symlink("nowhere", os.path.join(folder, "link"))
    atomic.write(tmp_path / "out" / "file", b"")
    assert names(tmp_path) == sorted([*before, "out"]) and names(tmp_path / "out") == ["file", "link", "pipe"]


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    program = "import sys\nfrom mapreduce.output import atomic\nwith atomic.whole_folder(sys.argv[1]) as f:\n"
    program += " print(f, flush=True)\n sys.stdin.read()\n open(f + '/theirs', 'w').close()\n"
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", program, str(tmp_path / "folder")]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT) as other:
        assert other.stdout is not None and other.stdin is not None
        theirs = other.stdout.readline().decode().strip()
        with atomic.whole_folder(tmp_path / "folder") as folder:
            (Path(folder) / "ours").touch()
        assert names(tmp_path / "folder") == ["ours"] and os.path.isdir(theirs)
        other.stdin.close()
        assert other.wait() == 0
    assert names(tmp_path / "folder") == ["theirs"] and names(tmp_path) == ["folder"]


@pytest.mark.parametrize("name", ["n" * 255, "\u00e9" * 127, "a\nb", " ", "*", "-", "\udcff", "~", "{a,b}"])
def test_any_name_can_be_written(name: str, tmp_path: Path) -> None:
    for _ in range(2):
        with atomic.whole_folder(tmp_path / "folders" / name) as folder:
            (Path(folder) / "file").touch()
        atomic.write(tmp_path / name, b"x")
    assert names(tmp_path) == sorted([name, "folders"]) and names(tmp_path / "folders") == [name]


RACE = """
import sys
from mapreduce.output import atomic
for _ in range(400):
    with atomic.beside(sys.argv[1]) as folder:
        open(folder + "/spill", "w").close()
    atomic.write(sys.argv[1], b"whole")
"""


@pytest.mark.slow
def test_eight_writers_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "file")]
    writers = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(8)]
    said = [writer.communicate()[1] for writer in writers]
    assert said == [b""] * 8 and [writer.returncode for writer in writers] == [0] * 8
    assert names(tmp_path) == ["file"] and (tmp_path / "file").read_bytes() == b"whole"


def test_nothing_else_writes_and_renames() -> None:
    """Where a file is renamed into its place, it is done here; a part of an attempt is none yet."""
    found = []
    for room in ("data", "jobs", "mapreduce", "models"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            if any(word in text for word in ("os.rename(", "os.replace(", ".rename(", "shutil.move(")):
                found.append(path.relative_to(ROOT).as_posix())
    assert sorted(found) == [
        "mapreduce/cluster/spark.py",  # the parts that Spark has written
        "mapreduce/cluster/spark_driver.py",  # the same, where Spark has its files
        "mapreduce/output/atomic.py",
        "mapreduce/output/committer.py",  # a part, within the folder of its job
        "mapreduce/shuffle/spill.py",  # a run, within the folder of its attempt
    ]

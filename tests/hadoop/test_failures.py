"""Every way to fail that the README's table names, provoked: one line that says cause and remedy, and nothing left."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.hadoop import cluster as practice
from tests.hadoop.conftest import IN_CLIENT, Hadoop, find_python

IN_CLIENT_ONCE = (*IN_CLIENT, "--jobconf", "mapreduce.map.maxattempts=1")
ONCE = ("--jobconf", "mapreduce.map.maxattempts=1", "--jobconf", "mapreduce.job.reduces=1")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a user's job whose record on line 2 is trouble."""
    shutil.copy(ROOT / "tests/hadoop/own_job.py", tmp_path / "shout.py")
    (tmp_path / "beside.py").write_text("def shout(word):\n    return word.upper() + '!'\n")
    (tmp_path / "input.txt").write_text("fine\ntrouble here\nfine\n")
    return tmp_path


def fail(folder: Path, *arguments: object, code: int = 1) -> tuple[str, str]:
    """Runs the job, which has to fail; returns all of its stderr and the last line."""
    command = [sys.executable, "shout.py", "-r", "hadoop", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("where", [ONCE, IN_CLIENT_ONCE], ids=["on YARN", "in the client"])
def test_traceback_file_and_record(where: tuple[str, ...], own: Path, hadoop: Hadoop) -> None:
    out = f"hdfs:///out/failed-{own.name}"
    words, last = fail(own, *where, "--fail", "raise", "--output-dir", out, "input.txt")
    assert 'in trouble\n    raise ValueError("no good: 42")' in words
    for part in ("ValueError: no good: 42", "input.txt, line 2", "'trouble here'", "-r inline"):
        assert part in last
    assert "PipeMapRed" not in words
    assert hadoop("fs", "-ls", out, check=False).returncode  # no output that looks whole
    assert "mapreduce.shout" not in hadoop("fs", "-ls", "/tmp").stdout
    job = re.search(r"job_\w+", last)
    assert job and job[0] not in hadoop("fs", "-ls", "/tmp/hadoop-yarn/staging/*/.staging", check=False).stdout


def test_a_record_in_a_block(tmp_path: Path, cluster: Path) -> None:
    """The line is found inside the block that a job of blocks failed on."""
    (tmp_path / "shout.py").write_text(
        "from mapreduce.job import Job\n\n\nclass Blocks(Job):\n    def map_blocks(self, blocks):\n"
        "        for block in blocks:\n            for line in block.splitlines():\n"
        "                yield b'%d\\t1\\n' % int(line)\n\n\nif __name__ == '__main__':\n    Blocks.run()\n"
    )
    (tmp_path / "input.txt").write_text("1\n" * 900 + "x\n" + "2\n" * 900)
    _, last = fail(tmp_path, *IN_CLIENT_ONCE, "input.txt")
    assert "ValueError: invalid literal" in last and "line 901: 'x'" in last


def test_a_carriage_return_in_the_output(tmp_path: Path, cluster: Path) -> None:
    """Hadoop streaming would cut the line there, without a word."""
    (tmp_path / "shout.py").write_text(
        "from mapreduce.job import Job\n\n\nclass Copy(Job):\n    def map_blocks(self, blocks):\n"
        "        for block in blocks:\n            yield b'k\\t' + block\n\n\n"
        "if __name__ == '__main__':\n    Copy.run()\n"
    )
    (tmp_path / "input.txt").write_bytes(b"a\rb\n")
    _, last = fail(tmp_path, *IN_CLIENT_ONCE, "input.txt")
    assert "carriage return" in last and "JSON" in last


def test_an_import_error_on_the_node(own: Path, cluster: Path) -> None:
    words, last = fail(own, *IN_CLIENT_ONCE, "--fail", "import", "input.txt")
    assert "Traceback" in words
    assert "No module named 'not_on_the_node'" in last and "beside the script" in last


def test_no_python_on_the_nodes(own: Path, cluster: Path) -> None:
    _, last = fail(own, *IN_CLIENT_ONCE, "--task-python-bin", "python3.99", "input.txt")
    assert "there is no python3.99 on node" in last and "--task-python-bin" in last


def test_an_old_python_on_the_nodes(own: Path, cluster: Path) -> None:
    old = find_python("3.8", "3.7", "3.6", "2.7")
    _, last = fail(own, *IN_CLIENT_ONCE, "--task-python-bin", old, "input.txt")
    assert "is Python 3." in last or "is Python 2." in last
    assert "3.9 or later" in last


def test_killed_by_a_signal(own: Path, cluster: Path) -> None:
    _, last = fail(own, *IN_CLIENT_ONCE, "--fail", "kill", "input.txt")
    assert "137" in last and "mapreduce.map.memory.mb" in last


def test_memory_silence_and_work_without_a_word(own: Path, cluster: Path) -> None:
    """Three jobs at once, because they wait: one is killed for memory, one for hanging, and one that says after 30 s
    that it is alive sleeps for 45 where 40 are allowed, and is not killed."""
    settings = {
        "memory": "mapreduce.map.maxattempts=1",
        "hang": "mapreduce.task.timeout=15000",
        "sleep": "mapreduce.task.timeout=40000",
    }
    jobs = {
        kind: subprocess.Popen(
            [sys.executable, "shout.py", "-r", "hadoop", *ONCE, "--jobconf", setting, "--fail", kind, "input.txt"],
            cwd=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for kind, setting in settings.items()
    }
    said = {kind: job.communicate(timeout=300) for kind, job in jobs.items()}
    last = {kind: words.strip().splitlines()[-1] for kind, (_, words) in said.items()}
    assert {kind: job.returncode for kind, job in jobs.items()} == {"memory": 1, "hang": 1, "sleep": 0}, last
    assert "more memory than its container has" in last["memory"]
    assert "mapreduce.map.memory.mb=2048" in last["memory"]
    assert "mapreduce.task.timeout" in last["hang"]
    assert said["memory"][0] == said["hang"][0] == ""
    assert said["sleep"][0] == '"FINE!"\t2\n"HERE!"\t1\n"TROUBLE!"\t1\n'


def test_a_native_library_of_another_architecture(own: Path, cluster: Path, run_job: Run) -> None:
    """Is no failure: plain Python does the work, with the same output."""
    (own / "_native.so").write_bytes(b"\x7fELF of another machine")
    flags = ("-r", "hadoop", *IN_CLIENT, "--files", own / "_native.so", own / "input.txt")
    assert run_job("wordcount", *flags).stdout == b"fine\t2\nhere\t1\ntrouble\t1\n"


def test_an_xz_file(own: Path, cluster: Path) -> None:
    (own / "input.txt.xz").write_bytes(b"")
    _, last = fail(own, "input.txt.xz", code=2)
    assert "xz" in last and "gz" in last


def test_missing_input_and_existing_output(own: Path, cluster: Path) -> None:
    assert "hdfs:///nowhere: no such input" in fail(own, "hdfs:///nowhere", code=2)[1]
    assert "nowhere.txt: no such input file" in fail(own, "nowhere.txt", code=2)[1]
    assert "output already exists" in fail(own, "--output-dir", "hdfs:///tmp", "input.txt", code=2)[1]
    assert "output already exists" in fail(own, "--output-dir", own, "input.txt", code=2)[1]


def test_no_hadoop_and_no_streaming_jar(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL", "HADOOP_MAPRED_HOME"):
        monkeypatch.delenv(name, raising=False)
    folders = [path for path in os.environ["PATH"].split(":") if not os.access(f"{path}/hadoop", os.X_OK)]
    monkeypatch.setenv("PATH", ":".join(folders))
    last = fail(own, "input.txt", code=2)[1]
    assert "HADOOP_HOME is not set" in last and "make hadoop-up" in last
    (own / "bin").mkdir()
    (own / "bin/hadoop").write_text("#!/bin/sh\n")
    (own / "bin/hadoop").chmod(0o755)
    monkeypatch.setenv("HADOOP_HOME", str(own))
    last = fail(own, "input.txt", code=2)[1]
    assert "no hadoop-streaming jar" in last and "--hadoop-streaming-jar" in last


def test_a_compressed_file_that_is_cut_off(own: Path, hadoop: Hadoop) -> None:
    data = gzip.compress(bytes(i * i % 251 for i in range(100_000)))
    (own / "cut.txt.gz").write_bytes(data[: len(data) // 2])
    hadoop("fs", "-put", "-f", own / "cut.txt.gz", "/cut.txt.gz")
    _, last = fail(own, *IN_CLIENT_ONCE, "hdfs:///cut.txt.gz")
    assert "Unexpected end of input stream; a compressed input is cut off" in last


def test_a_quota_that_is_spent(own: Path, hadoop: Hadoop) -> None:
    hadoop("fs", "-mkdir", "-p", "/out/quota")
    hadoop("dfsadmin", "-setSpaceQuota", "1", "/out/quota")
    try:
        _, last = fail(own, *IN_CLIENT_ONCE, "--output-dir", "hdfs:///out/quota/out", "input.txt")
    finally:
        hadoop("dfsadmin", "-clrSpaceQuota", "/out/quota")
    assert "The DiskSpace quota of /out/quota is exceeded; remove files there" in last


def test_a_queue_that_is_not_there(own: Path, cluster: Path) -> None:
    _, last = fail(own, "--jobconf", "mapreduce.job.queuename=none", "input.txt", code=2)
    assert "to unknown queue: none; name one that there is" in last


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--jobconf", "mapreduce.job.reduces=0"), "mapreduce.job.reduces is a whole number from 1"),
        (("--jobconf", "mapreduce.output.fileoutputformat.compress=true"), "parts are plain; leave it out"),
    ],
)
def test_what_would_lose_records_is_refused(flags: tuple[str, ...], said: str, own: Path, cluster: Path) -> None:
    assert said in fail(own, *flags, "input.txt", code=2)[1]


def test_an_input_format_with_keys_is_refused(own: Path, cluster: Path) -> None:
    script = own / "shout.py"
    name = "org.apache.hadoop.mapred.SequenceFileAsTextInputFormat"
    script.write_text(
        script.read_text().replace("class Shout(Job):", f'class Shout(Job):\n    HADOOP_INPUT_FORMAT = "{name}"\n', 1)
    )
    assert f"{name}: tasks would take its keys for text" in fail(own, "input.txt", code=2)[1]


def test_safe_mode(own: Path, hadoop: Hadoop) -> None:
    hadoop("dfsadmin", "-safemode", "enter")
    try:
        last = fail(own, "input.txt", code=2)[1]
    finally:
        hadoop("dfsadmin", "-safemode", "leave")
    assert "safe mode" in last and "dfsadmin -safemode leave" in last


@pytest.fixture
def without_yarn(cluster: Path) -> Iterator[None]:
    """The cluster while its ResourceManager is away."""
    found = practice.pid("resourcemanager")
    assert found
    os.kill(found, signal.SIGKILL)
    yield
    subprocess.run([sys.executable, practice.HERE / "cluster.py", "up"], check=True)


def test_yarn_does_not_answer(own: Path, without_yarn: None) -> None:
    started = time.monotonic()
    last = fail(own, "input.txt", code=2)[1]
    assert "does not answer" in last and "ResourceManager" in last
    assert time.monotonic() - started < 90


def test_hdfs_does_not_answer(own: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = own / "conf"
    conf.mkdir()
    for path in (cluster / "conf").glob("*.*"):
        (conf / path.name).write_text(path.read_text().replace(f":{practice.PORT}<", ":1<"))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(conf))
    last = fail(own, "hdfs:///x", code=2)[1]
    assert "127.0.0.1:1 does not answer" in last or "localhost:1 does not answer" in last

"""What the driver makes of Hadoop's words and the tasks' logs; the runs behind these words are in tests/hadoop."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path

import pytest

from mapreduce.cluster import archive, failures, node
from mapreduce.cluster.hadoop_client import Client, parts, user_counters
from mapreduce.cluster.hdfs import cause, find_hadoop, name_here, name_there
from mapreduce.cluster.remote import is_input
from mapreduce.errors import UserError

WORDS = """\
26/11/21 13:52:01 INFO mapreduce.Job: The url to track the job: http://localhost:19826/proxy/application_17_0001/
26/11/21 13:52:02 INFO impl.YarnClientImpl: Submitted application application_17_0001
26/11/21 13:52:02 INFO mapreduce.Job: Running job: job_17_0001
26/11/21 13:52:09 INFO mapreduce.Job:  map 50% reduce 0%
26/11/21 13:52:12 INFO mapreduce.Job: Task Id : attempt_17_0001_m_000001_0, Status : FAILED
Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 137
\tat org.apache.hadoop.streaming.PipeMapRed.waitOutputThreads(PipeMapRed.java:326)

26/11/21 13:52:20 INFO mapreduce.Job: Counters: 3
\tFile System Counters
\t\tFILE: Number of bytes read=10
\trecords
\t\tin=7
\t\trejected: no label=2
26/11/21 13:52:20 INFO streaming.StreamJob: Output directory: hdfs:/out
"""


def test_the_client_hears_counters_progress_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    client = Client(["hadoop"], "wordcount")
    for line in WORDS.splitlines():
        client._hear(line)
    assert (client.job, client.application) == ("job_17_0001", "application_17_0001")
    assert user_counters(client.counters) == {"records": {"in": 7, "rejected: no label": 2}}
    said = capsys.readouterr().err.splitlines()
    assert said[1] == "wordcount: map 50 %, reduce 0 %"
    assert "attempt_17_0001_m_000001_0" in said[2]
    assert "137" in failures.explain("\n".join(client._diagnostics), "")[1]


def test_yarn_that_does_not_answer_is_given_up() -> None:
    client = Client(["hadoop"], "wordcount")
    line = "26/11/21 13:52:01 INFO ipc.Client: Retrying connect to server: rm/10.0.0.1:8032. Already tried %d time(s)"
    client._hear(line % 3)
    with pytest.raises(UserError, match=r"rm/10\.0\.0\.1:8032 does not answer"):
        client._hear(line % 7)


@pytest.mark.parametrize(
    ("diagnostics", "expected"),
    [
        ("Container is running 1B beyond the 'PHYSICAL' memory limit. Killing container.", "memory.mb=2048"),
        ("AttemptID:attempt_1 Timed out after 600 secs", "mapreduce.task.timeout"),
        ("AttemptID:attempt_1 task timeout set: 15s, taskTimedOut: true", "mapreduce.task.timeout"),
        ("Error: Java heap space", "map.java.opts"),
        ('Cannot run program "python3": error=2, No such file', "there is no python3"),
        ("subprocess failed with code 139", "MAPREDUCE_NATIVE=0"),
        ("subprocess failed with code 42", "exit status 42"),
    ],
)
def test_causes(diagnostics: str, expected: str) -> None:
    assert expected in failures.explain(diagnostics, "")[1]


def test_a_foreign_traceback_is_found() -> None:
    log = "noise\nTraceback (most recent call last):\n  File 'x', line 1, in f\n    g()\nKeyError: 'k'\nmore noise\n"
    shown, line = failures.explain("subprocess failed with code 1", log)
    assert shown.startswith("Traceback") and shown.endswith("KeyError: 'k'\n")
    assert line.startswith("KeyError: 'k'; ")


def test_a_block_is_remembered_and_narrowed_to_a_line() -> None:
    def fails(blocks: list[bytes]) -> list[int]:
        return [int(line) for block in blocks for line in block.splitlines()]

    watched = node.Watched(io.BytesIO(b"1\n2\n3\nx\n5\n6\n"))
    watched.read(4)
    watched.read(5)  # "3\nx\n5"
    watched.readline()
    assert watched.before == 2
    assert node._narrow(fails, watched.lines) == (1, [b"x\n"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("put: Cannot create file/x. Name node is in safe mode.\nIt was turned on manually.", "safe mode"),
        ("ls: Call From a/1.2.3.4 to nn:8020 failed on connection exception: refused", "nn:8020 does not answer"),
        ("mkdir: Permission denied: user=me, access=WRITE\n", "--hadoop-tmp-dir"),
        ('ls: No FileSystem for scheme "s3a"', "s3a://"),
    ],
)
def test_what_ails_a_cluster(words: str, expected: str) -> None:
    assert expected in (cause(words) or "")


def test_parts_are_summed_as_hadoop_writes_them() -> None:
    """The task's sums come back as names of counters, which are of 64 characters at most."""
    written = node.Written(io.BytesIO(), counts=True)
    for data in (b"a\tb", b"\n", b"no tab\n\ny\tz\nla", b"st", b"\n"):  # mrjob writes the end of a line by itself
        written.write(data)
    expected = b"a\tb\nno tab\t\n\t\ny\tz\nlast\t\n"
    sum, size = written.counted()
    assert len(f"00003 {sum}") < 64
    counters = {"parts": {f"00003 {sum}": size}, "File Output Format Counters ": {"Bytes Written": len(expected)}}
    sha256 = hashlib.sha256(expected).hexdigest()
    empty = [
        {"name": f"part-0000{number}", "size": 0, "sha256": hashlib.sha256(b"").hexdigest()} for number in range(3)
    ]
    assert parts(counters, 4) == [*empty, {"name": "part-00003", "size": len(expected), "sha256": sha256}]
    counters["File Output Format Counters "]["Bytes Written"] += 1  # compressed, say
    assert parts(counters, 4) is None
    with pytest.raises(UserError, match="carriage return"):
        written.write(b"a\tb\rc\n")


@pytest.mark.parametrize("name", ["a:b.tsv", "_a.tsv", ".a", "100%.tsv", "%3A:%", "naïve 猫.txt", "a_b.c"])
def test_an_uploaded_file_is_told_by_its_own_name(name: str) -> None:
    there = name_there(name)
    assert ":" not in there and there[0] not in "_."
    assert name_here(f"hdfs://host:1/tmp/mapreduce.wordcount.me.1.2.3/input/0/{there}") == name
    assert name_here(f"/home/me/{name}") == name
    assert name_here("hdfs://host:1/input/0/100%25.tsv") == "100%25.tsv"  # the user's own


def test_no_hadoop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="HADOOP_HOME is not set"):
        find_hadoop()
    monkeypatch.setenv("HADOOP_HOME", str(tmp_path))
    with pytest.raises(UserError, match="where bin/hadoop is missing"):
        find_hadoop()


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("hdfs://h:1/in/a", "hdfs:///in", True),
        ("hdfs://h:1/in/x/a", "hdfs:///in", True),
        ("hdfs://h:1/in/_logs/a", "hdfs:///in", False),
        ("hdfs://h:1/in/.a", "hdfs:///in", False),
        ("hdfs://h:1/in/a.txt", "hdfs:///in/*.txt", True),
        ("hdfs://h:1/out/a", "hdfs:///in", False),
    ],
)
def test_hidden_files_are_left_out(path: str, given: str, expected: bool) -> None:
    assert is_input(path, given) is expected


def test_modules_beside_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_one.py").write_text("")
    (tmp_path / "beside_unused.py").write_text("")
    (tmp_path / "beside_pack").mkdir()
    for name in ("__init__", "inner"):
        (tmp_path / "beside_pack" / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("beside_one")
    __import__("beside_pack")
    found = [str(Path(path).relative_to(tmp_path)) for path in archive.modules_beside(str(tmp_path / "job.py"))]
    for name in ("beside_one", "beside_pack"):
        del sys.modules[name]
    assert found == ["beside_one.py", "beside_pack/__init__.py", "beside_pack/inner.py"]

"""The local runner's semantics, as Hadoop has them: run in this process and in children, natively and in Python."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from mapreduce import mrjob_compat
from mapreduce.shuffle.partition import hash_partition, key_field_partition

with mrjob_compat.stand_ins():
    from mrjob.runner import MRJobRunner
    from mrjob.sim import SimMRJobRunner

HEAD = """
import os, sys
from mapreduce.job import Job, MRStep
with __import__("mapreduce.mrjob_compat").mrjob_compat.stand_ins():
    from mrjob.protocol import *

class Raw(Job):
    INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = BytesProtocol
    INPUT_PROTOCOL = BytesValueProtocol
"""
RUNNERS = [("inline", "1"), ("local", "1"), ("local", "0")]
Job = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(params=RUNNERS, ids=["inline", "local", "python"])
def job(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Job:
    """Runs a script with the body of a job; its output is in tmp_path/out."""
    runner, native = request.param

    def run(body: str, text: bytes, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        script, source = tmp_path / "job.py", tmp_path / "input"
        script.write_text(HEAD + textwrap.dedent(body) + '\nif __name__ == "__main__":\n    J.run()\n')
        source.write_bytes(text)
        done = subprocess.run(
            [sys.executable, str(script), "-r", runner, *map(str, arguments), str(source)],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(root), "MAPREDUCE_NATIVE": native, "PYTHONHASHSEED": "random"},
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


def parts(folder: Path) -> list[bytes]:
    return [p.read_bytes() for p in sorted(folder.glob("part-*"))]


COUNT = """
class J(Raw):
    def mapper(self, _, line):
        for word in line.split():
            yield word, b"1"

    def reducer(self, key, values):
        yield key, b"%d" % sum(map(int, values))
"""


def test_partitions_and_order_are_hadoops(job: Job, tmp_path: Path) -> None:
    words = [b"a", b"b", b"the", b"\xc3\xa9", b"\xff", b"A", b"zebra" * 9]
    job(COUNT, b" ".join(words * 2) + b"\n", "--jobconf", "mapreduce.job.reduces=3", "--output-dir", tmp_path / "out")

    def of(part: int) -> bytes:
        return b"".join(b"%s\t2\n" % w for w in sorted(words) if hash_partition(w, 3) == part)

    assert parts(tmp_path / "out") == [of(0), of(1), of(2)]


def test_hash_partition_is_the_hash_of_hadoops_text() -> None:
    # org.apache.hadoop.io.WritableComparator.hashBytes: from 1, 31 * hash + signed byte, in 32 bits.
    assert [hash_partition(k, 1 << 20) for k in (b"", b"a", b"\xff")] == [1, 31 + 97, 30]
    assert hash_partition(b"hadoop", 7) == (((((((31 + 104) * 31 + 97) * 31 + 100) * 31 + 111) * 31 + 111) * 31 + 112) & 0x7FFFFFFF) % 7  # fmt: skip # noqa: E501
    assert key_field_partition(b"ab", 1000) == (31 * 97 + 98) % 1000


def test_sorted_values(job: Job, tmp_path: Path) -> None:
    body = """
    class J(Raw):
        SORT_VALUES = True

        def mapper(self, _, line):
            yield line.split()

        def reducer(self, key, values):
            yield key, b",".join(v.rstrip(b"\\t") for v in values)
    """
    text = b"b 2\na 9\nb 1\na 10\nc 5\nb 3\n"
    job(body, text, "--jobconf", "mapreduce.job.reduces=2", "--output-dir", tmp_path / "out")
    lines = {b"a": b"a\t10,9\n", b"b": b"b\t1,2,3\n", b"c": b"c\t5\n"}
    found = [b"".join(v for k, v in lines.items() if key_field_partition(k, 2) == p) for p in (0, 1)]
    assert parts(tmp_path / "out") == found


def test_an_mrjob_of_a_user_runs_unchanged(job: Job, tmp_path: Path) -> None:
    body = """
    class J(Job):
        FILES = []

        def configure_args(self):
            super().configure_args()
            self.add_file_arg("--stop")
            self.add_passthru_arg("--least", type=int, default=0)

        def mapper_init(self):
            self.stop = set(open(self.options.stop).read().split())
            self.lines = 0

        def mapper(self, _, line):
            print("words, not data")
            self.lines += 1
            self.increment_counter("my group", "lines, all", 1)
            for word in line.split():
                if word not in self.stop:
                    yield word, 1
                    yield [word, 1], 0.5

        def mapper_final(self):
            yield "LINES", self.lines

        def combiner(self, key, values):
            self.increment_counter("my group", "combined", 1)
            yield key, sum(values)

        def reducer(self, key, values):
            yield key, sum(values)

        def most(self, key, value):
            if value >= self.options.least:
                yield None, [value, key]

        def sort(self, _, values):
            for value, key in sorted(values, key=str):
                yield key, os.environ["COLOUR"] + str(value)

        def steps(self):
            first = MRStep(mapper_init=self.mapper_init, mapper=self.mapper, mapper_final=self.mapper_final,
                           combiner=self.combiner, reducer=self.reducer)
            return [first, MRStep(mapper=self.most, reducer=self.sort)]
    """
    (tmp_path / "stop.txt").write_text("the\n")
    done = job(
        body, b"the cat the\ndog cat\n", "--stop", tmp_path / "stop.txt", "--least", 1, "--cmdenv", "COLOUR=red",
        "--output-dir", tmp_path / "out",
    )  # fmt: skip
    assert parts(tmp_path / "out") == [b'"dog"\t"red1"\n["cat", 1]\t"red1.0"\n"LINES"\t"red2"\n"cat"\t"red2"\n']
    assert done.stdout == b"" and b"words, not data" in done.stderr
    counters = json.loads((tmp_path / "out" / "_manifest.json").read_bytes())["counters"]["my group"]
    assert counters["lines; all"] == 2  # mrjob writes commas so


def test_a_job_without_a_reducer(job: Job, tmp_path: Path) -> None:
    body = """
    class J(Raw):
        OUTPUT_PROTOCOL = BytesValueProtocol
        def mapper(self, _, line):
            yield None, line.upper()
    """
    text = b"b\na\tx\n" * 300_000
    job(body, text, "--jobconf", "mapreduce.job.maps=2", "--output-dir", tmp_path / "out")
    found = parts(tmp_path / "out")
    assert len(found) == 2  # one a map task, in the order of the input
    assert b"".join(found) == b"B\t\nA\tX\n" * 300_000  # Hadoop ends a line without a tab with one


def test_little_memory_changes_nothing(job: Job, tmp_path: Path) -> None:
    text = b"".join(b"w%d x%d y\n" % (i * 7919 % 30_000, i % 11) for i in range(60_000))
    reduces = ("--jobconf", "mapreduce.job.reduces=2")
    for body, name in ((COUNT, "plain"), (COUNT.replace("    def reducer", "    def combiner") + COUNT[COUNT.index("    def reducer") :], "combined")):  # fmt: skip # noqa: E501
        job(body, text, *reduces, "--sort-memory", "1M", "--output-dir", tmp_path / name)
        job(body, text, *reduces, "--output-dir", tmp_path / f"{name}-large")
        assert parts(tmp_path / name) == parts(tmp_path / f"{name}-large")
        assert sum(map(len, parts(tmp_path / name))) > 200_000


REFUSED = {
    "mapper_cmd": "def mapper_cmd(self): return 'cat'",
    "mapper_pre_filter": "def mapper_pre_filter(self): return 'grep x'\n    def mapper(self, _, l): yield l, 1",
    "mapper_raw": "def mapper_raw(self, path, uri): yield 1, 1",
    "partitioner": "PARTITIONER = 'org.example.Mine'\n    def mapper(self, _, l): yield l, 1",
    "input format": "HADOOP_INPUT_FORMAT = 'org.example.Mine'\n    def mapper(self, _, l): yield l, 1",
    "output format": "HADOOP_OUTPUT_FORMAT = 'org.example.Mine'\n    def mapper(self, _, l): yield l, 1",
    "comparator": "JOBCONF = {'mapreduce.job.output.key.comparator.class': 'X'}\n    def mapper(self, _, l): pass",
    "spark": "def spark(self, source, target): pass",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_done_is_refused_in_one_line(job: Job, tmp_path: Path, what: str) -> None:
    done = job(f"class J(Job):\n    {REFUSED[what]}\n", b"x\n", "--output-dir", tmp_path / "out", code=2)
    remedy = b"mrjob.job.MRJob" if what == "mapper_raw" else b"-r hadoop"  # which refuses it as well
    assert done.stderr.count(b"\n") == 1 and remedy in done.stderr
    assert [p.name for p in tmp_path.glob("out*")] == []


@pytest.mark.parametrize("path", ["s3://bucket/x", "hdfs:///x"])
def test_other_file_systems_are_refused(job: Job, path: str) -> None:
    done = job(COUNT, b"", path, code=2)
    assert done.stderr.count(b"\n") == 1 and path.encode() in done.stderr


@pytest.mark.parametrize("flag", ["--output-dir", "--step-output-dir", "--manifest"])
def test_outputs_on_other_file_systems_are_refused(job: Job, flag: str, tmp_path: Path) -> None:
    done = job(COUNT, b"x\n", flag, "hdfs:///there", code=2)
    assert done.stderr.count(b"\n") == 1 and b"hdfs:///there: " in done.stderr and b"this machine" in done.stderr


def test_an_output_may_be_named_by_its_uri(job: Job, tmp_path: Path) -> None:
    job(COUNT, b"x\n", "--output-dir", f"file://{tmp_path}/out")
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_setup_commands_are_refused(job: Job) -> None:
    assert b"setup" in job(COUNT, b"x\n", "--setup", "true", code=2).stderr


def test_a_driver_with_threads_starts_fresh_interpreters(tmp_path: Path, root: Path) -> None:
    (tmp_path / "job.py").write_text(
        HEAD
        + COUNT
        + textwrap.dedent(
            """
            if __name__ == "__main__":
                import threading
                threading.Thread(target=threading.Event().wait, daemon=True).start()
                def forbidden():
                    raise AssertionError("forked")
                os.fork = forbidden
                J.run()
            """
        )
    )
    (tmp_path / "input").write_bytes(b"a b a\n" * 400_000)
    done = subprocess.run(
        [
            *(sys.executable, "job.py", "-r", "local", "--jobconf", "mapreduce.job.reduces=2"),
            *("--jobconf", "mapreduce.job.maps=2", "--output-dir", "out", "input"),
        ],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr.decode()
    assert sorted(parts(tmp_path / "out")) == [b"a\t800000\n", b"b\t400000\n"]


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_failing_task_names_its_input(tmp_path: Path, root: Path, runner: str) -> None:
    (tmp_path / "job.py").write_text(HEAD + COUNT.replace('b"1"', "1 / 0") + "\nif __name__ == '__main__': J.run()\n")
    (tmp_path / "input").write_bytes(b"x\n")
    done = subprocess.run(
        [sys.executable, "job.py", "-r", runner, "--output-dir", "out", "input"],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 1
    assert b"ZeroDivisionError" in done.stderr
    if runner == "local":
        last = done.stderr.splitlines()[-1]
        assert b"map task 0 over" in last and b"failed in all of 4 attempts" in last
    assert [p.name for p in tmp_path.glob("out*")] == []


def test_private_methods_of_mrjob_that_are_called() -> None:
    """mrjob is pinned; this says what a new release has to keep."""
    methods = {
        "_args_for_task": ["self", "step_num", "mrc"],
        "_create_dist_cache_dir": ["self", "step_num"],
        "_env_for_task": ["self", "task_type", "step_num", "task_num", "map_split"],
        "_get_steps": ["self"],
        "_get_input_paths": ["self"],
        "_get_local_tmp_dir": ["self"],
        "_cleanup_local_tmp": ["self"],
        "_check_input_paths": ["self"],
        "_input_paths_for_step": ["self", "step_num"],
        "_jobconf_for_step": ["self", "step_num"],
        "_num_cores": ["self"],
        "_output_dir_for_step": ["self", "step_num"],
        "_run": ["self"],
        "_run_step": ["self", "step", "step_num"],
        "_run_streaming_step": ["self", "step", "step_num"],
        "_setup_working_dir": ["self", "task_type", "step_num", "task_num"],
        "_sort_values_jobconf": ["self"],
        "_task_dir": ["self", "task_type", "step_num", "task_num"],
        "_task_working_dir": ["self", "task_type", "step_num", "task_num"],
    }
    found = {name: list(inspect.signature(getattr(SimMRJobRunner, name)).parameters) for name in methods}
    assert found == methods
    source = inspect.getsource(MRJobRunner.__init__)
    for attribute in ("_output_dir", "_partitioner", "_hadoop_input_format", "_hadoop_output_format", "_sort_values", "_job_key"):  # fmt: skip # noqa: E501
        assert f"self.{attribute} =" in source

"""What surrounds a process: its streams, limits, folder, threads and who started it, and one line for each."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mapreduce.cluster.hdfs import Hdfs
from mapreduce.errors import UserError
from tests.conftest import ROOT
from tests.mapreduce.local.test_alike import run

WORDCOUNT = str(ROOT / "jobs" / "wordcount.py")
RUNNERS = ["inline", "local"]


def count(
    *arguments: object,
    stdin: bytes | None = None,
    before: Callable[[], object] | None = None,
    shell: str = "",
    **more: object,
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, WORDCOUNT, *map(str, arguments)]
    if shell:
        command = ["bash", "-c", f'"$@" {shell}', "bash", *command]
    return subprocess.run(command, input=stdin, capture_output=True, preexec_fn=before, timeout=60, **more)  # type: ignore


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_bytes(b"a b\na\n")
    return path


def one_line(done: subprocess.CompletedProcess[bytes], *words: str, code: int = 2) -> None:
    said = done.stderr.decode()
    assert done.returncode == code and done.stdout == b"" and said.count("\n") == 1, said
    assert all(word in said for word in words), said


@pytest.mark.parametrize("runner", RUNNERS)
class TestStreams:
    def test_standard_output_closed_or_full(self, runner: str, text: Path) -> None:
        one_line(count("-r", runner, "-q", text, shell=">&-"), "standard output is closed", "--output-dir")
        one_line(count("-r", runner, "-q", text, shell="> /dev/full"), "standard output", "no space left")

    def test_standard_input_closed(self, runner: str, text: Path) -> None:
        one_line(count("-r", runner, "-q", shell="<&-"), "standard input is closed")
        assert count("-r", runner, "-q", text, shell="<&-").stdout == b"a\t2\nb\t1\n"

    @pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full"])
    def test_standard_error_closed_or_full(self, runner: str, shell: str, text: Path) -> None:
        done = count("-r", runner, text, shell=shell)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"a\t2\nb\t1\n", b"")

    def test_nobody_waits_for_children(self, runner: str, text: Path) -> None:
        done = count("-r", runner, "-q", text, before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"a\t2\nb\t1\n", b"")

    def test_the_current_folder_is_gone(self, runner: str, text: Path, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        one_line(count("-r", runner, "-q", text, cwd=gone, before=gone.rmdir), "current folder")

    def test_few_open_files(self, runner: str, tmp_path: Path) -> None:
        path = tmp_path / "words"
        path.write_bytes(b"".join(b"w%d w%d\n" % (i, i * 7919 % 300_000) for i in range(300_000)))

        def few(most: int) -> Callable[[], None]:
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

        flags = ["-r", runner, "-q", "--sort-memory", "1M", "--num-cores", "2", "--ngrams", "2"]
        wanted = count(*flags, path)
        assert wanted.returncode == 0
        assert count(*flags, path, before=few(64)).stdout == wanted.stdout
        if runner == "local":
            one_line(count("-r", runner, "-q", path, before=few(9)), "open files", "ulimit -n")

    def test_pipes_are_read_once(self, runner: str, tmp_path: Path) -> None:
        assert count("-r", runner, "-q", "/dev/stdin", stdin=b"a b\na\n").stdout == b"a\t2\nb\t1\n"
        assert count("-r", runner, "-q", "/dev/fd/0", stdin=b"a b\na").stdout == b"a\t2\nb\t1\n"
        assert count("-r", runner, "-q", shell="<(echo a b)").stdout == b"a\t1\nb\t1\n"
        assert b"linux\t" in count("-r", runner, "-q", "/proc/version").stdout
        fifo, out = tmp_path / "fifo", tmp_path / "out"
        os.mkfifo(fifo)
        with subprocess.Popen(["bash", "-c", f"printf 'a b\\na\\n' > {fifo}"]):
            done = count("-r", runner, "-q", "--sha256", "--output-dir", out, fifo)
        assert done.returncode == 0 and (out / "part-00000").read_bytes() == b"a\t2\nb\t1\n"
        manifest = (out / "_manifest.json").read_text()
        assert f'"path": "{fifo}"' in manifest and '"size": 6' in manifest and '"crc32": "' in manifest

    def test_what_is_read_once_is_looked_into_and_its_lines_are_named(self, runner: str, tmp_path: Path) -> None:
        table, flags = b"label,text\nx,a b\nnone\n", ["-r", runner, "-q", "--max-rejected", "1"]
        for place in ("/dev/stdin", "-"):
            done = count(
                *flags, "--format", "csv", "--output-dir", tmp_path / place.replace("/", ""), place, stdin=table
            )
            assert done.returncode == 0, done.stderr
            rejected = (tmp_path / place.replace("/", "") / "_rejected").read_text()
            assert f'"file": "{place}"' in rejected and '"line": 3' in rejected and '"text": "none"' in rejected


class TestPaths:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("sub", "[1]", "_hidden", ".dot", "deep/_no", "empty/.git"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "f").write_text(f"{name[:2]}x\n")
        (tmp_path / "-r").write_text("dash\n")
        (tmp_path / "deep" / "f").write_text("deep\n")
        monkeypatch.chdir(tmp_path / "sub")

    @pytest.mark.parametrize(
        ("named", "word"),
        [
            ((".",), b"sux"),
            (("../sub",), b"sux"),
            (("../[1]",), b"1x"),
            (("../[[]1]",), b"1x"),
            (("../_hidden",), b"hx"),
            (("../.dot",), b"dx"),
            (("../_hidden/f",), b"hx"),
            (("../deep",), b"deep"),
            (("--", "../-r"), b"dash"),
            (("file://../deep",), b"deep"),
        ],
    )
    def test_what_is_named_is_read(self, named: tuple[str, ...], word: bytes) -> None:
        assert count("-q", *named).stdout == word + b"\t1\n"

    def test_the_folder_above(self) -> None:
        assert count("-q", "..").stdout == b"1x\t1\ndash\t1\ndeep\t1\nsux\t1\n"
        os.chdir("..")
        assert count("-q", "--", "-r").stdout == b"dash\t1\n"

    def test_what_cannot_be_read_has_its_own_word(self, tmp_path: Path) -> None:
        one_line(count("-q", "../empty"), "../empty: no files there")
        one_line(count("-q", "nowhere"), "nowhere: no such input file")
        os.symlink("nothing", "link")
        one_line(count("-q", "link"), "link: a link to a file that is not there")
        os.remove("link")
        os.symlink("..", "../deep/up")
        one_line(count("-q", "../deep"), "a link back to a folder")
        os.remove("../deep/up")
        os.mkfifo("../deep/pipe")
        for named in ("../deep", "../deep/pi*"):
            one_line(count("-q", named), "deep/pipe: a pipe", "named itself")
        one_line(count("-q", "/proc/versio[n]"), "/proc/version: ", "named itself")
        one_line(count("-q", "/proc/self/mem"), "/proc/self/mem: cannot be read")

    @pytest.mark.parametrize("scheme", ["hdfs", "s3", "s3a", "gs", "abfs"])
    @pytest.mark.parametrize("flag", ["--output-dir", "--step-output-dir", "--manifest"])
    def test_no_output_goes_to_a_file_system_that_is_not_there(self, scheme: str, flag: str) -> None:
        for path in (f"{scheme}:///counts", f"{scheme}:/counts"):
            one_line(count("-q", flag, path, "f"), path)
        assert os.listdir(".") == ["f"]

    @pytest.mark.parametrize(
        "command",
        [
            ("models.train", "--train", "f", "--output"),
            ("models.tfrecord", "x"),
            ("models.lite", "x"),
            ("data.fetch", "r8", "--output"),
            ("data.convert", "folders", "f", "--output"),
        ],
        ids=lambda command: command[0],
    )
    def test_nor_that_of_another_command(self, command: tuple[str, ...]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", *command, "hdfs:///there"],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 2 and os.listdir(".") == ["f"], done.stderr
        assert b"hdfs:///there" in done.stderr and done.stderr.count(b"\n") == 1

    def test_a_relative_folder_of_steps(self, tmp_path: Path) -> None:
        vocabulary = [sys.executable, str(ROOT / "jobs" / "vocabulary.py"), "-q", "-r", "local"]
        done = subprocess.run(
            [*vocabulary, "--step-output-dir", "steps", "--output-dir", "out", "f"], capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(".")) == ["f", "out", "steps"] and os.path.isdir("steps/0000")


LEAVES = """
    class Leaves(Job):
        def mapper(self, _, line):
            if os.fork() == 0:
                threading.Event().wait(30)
                os._exit(0)
            if line == "dies":
                os.kill(os.getpid(), 9)
            yield line, 1
        def reducer(self, key, values):
            yield key, sum(values)
    if __name__ == "__main__":
        Leaves.run()
"""


@pytest.mark.parametrize("way", ["forked", "fresh"])
def test_what_a_task_leaves_behind_holds_nobody_up(way: str, tmp_path: Path) -> None:
    began = time.monotonic()
    done = run(way, LEAVES, tmp_path, "input")
    assert done.stdout == b'"a b"\t1\n"c"\t1\n', done.stderr.decode()
    (tmp_path / "input").write_text("dies\n")
    done = run(way, LEAVES, tmp_path, "--jobconf", "mapreduce.map.maxattempts=2", "input")
    assert done.returncode == 1 and b"killed by signal 9" in done.stderr
    assert time.monotonic() - began < 20
    left = subprocess.run(["pgrep", "-f", str(tmp_path / "job.py")], capture_output=True)
    assert left.stdout == b""


THREADED = """
    class Small(Job):
        def mapper(self, _, line):
            print("words of a task")
            yield line + os.path.basename(os.getcwd()), 1
        def reducer(self, key, values):
            yield key, sum(values)
    def work(name):
        for _ in range(5):
            job = Small(["-r", RUNNER, "input"])
            with job.make_runner() as runner:
                runner.run()
                found[name].append(b"".join(runner.cat_output()))
    if __name__ == "__main__":
        RUNNER = sys.argv[2]
        here, out = os.getcwd(), sys.stdout
        found = {n: [] for n in range(4)}
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for number in range(200):
            print("data", number)
        for thread in threads:
            thread.join()
        assert os.getcwd() == here and sys.stdout is out, (os.getcwd(), sys.stdout)
        print({b for some in found.values() for b in some}, list(map(len, found.values())))
"""


@pytest.mark.parametrize("way", ["inline", "forked"])
@pytest.mark.slow
def test_jobs_in_four_threads_leave_the_program_as_it_was(way: str, tmp_path: Path) -> None:
    done = run(way, THREADED, tmp_path)
    lines = done.stdout.decode().splitlines()
    assert lines[:-1] == [f"data {n}" for n in range(200)], done.stderr.decode()
    assert lines[-1] == '{b\'"a bwd"\\t1\\n"cwd"\\t1\\n\'} [5, 5, 5, 5]'


def test_a_command_that_says_much_on_both_sides_is_heard(tmp_path: Path) -> None:
    script = (
        "import sys\nsys.stderr.write('w' * 300000)\nsys.stdout.write('d' * 300000)\nsys.stderr.write('\\nend\\n')\n"
    )
    (tmp_path / "hadoop").write_text(script)
    command = [sys.executable, str(tmp_path / "hadoop")]
    assert sum(map(len, Hdfs(command).cat("/x"))) == 300_000
    (tmp_path / "hadoop").write_text(script + "sys.exit(1)\n")
    with pytest.raises(UserError, match="/x: cannot be read: end"):
        list(Hdfs(command).cat("/x"))


def test_temporary_folders_are_private_and_gone(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        class Looks(Job):
            def mapper(self, _, line):
                here = os.getcwd()
                while "._temporary." in here:
                    top, here = here, os.path.dirname(here)
                yield os.path.basename(top), oct(os.stat(top).st_mode & 0o777)
        if __name__ == "__main__":
            Looks.run()
    """)
    os.mkfifo(tmp_path / "mapreduce._temporary.0123456789abcdef")  # that of another user, to block us
    (tmp_path / "mapreduce._temporary.thesis").mkdir()
    names = set()
    for _ in range(2):
        done = run("forked", script, tmp_path, "input")
        assert done.stdout.endswith(b'\t"0o700"\n'), done.stderr.decode()
        names.add(done.stdout.split(b"\t")[0])
    assert len(names) == 2
    left = sorted(path.name for path in tmp_path.iterdir() if "_temporary" in path.name)
    assert left == ["mapreduce._temporary.0123456789abcdef", "mapreduce._temporary.thesis"]


@pytest.mark.parametrize("jobs", [10, pytest.param(500, marks=pytest.mark.slow)])
def test_drivers_at_once(jobs: int, text: Path, tmp_path: Path) -> None:
    command = f"seq {jobs} | xargs -P8 -I{{}} {sys.executable} {WORDCOUNT} -q {text}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(done.stdout.split(b"\n")) == [b"", *[b"a\t2"] * jobs, *[b"b\t1"] * jobs]
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


FILES = """
    class Files(Job):
        def mapper_init(self):
            self.seen = 0
            self.increment_counter("tasks", "init")
        def mapper(self, _, line):
            self.seen += 1
            yield line, [os.environ["mapreduce_map_input_file"].rpartition("/")[2], os.environ["map_input_start"]]
        def mapper_final(self):
            self.increment_counter("tasks", "final")
        def reducer(self, key, values):
            yield key, list(values)
    if __name__ == "__main__":
        job = Files(sys.argv[1:])
        with job.make_runner() as runner:
            runner.run()
            for key, value in job.parse_output(runner.cat_output()):
                assert value == [[key.split()[0], "0"]], (key, value)
            print(dict(runner.counters()[0]["tasks"]))
"""


@pytest.mark.parametrize("way", ["inline", "forked", "fresh"])
def test_many_small_files_are_a_few_tasks_and_each_record_knows_its_file(way: str, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for number in range(100):
        lines = "".join(f"{number}.txt line {line}\n" for line in range(number % 3))
        (tmp_path / "small" / f"{number}.txt").write_text(lines)
    done = run(way, FILES, tmp_path, "--num-cores", "2", "small")
    assert done.stdout == b"{'init': 1, 'final': 1}\n", done.stderr.decode()
    done = run(way, FILES, tmp_path, "--num-cores", "2", "--jobconf", "mapreduce.job.maps=1", "small")
    assert done.stdout == b"{'init': 1, 'final': 1}\n", done.stderr.decode()


def test_rejected_lines_of_many_files_are_found_in_theirs(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for number in range(20):
        lines = "label\ttext\n" * number + ("no tab\n" if number in (3, 7) else "")
        (tmp_path / "small" / f"{number:02d}.tsv").write_text(lines)
    flags = ["-r", "local", "-q", "--max-rejected", "2", "--output-dir", tmp_path / "out"]
    assert count(*flags, tmp_path / "small").returncode == 0
    rejected = (tmp_path / "out" / "_rejected").read_text().splitlines()
    assert ['03.tsv", "line": 4' in rejected[0], '07.tsv", "line": 8' in rejected[1], len(rejected)] == [True, True, 2]


@pytest.mark.slow
def test_two_thousand_small_files_cost_a_millisecond_each_at_most(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    for number in range(2000):
        (tmp_path / "small" / f"{number}.txt").write_text("some words\n")
    (tmp_path / "one").write_text("some words\n" * 2000)

    def cpu(path: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert count("-r", "local", "-q", path).stdout == b"some\t2000\nwords\t2000\n"
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu(tmp_path / "small") for _ in range(3)) - min(cpu(tmp_path / "one") for _ in range(3)) < 2


CONF = "mapreduce.output.textoutputformat.separator=; stream.map.output=typedbytes mapreduce.output.basename=x"


@pytest.mark.parametrize("conf", [*CONF.split(), "mapred.partitioner.class=x", "mapreduce.job.reduces=²"])
def test_what_would_change_the_result_elsewhere_is_refused(conf: str, text: Path) -> None:
    one_line(count("-q", "--jobconf", conf, text), conf.partition("=")[0])


@pytest.mark.parametrize("flags", [("--files", "no"), ("--dirs", "no"), ("--archives", "text"), ("--py-files", "no")])
def test_side_files_that_cannot_be_had(flags: tuple[str, ...], text: Path) -> None:
    one_line(count("-r", "local", "-q", *flags, text, cwd=text.parent))


def test_messages_have_the_names_that_were_given() -> None:
    one_line(count("-q", "--format", "csv", "-", stdin=b"x,y\n1,2\n"), "wordcount: -, line 1: no one column 'text'")
    one_line(count("-q", "--format", "csv", "/dev/stdin", stdin=b"x,y\n"), "wordcount: /dev/stdin, line 1: ")


def test_an_empty_table_among_others(tmp_path: Path) -> None:
    (tmp_path / "0.csv").touch()
    (tmp_path / "1.csv").write_text("text,label\nhello,a\n")
    assert count("-q", tmp_path / "0.csv", tmp_path / "1.csv").stdout == b"hello\t1\n"


def test_linear_algebra_in_forked_children(tmp_path: Path) -> None:
    script = """
        import numpy
        from mapreduce.local import executor
        SQUARE = numpy.arange(250_000.0).reshape(500, 500)
        START = SQUARE @ SQUARE  # its threads are there now
        class Multiplies(Job):
            def mapper(self, _, line):
                yield line, [float((SQUARE @ SQUARE - START).sum())]
        if __name__ == "__main__":
            assert executor.can_fork()
            Multiplies.run()
    """
    done = run("forked", script, tmp_path, "input")
    assert done.stdout == b'"a b"\t[0.0]\n"c"\t[0.0]\n', done.stderr.decode()

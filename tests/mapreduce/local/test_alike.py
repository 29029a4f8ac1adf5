"""What a user's job sees is the same on -r inline, in forked children and in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT

THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
WAYS = ["inline", "forked", "fresh"]

SET_UNDER_GUARD = """
    SCALE, TABLE, MARK = 1, {}, None

    class Held:
        def __init__(self):
            self.lock, self.scale, self.table = threading.Lock(), 1, {"lock": threading.Lock(), "scale": 1}

    HELD, LISTED = Held(), [1, threading.Lock(), Held()]

    def weight(word):
        return 1

    class Base(Job):
        FACTOR = 1

    class Scaled(Base):
        OPTIONS = []

        def mapper(self, _, line):
            for word in line.split():
                found = [SCALE, self.FACTOR, Base.FACTOR, self.OPTIONS, TABLE, weight(word), sys.argv[-1:], MARK(2)]
                found += [helpers.LEVEL, helpers.double(3), ALIAS is TABLE, json.dumps(LATE), os.getcwd() != HERE]
                yield word, found + [HELD.scale, HELD.table["scale"], LISTED[0], HELD.lock.locked()]

        def reducer(self, key, values):
            yield key, next(values)

    if __name__ == "__main__":
        import json
        import os.path as path
        SCALE = 10
        TABLE["a"] = {1, 2}.__len__()
        ALIAS = TABLE
        LATE = path.join("x", "y")
        HERE = os.getcwd()
        MARK = lambda x, y=5: x * y + SCALE
        offset = 7
        def make(n):
            return lambda word: len(word) + n + offset
        weight = make(100)
        Base.FACTOR = 3
        Scaled.OPTIONS += ["o"]
        helpers.LEVEL = "deep"
        helpers.double = lambda x: 20 * x
        LOCK, FILE = threading.Lock(), open(__file__)
        HELD.scale = HELD.table["scale"] = LISTED[0] = 50
        Scaled.run()
"""
NO_GUARD = """
    SCALE = 1
    class Scaled(Job):
        def mapper(self, _, line):
            yield line, SCALE
    SCALE = 5
    Scaled.run()
    SCALE = 6
"""
CLASS_UNDER_GUARD = """
    from dataclasses import dataclass
    if __name__ == "__main__":
        UNIT = 4
        class Mixin:
            def unit(self):
                return super().__init__ and UNIT
        class Scaled(Mixin, Job):
            UNITS = [UNIT] * 2
            def mapper(self, _, line):
                yield line, [self.unit(), self.UNITS]
        Scaled.run()
"""
DRIVER = """
    class Scaled(Job):
        STEP = 1
        def mapper(self, _, line):
            yield line, [self.STEP, FOUND]
    FOUND = []
    if __name__ == "__main__":
        for Scaled.STEP in (2, 3):
            job = Scaled([*sys.argv[1:]])
            with job.make_runner() as runner:
                runner.run()
                FOUND.extend(value for _, value in job.parse_output(runner.cat_output()))
        print(FOUND)
"""
HEADER = "import os, sys, threading\nfrom mapreduce.job import Job\nimport helpers\n"


def run(
    way: str, script: str, folder: Path, *arguments: object, module: str = "", header: str = HEADER, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    folder.mkdir(exist_ok=True)
    (folder / "helpers.py").write_text("LEVEL = 0\ndef double(x):\n    return 2 * x\n")
    (folder / "input").write_bytes(b"a b\nc\n") if not (folder / "input").exists() else None
    path = folder / (module.replace(".", "/") + ".py" if module else "job.py")
    path.parent.mkdir(exist_ok=True)
    path.write_text((THREAD if way == "fresh" else "") + header + textwrap.dedent(script))
    command = [sys.executable, *(["-m", module] if module else [str(path)])]
    runner = "inline" if way == "inline" else "local"
    return subprocess.run(
        [*command, "-r", runner, *map(str, arguments)],
        cwd=folder,
        input=stdin,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        timeout=60,
    )


def alike(script: str, folder: Path, *arguments: object, code: int = 0, **more: str) -> bytes:
    """What the three ways print, which is the same."""
    found = [run(way, script, folder / way, *arguments, **more) for way in WAYS]
    for done in found:
        assert done.returncode == code, done.stderr.decode()
    assert found[0].stdout == found[1].stdout == found[2].stdout, [done.stderr.decode() for done in found]
    assert not [path for way in WAYS for path in (folder / way).iterdir() if "_temporary" in path.name]
    return found[0].stdout


def test_what_the_main_guard_has_set(tmp_path: Path) -> None:
    lines = alike(SET_UNDER_GUARD, tmp_path, "input").decode().splitlines()
    value = '[10, 3, 3, ["o"], {"a": 2}, 108, ["input"], 20, "deep", 60, true, "\\"x/y\\"", true, 50, 50, 50, false]'
    assert lines == [f'"{word}"\t{value}' for word in "abc"]


@pytest.mark.parametrize("package", ["numpy", "helpers"])
def test_numpy_starts_threads_and_changes_nothing(package: str, tmp_path: Path) -> None:
    script = f"import {package}\nSCALE = 1\n" + textwrap.dedent("""
        class Scaled(Job):
            FACTOR = 1
            def mapper(self, _, line):
                yield line, [SCALE, self.FACTOR]
        if __name__ == "__main__":
            SCALE = 10
            Scaled.FACTOR = 3
            Scaled.run()
    """)
    assert alike(script, tmp_path, "input") == b'"a b"\t[10, 3]\n"c"\t[10, 3]\n'


def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    assert alike(NO_GUARD, tmp_path, "input") == b'"a b"\t5\n"c"\t5\n'


def test_classes_under_the_main_guard(tmp_path: Path) -> None:
    assert alike(CLASS_UNDER_GUARD, tmp_path, "input") == b'"a b"\t[4, [4, 4]]\n"c"\t[4, [4, 4]]\n'


def test_an_attribute_of_a_class_that_is_not_the_users(tmp_path: Path) -> None:
    script = """
        class Plain(Job):
            def mapper(self, _, line):
                yield line, self.NOTE
        if __name__ == "__main__":
            from mrjob.job import MRJob
            from mrjob.protocol import RawValueProtocol
            MRJob.NOTE, Job.OUTPUT_PROTOCOL = "note", RawValueProtocol
            Plain.run()
    """
    assert alike(script, tmp_path, "input") == b"note\t\nnote\t\n"


IDENTITY = """
    import functools, multiprocessing
    M = object()
    C = {}
    def look(d, k, default=M):
        return "none" if default is M else "given"
    def twice(function):
        @functools.wraps(function)
        def wrapped(self, *args):
            for key, value in function(self, *args):
                yield key, [value] * 2
        return wrapped
    def double(x):
        return 2 * x
    def weight(x=1, seen=[]):
        seen.append(x)
        return [x, weight.scale, len(seen)]
    weight.scale = 1
    __version__ = "1"
    class P:
        pass
    class Kept(Job):
        table, GONE = C, 1
        def kept(x):
            return x
        kept = staticmethod(kept)
        size = property(lambda self: 1)
        def mapper(self, _, line):
            C[line] = 1
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                doubled = pool.map(double, [1, 2])
            found = [look({}, line), len(self.table), self.kept(1), self.size, hasattr(self, "GONE")]
            found += weight() + [__version__]
            yield line, found + ["LEFT" in globals(), __name__, P.__module__, doubled]
        def mapper_final(self):
            yield "final", 1
    LEFT = 1
    if __name__ == "__main__":
        Kept.mapper = twice(Kept.mapper)
        Kept.kept = staticmethod(lambda x: x + 40)
        Kept.size = property(lambda self: 7)
        weight.__defaults__, weight.scale, __version__ = (5, [0]), 6, "2"
        del Kept.mapper_final, Kept.GONE, LEFT
        Kept.run()
    else:
        LEFT = 2
"""


def test_what_is_one_object_replaced_or_deleted(tmp_path: Path) -> None:
    lines = alike(IDENTITY, tmp_path, "input").decode().splitlines()
    found = '["none", %d, 41, 7, false, 5, 6, %d, "2", false, "__main__", "__main__", [2, 4]]'
    assert lines == [f'"{word}"\t[{found % (n, n + 1)}, {found % (n, n + 1)}]' for n, word in ((1, "a b"), (2, "c"))]


def test_what_cannot_be_sent_to_a_fresh_interpreter_is_said(tmp_path: Path) -> None:
    script = """
        NUMBERS, LOCK, FILE = (n for n in [1, 2]), threading.Lock(), open(__file__)
        class Takes(Job):
            def mapper(self, _, line):
                yield line, next(NUMBERS)
        if __name__ == "__main__":
            next(NUMBERS)
            job = Takes(sys.argv[1:])
            with job.make_runner() as runner:
                runner.run()
    """
    done = run("fresh", script, tmp_path, "input")
    assert done.returncode == 0 and done.stderr.count(b"__main__.") == 1, done.stderr
    assert b"what an import makes of them: __main__.NUMBERS\n" in done.stderr


def test_a_package_that_is_run(tmp_path: Path) -> None:
    script = """
        from .near import NAME
        FACTOR = int(sys.argv.pop(1))
        class Runs(Job):
            def mapper(self, _, line):
                yield line, [NAME, FACTOR]
        if __name__ == "__main__":
            Runs.run()
    """
    for way in WAYS:
        (tmp_path / way / "pkg").mkdir(parents=True)
        (tmp_path / way / "pkg" / "near.py").write_text("NAME = 'near'\n")
        path = tmp_path / way / "pkg" / "__main__.py"
        path.write_text((THREAD if way == "fresh" else "") + HEADER + textwrap.dedent(script))
        (tmp_path / way / "helpers.py").touch()
        (tmp_path / way / "input").write_text("a b\n")
        command = [sys.executable, "-m", "pkg", "5", "-r", "inline" if way == "inline" else "local", "input"]
        done = subprocess.run(command, cwd=path.parent.parent, capture_output=True, env={"PYTHONPATH": str(ROOT)})
        assert done.stdout == b'"a b"\t["near", 5]\n', done.stderr.decode()


def test_two_runs_of_one_program(tmp_path: Path) -> None:
    found = alike(DRIVER, tmp_path, "input")
    assert found.decode() == "[[2, []], [2, []], [3, [[2, []], [2, []]]], [3, [[2, []], [2, []]]]]\n"


def test_a_module_of_a_package_with_relative_imports(tmp_path: Path) -> None:
    for way in WAYS:
        (tmp_path / way / "pkg").mkdir(parents=True)
        (tmp_path / way / "pkg" / "__init__.py").touch()
        (tmp_path / way / "pkg" / "near.py").write_text("NAME = 'near'\n")
    script = """
        from . import near
        from .near import NAME

        class Scaled(Job):
            def mapper(self, _, line):
                yield line, [NAME, near.NAME, __package__]
        if __name__ == "__main__":
            near.NAME = "set"
            Scaled.run()
    """
    assert alike(script, tmp_path, "input", module="pkg.job").startswith(b'"a b"\t["near", "set", "pkg"]\n')


def test_a_class_made_in_a_function_is_refused_where_it_cannot_be_had(tmp_path: Path) -> None:
    script = """
        def make():
            class Inner(Job):
                def mapper(self, _, line):
                    yield line, 1
            return Inner
        if __name__ == "__main__":
            make().run()
    """
    for way in WAYS:
        done = run(way, script, tmp_path / way, "input")
        if way == "fresh":
            assert done.returncode == 2 and done.stderr.count(b"\n") == 1
            assert b"Inner: " in done.stderr and b"move it out" in done.stderr
        else:
            assert done.stdout == b'"a b"\t1\n"c"\t1\n'


STREAM = """
    class Stream(Job):
        def steps(self):
            from mapreduce.job import MRStep
            return [MRStep(mapper=self.mapper, mapper_final=self.mapper_final)]
        def run_mapper(self, step_num=0):
            first = self.stdin.readline()
            second = self.stdin.read(3)
            third = next(iter(self.stdin))
            rest = self.stdin.readlines()
            empty = [self.stdin.read(), self.stdin.readline(), self.stdin.readlines(), list(self.stdin)]
            found = [first, second, third, rest, empty]
            self.stdout.write(repr(found).encode() + b"\\n")
            for line in rest:
                self.stdout.write(b'"k"\\t' + line)
        mapper = mapper_final = lambda self, *_: None
    if __name__ == "__main__":
        Stream.run()
"""


def test_standard_input_is_a_stream_of_bytes(tmp_path: Path) -> None:
    for way in WAYS:
        (tmp_path / way).mkdir()
        (tmp_path / way / "input").write_bytes(b"one\ntwo\nthree\n\nfour\nfive")
    expected = "[b'one\\n', b'two', b'\\n', [b'three\\n', b'\\n', b'four\\n', b'five\\n'], [b'', b'', [], []]]\t\n"
    assert alike(STREAM, tmp_path, "input").decode() == expected + '"k"\tthree\n"k"\t\n"k"\tfour\n"k"\tfive\n'


COUNTERS = """
    class Counting(Job):
        def mapper(self, _, line):
            self.increment_counter("g", "a\\nb")
            self.increment_counter("g", "plain", 2)
            self.stderr.write(b"reporter:coun")
            self.stderr.write(b"ter:g,split,3\\nreporter:status:busy\\n")
            for odd in (b"g,n", b"g,n,x", b"g,n,1,1", b"", b",,"):
                self.stderr.write(b"reporter:counter:" + odd + b"\\n")
            sys.stderr.write("reporter:counter:g,printed,4\\n")
            print("words")
            self.stderr.write(b"no line end")
            yield line, 1
        def reducer(self, key, values):
            self.increment_counter("g", "reduced")
            yield key, sum(values)
    if __name__ == "__main__":
        job = Counting(sys.argv[1:])
        with job.make_runner() as runner:
            runner.run()
            print(sorted(runner.counters()[0]["g"].items()))
"""


def test_odd_counter_lines_are_words(tmp_path: Path) -> None:
    found = alike(COUNTERS, tmp_path, "input").decode()
    assert found == "[('plain', 4), ('printed', 8), ('reduced', 2), ('split', 6)]\n"
    for way in WAYS:
        words = run(way, COUNTERS, tmp_path / way, "input").stderr.decode()
        for line in ("reporter:counter:g,n,x\n", "reporter:counter:g,a\n", "b,1\n", "words\n", "no line end"):
            assert words.count(line) == 2, words
        assert "busy" not in words


@pytest.mark.parametrize("code", [0, None])
def test_sys_exit_0_ends_a_task_with_what_it_has_written(code: int | None, tmp_path: Path) -> None:
    script = f"""
        class Ends(Job):
            def mapper(self, _, line):
                yield line, 1
                sys.exit({code}) if line == "a b" else None
            def mapper_final(self):
                yield "never", 1
            def combiner(self, key, values):
                yield key, sum(values)
            def reducer(self, key, values):
                yield key, sum(values)
                sys.exit()
        if __name__ == "__main__":
            Ends.run()
    """
    assert alike(script, tmp_path, "input") == b'"a b"\t1\n'


def test_sys_exit_1_fails_the_job(tmp_path: Path) -> None:
    script = """
        class Ends(Job):
            def mapper(self, _, line):
                sys.exit(3)
                yield
        if __name__ == "__main__":
            Ends.run()
    """
    for way in WAYS:
        done = run(way, script, tmp_path / way, "input")
        assert done.returncode == 1 and done.stdout == b""
        last = done.stderr.decode().splitlines()[-1]
        assert "map task 0 over " in last and "3" in last.rpartition("attempts")[2]


@pytest.mark.parametrize("package", ["os", "numpy"])
def test_what_commands_print_is_words(package: str, tmp_path: Path) -> None:
    script = f"""
        import {package}
        class Says(Job):
            def mapper(self, _, line):
                os.system("echo said")
                print("printed")
                yield line, 1
            def reducer(self, key, values):
                os.system("echo said")
                yield key, sum(values)
        if __name__ == "__main__":
            Says.run()
    """
    for way in WAYS:
        done = run(way, script, tmp_path / way, "input")
        assert done.stdout == b'"a b"\t1\n"c"\t1\n' and done.stderr.count(b"said") == 4


@pytest.mark.parametrize("way", ["forked", "fresh"])
def test_the_drivers_standard_input_is_not_a_tasks(way: str, tmp_path: Path) -> None:
    script = """
        import subprocess
        class Reads(Job):
            def mapper(self, _, line):
                yield line, subprocess.run(["cat"], stdout=-1).stdout.decode() + sys.stdin.read()
        if __name__ == "__main__":
            Reads.run()
    """
    assert run(way, script, tmp_path, "input", stdin=b"the driver's").stdout == b'"a b"\t""\n"c"\t""\n'


def test_exceptions_are_those_that_mrjobs_drivers_catch(tmp_path: Path) -> None:
    script = """
        from mrjob.step import StepFailedException
        class Fails(Job):
            def mapper(self, _, line):
                raise ValueError(line)
        def what(arguments):
            try:
                with Fails(arguments).make_runner() as runner:
                    runner.run()
            except (StepFailedException, OSError, ValueError) as error:
                return [kind.__name__ for kind in (StepFailedException, OSError, ValueError) if isinstance(error, kind)]
        if __name__ == "__main__":
            runner = sys.argv[1:3]
            print(what([*runner, "nowhere"]), what([*runner, "--output-dir", ".", "input"]), what([*runner, "input"]))
    """
    for way in WAYS:
        done = run(way, script, tmp_path / way)
        failed = "ValueError" if way == "inline" else "StepFailedException"
        assert done.stdout.decode() == f"['OSError'] ['OSError'] ['{failed}']\n", done.stderr.decode()


FILES = """
    class Files(Job):
        DIRS = ["side"]
        def mapper_init(self):
            import extra
            self.side = open("side/note").read() + extra.NAME
        def mapper(self, _, line):
            yield self.side, line
    if __name__ == "__main__":
        Files.run()
"""


def test_folders_and_packages_that_go_with_a_job(tmp_path: Path) -> None:
    for way in WAYS:
        (tmp_path / way / "side").mkdir(parents=True)
        (tmp_path / way / "side" / "note").write_text("note")
        (tmp_path / way / "lib").mkdir()
        (tmp_path / way / "lib" / "extra.py").write_text("NAME = 'extra'\n")
    found = alike(FILES, tmp_path, "--py-files", "lib", "input")
    assert found == b'"noteextra"\t"a b"\n"noteextra"\t"c"\n'


SORTED = """
    from mrjob.protocol import {protocol} as Protocol
    class Sorted(Job):
        SORT_VALUES = True
        INTERNAL_PROTOCOL = Protocol
        def mapper(self, _, line):
            for word in line.split():
                yield (b"k", word.encode()) if Protocol.__name__[0] in "RB" else ("k", word)
        {combiner}
        def reducer(self, key, values):
            yield str(key), [value.decode() if isinstance(value, bytes) else value for value in values]
    if __name__ == "__main__":
        Sorted.run()
"""


@pytest.mark.parametrize("protocol", ["RawProtocol", "BytesProtocol", "TextProtocol", "JSONProtocol"])
def test_sorted_values_are_the_same_with_a_combiner(protocol: str, tmp_path: Path) -> None:
    combiner = "combiner = lambda self, key, values: ((key, value) for value in values)"
    found = [
        alike(SORTED.format(protocol=protocol, combiner=code), tmp_path / name, "input")
        for name, code in (("with", combiner), ("without", ""))
        if not (tmp_path / name).mkdir()  # type: ignore[func-returns-value]
    ]
    tab = "" if protocol == "JSONProtocol" else "\\t"  # Hadoop's, behind a key of two fields
    key = "b'k'" if protocol == "BytesProtocol" else "k"
    assert found == [f'"{key}"\t["a{tab}", "b{tab}", "c{tab}"]\n'.encode()] * 2

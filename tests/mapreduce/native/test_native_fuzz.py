"""The native library under AddressSanitizer and UBSan, on inputs that fuzz_native.c makes up."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = ["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program."""
    if COMPILER is None:
        pytest.skip("no compiler")
    path = tmp_path_factory.mktemp("fuzz") / "fuzz"
    source = Path(__file__).with_name("fuzz_native.c")
    done = subprocess.run(
        [COMPILER, "-std=gnu11", *FLAGS, "-DSTANDALONE", str(source), "-o", str(path), "-lm"], capture_output=True
    )
    if b"cannot find" in done.stderr and b"san" in done.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert done.returncode == 0, done.stderr.decode()
    return path


@pytest.mark.parametrize("seconds", [pytest.param(3, id="short"), pytest.param(120, id="long", marks=pytest.mark.slow)])
def test_sanitizers_find_nothing(fuzzer: Path, tmp_path: Path, seconds: int) -> None:
    done = subprocess.run([str(fuzzer), str(seconds), str(seconds), str(tmp_path)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stderr.split()[1]) > 10


def test_it_is_portable_c(tmp_path: Path) -> None:
    """Without any instruction set assumed, and without a warning."""
    if COMPILER is None:
        pytest.skip("no compiler")
    source = ROOT / "mapreduce" / "native" / "native.c"
    flags = [
        "-std=c11",
        "-O2",
        "-pedantic",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-U__SSE2__",
        "-U__SIZEOF_INT128__",
    ]
    done = subprocess.run([COMPILER, *flags, "-c", str(source), "-o", str(tmp_path / "x.o")], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("part", sorted(path.name for path in (ROOT / "mapreduce" / "native").glob("*.h")))
def test_a_part_is_whole_by_itself(part: str, tmp_path: Path) -> None:
    if COMPILER is None:
        pytest.skip("no compiler")
    alone = tmp_path / "alone.c"
    alone.write_text(f'#include "{ROOT / "mapreduce" / "native" / part}"\n')
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", *(f"-Wno-unused-{what}" for what in ("function", "variable"))]
    flags.append("-Wno-unused-const-variable")
    done = subprocess.run([COMPILER, *flags, "-fsyntax-only", str(alone)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()

"""What is kept from stderr is shown where it matters: after an error, and after a crash."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROGRAM = """
import os, sys
from models.quiet import quiet
with quiet():
    os.write(2, b"a notice\\n")
    {then}
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("then", "code", "shown", "silent"),
    [
        ("pass", 0, "after", True),
        ("raise ValueError", 1, "a notice\nTraceback", False),
        ("os.abort()", -signal.SIGABRT, "a notice", False),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "a notice", False),
        ("sys.exit(3)", 3, "a notice", False),
    ],
)
def test_notices(then: str, code: int, shown: str, silent: bool) -> None:
    program = "import signal" + PROGRAM.format(then=then)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr.startswith(shown) and ("a notice" not in done.stderr) == silent


def test_tensorflow_says_nothing() -> None:
    program = "from models.quiet import import_tensorflow; print(import_tensorflow().__name__)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("tensorflow\n", "")

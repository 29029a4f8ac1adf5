"""Shared by all tests: run a job's script as a user does, on either executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A shell that runs the tests in the background has told them to ignore Ctrl-C, and the programs they start would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def run_job() -> Run:
    """Runs `python jobs/NAME.py ARGS`; fails the test on another exit code than `code`."""

    def run(
        name: str, *arguments: object, code: int = 0, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, str(ROOT / "jobs" / f"{name}.py"), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    return run

"""What the fuzzing tests share: mutations of real outputs, and the limits of time and memory that each has to keep."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = pytest.mark.parametrize("examples", [100, pytest.param(10_000, marks=pytest.mark.slow)])
PIECES = [
    *(bytes([byte]) for byte in b'\0\t\n\r ",:{}[]0\\/.\x7f\x80\xff'),
    *(
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\r\n",
        b"null",
        b"true",
        b"NaN",
        b"-1",
        b"1e999",
    ),
    *(b"9" * 30, b"9" * 5000, b"../", b"/etc/passwd", b"[" * 2000, b'{"a":' * 2000, b"\\ud800", b"\t\t", b"A" * 70_000),
]
"""What is put in; each means something to one of the formats."""
UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
Edit = tuple[int, float, float, bytes]


def edits() -> st.SearchStrategy[list[Edit]]:
    """A few changes: which, where, how far, and with what."""
    piece = st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))
    place = st.floats(0, 1)
    return st.lists(st.tuples(st.integers(0, 5), place, place, piece), min_size=1, max_size=4)


def mutate(data: bytes, changes: list[Edit]) -> bytes:
    """The data with the changes made, one after the other."""
    for kind, where, how_far, piece in changes:
        start = int(where * len(data))
        end = min(len(data), start + int(how_far * 40))
        if kind == 0:
            data = data[:start] + piece + data[start:]  # put in
        elif kind == 1:
            data = data[:start] + piece + data[end:]  # replace
        elif kind == 2:
            data = data[:start] + data[end:]  # take out
        elif kind == 3:
            data = data[:start]  # cut off
        elif kind == 4:
            data = data[:end] + data[start:]  # twice
        elif start < len(data):
            data = data[:start] + bytes([data[start] ^ (1 << int(how_far * 7))]) + data[start + 1 :]
    return data


def fuzz(examples: int, data: bytes, attempt: Callable[[bytes], None]) -> None:
    """Calls `attempt` with so many mutations of the data; each may take a second, and 100 MB."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(edits())
    def run(changes: list[Edit]) -> None:
        mutated = mutate(data, changes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # What takes long takes long again; Python's collection of garbage, or what else the process does, does not.
        assert any(_seconds(attempt, mutated) < 1 for _ in range(3))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < (100 << 20) // UNIT

    attempt(data)  # what is imported at the first call takes its time once
    run()


def _seconds(attempt: Callable[[bytes], None], data: bytes) -> float:
    """Seconds of this process's time that one attempt takes."""
    started = time.process_time()
    attempt(data)
    return time.process_time() - started

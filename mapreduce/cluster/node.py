"""A task on a node: runs it, says that it is alive, counts what it writes, and where it fails says where and why.

The driver reads what is said here out of the cluster's logs (`mapreduce.cluster.failures`) and counters. Local tasks do
not come here (`mapreduce.local.attempt`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.cluster.failures import MARK
from mapreduce.errors import UserError
from mapreduce.shuffle.lines import with_tabs

TASKS = ("--mapper", "--combiner", "--reducer")
SECONDS = 30.0
"""Between reports of a task's status: Hadoop kills a task that is silent for ten minutes."""
PARTS = "parts"
"""The counter group of the output's parts: `NNNNN SHA256`, in base64 to fit into 64 characters, and their bytes."""
MOST = 30  # parts that are counted; Hadoop allows 120 counters in a job, its own among them
_SHOWN = 200  # bytes of a record
_HELD = 1 << 16  # bytes of the output that are summed together


class Watched:
    """A task's input; remembers what was read last, whether as lines or as blocks."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pieces: list[bytes] = []
        self.before = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._stream:
            self.before += len(self._pieces)
            self._pieces = [line]
            yield line

    def read(self, size: int = -1) -> bytes:
        """As of a stream; a block begins here."""
        self.before += sum(piece.count(b"\n") for piece in self._pieces)
        data: bytes = self._stream.read(size)
        self._pieces = [data]
        return data

    def readline(self, size: int = -1) -> bytes:
        """As of a stream; the block's last line ends here."""
        data: bytes = self._stream.readline(size)
        self._pieces.append(data)
        return data

    def readlines(self, hint: int = -1) -> list[bytes]:
        """As of a stream: all lines that are left."""
        return list(self)

    @property
    def lines(self) -> list[bytes]:
        """The line, or the lines of the block, read last."""
        return b"".join(self._pieces).splitlines(True)


class Written:
    """A task's output; counts and sums the bytes that Hadoop writes for it: a line without a tab gets one at its end.

    Args:
        stream: where it goes.
        counts: whether it is a part.
    """

    def __init__(self, stream: Any, counts: bool) -> None:
        self._stream, self._counts = stream, counts
        self._size, self._sum, self._held = 0, hashlib.sha256(), 0
        self._pieces: list[bytes] = []  # not summed yet; mrjob writes a line and its end, which is a piece each

    def counted(self) -> tuple[str, int]:
        """The sha256 in base64 and the bytes."""
        self._count()
        return base64.urlsafe_b64encode(self._sum.digest()).rstrip(b"=").decode(), self._size

    def _count(self) -> None:
        lines, end, rest = b"".join(self._pieces).rpartition(b"\n")
        self._pieces, self._held = [rest], 0
        lines = with_tabs(lines + end)
        self._size += len(lines)
        self._sum.update(lines)

    def write(self, data: bytes) -> int:
        """As of a stream.

        Raises:
            UserError: there is a carriage return in them.
        """
        if b"\r" in data:
            around = data[max(0, data.index(b"\r") - 40) :][:50]
            raise UserError(
                "the job writes a carriage return (byte 13), at which Hadoop streaming would cut the line; use a "
                f"protocol that escapes it, as JSON does, or replace it. Received: {around!r}"
            )
        if self._counts:
            self._pieces.append(data)
            self._held += len(data)
            if self._held > _HELD:
                self._count()
        return int(self._stream.write(data))

    def flush(self) -> None:
        """As of a stream."""
        self._stream.flush()


def names_task(arguments: Iterable[str]) -> bool:
    """Whether a script's arguments name a task, which they do on a node."""
    return any(argument.partition("=")[0] in TASKS for argument in arguments)


def run_task(job_class: Any, arguments: list[str]) -> None:
    """Runs a task on a node; what it raises goes to stderr, in full and as one line for the driver.

    Raises:
        SystemExit: the task has failed.
    """
    threading.Thread(target=_report, daemon=True).start()
    watched: Watched | None = None
    job: Any = None
    try:
        job = job_class(arguments)
        job._stdin = watched = Watched(job.stdin)
        counts = _writes_part(job)
        job._stdout = written = Written(job.stdout, counts)
        job.execute()
        if counts:
            part = int(os.environ.get("mapreduce_task_partition", "0"))
            sha256, size = written.counted()
            job.increment_counter(PARTS, f"{part:05d} {sha256}", size)
    except Exception as error:
        sys.stderr.write(f"{error}\n" if isinstance(error, UserError) else traceback.format_exc())
        sys.stderr.flush()
        os.write(2, (said(error, job, watched) + "\n").encode("ascii"))
        sys.exit(1)


def said(error: Exception, job: Any = None, watched: Any = None) -> str:
    """The line that tells the driver what has failed a task, while it is handled.

    Args:
        watched: its input, with `lines` and `before` as of `Watched`.
    """
    known = isinstance(error, UserError)
    what = {"error": str(error) if known else traceback.format_exception_only(type(error), error)[-1].strip()}
    text = "" if known else traceback.format_exc()
    what.update(kind=type(error).__name__, traceback=text, **_place(job, watched))
    return MARK + json.dumps(what)


def _writes_part(job: Any) -> bool:
    """Whether the task's output is a part of the job's, and one of not too many."""
    options = job.options
    few = int(os.environ.get("mapreduce_job_reduces", MOST + 1)) <= MOST
    return bool(few and options.run_reducer and options.step_num == len(job.steps()) - 1)


def _report() -> None:
    silent = threading.Event()
    while not silent.wait(SECONDS):
        os.write(2, b"reporter:status:running\n")


def _place(job: Any, watched: Any) -> dict[str, Any]:
    """The file and the record that the task was at."""
    place: dict[str, Any] = {"node": os.uname().nodename}
    for name in ("file", "start"):
        place[name] = os.environ.get(f"mapreduce_map_input_{name}")
    if watched is None or not watched.lines:
        return place
    lines, number = watched.lines, 0
    if len(lines) > 1 and job.options.run_mapper:
        number, lines = _narrow(job.block_mapper(job.options.step_num), lines)
    if len(lines) == 1:
        record = lines[0][:_SHOWN].rstrip(b"\r\n").decode("utf-8", "replace")
        place.update(number=watched.before + number + 1, record=record)
    return place


def _narrow(map_blocks: Any, lines: list[bytes]) -> tuple[int, list[bytes]]:
    """Halves a block until one line is left that fails by itself; returns its number and it, or the whole block."""

    def fails(some: list[bytes]) -> bool:
        try:
            for _ in map_blocks([b"".join(some)]):
                pass
        except Exception:
            return True
        return False

    first, last = 0, len(lines)
    if map_blocks is None or not fails(lines):
        return 0, lines
    while last - first > 1:
        middle = (first + last) // 2
        if fails(lines[first:middle]):
            last = middle
        elif fails(lines[middle:last]):
            first = middle
        else:
            return 0, lines
    return first, lines[first:last]

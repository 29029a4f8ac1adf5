"""The standard streams of a task while it runs the job's code: counters in its words, and no words in its data.

Its input is `mapreduce.input.splits.Stream`; its output is what the attempt gives it (`mapreduce.local.attempt`).
"""

from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from mapreduce.output.manifest import Counters

_COUNTER = re.compile(rb"reporter:counter:([^,\n]*),([^,\n]*),(-?\d+)\r?\n?")


class CounterStream(io.BufferedIOBase):
    """A task's stderr: counter and status lines are taken out, all else passes on, as Hadoop streaming has it."""

    def __init__(self) -> None:
        self.counters: Counters = {}
        self._words = sys.stderr
        self._begun = b""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Takes bytes; a line may come in several pieces."""
        *lines, self._begun = (self._begun + bytes(data)).split(b"\n")
        for line in lines:
            self._take(line + b"\n")
        return len(data)

    def flush(self) -> None:
        """Passes on what has been begun and can be no counter's line."""
        if not b"reporter:".startswith(self._begun[:9]):
            self.close()

    def close(self) -> None:
        """Takes what no line end follows."""
        begun, self._begun = self._begun, b""
        self._take(begun)

    def _take(self, line: bytes) -> None:
        if found := _COUNTER.fullmatch(line):
            group, name = (text.decode("utf-8", "replace") for text in found.groups()[:2])
            names = self.counters.setdefault(group, {})
            names[name] = names.get(name, 0) + int(found[3])
        elif not line.startswith(b"reporter:status:"):
            self._words.write(line.decode("utf-8", "replace"))


class _Words(io.TextIOBase):
    """`sys.stderr` in a task: text for its `CounterStream`."""

    encoding = "utf-8"

    def __init__(self, buffer: CounterStream) -> None:
        self.buffer = buffer

    def write(self, text: str) -> int:
        self.buffer.write(text.encode("utf-8", "replace"))
        return len(text)

    def flush(self) -> None:
        self.buffer.flush()

    def reconfigure(self, **_: Any) -> None:
        """Nothing: its lines are what they are."""

    def fileno(self) -> int:
        return self.buffer._words.fileno()


class _Diverted(io.TextIOBase):
    """`sys.stdout` while a thread runs a task: what that prints is words, and what other threads print is theirs."""

    def __init__(self, before: Any) -> None:
        self._before, self._thread = before, threading.get_ident()

    def _target(self) -> Any:
        return sys.stderr if threading.get_ident() == self._thread else self._before

    def write(self, text: str) -> int:
        return int(self._target().write(text))

    def flush(self) -> None:
        self._target().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target(), name)


@contextmanager
def in_task(counters: CounterStream) -> Iterator[None]:
    """While the block runs the job's code: what it prints is words, and sys.exit(0) ends the task as it would end a
    process of its own, with what it has written by then."""
    with redirect_stderr(_Words(counters)), redirect_stdout(_Diverted(sys.stdout)):  # type: ignore[type-var]
        try:
            yield
        except SystemExit as end:
            if end.code:
                raise
        finally:
            counters.close()

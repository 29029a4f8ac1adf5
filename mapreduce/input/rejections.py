"""Samples of rejected lines: which ones are kept, and their way from the tasks, by the driver, to `_rejected`.

A task keeps its first ones (`Samples`). It knows its file, where its split begins and the number of a line within
that, and sends them as the name of a counter, the one thing that comes back from a task on every runner; Hadoop allows
names of 64 characters, so a file is named by a checksum. The driver takes the first ones of all tasks and turns them
into file and line (`locate`). Which lines are rejected, and why, `mapreduce.input.records` and the formats know.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from mapreduce.errors import RecordError
from mapreduce.flag_values import exceeds
from mapreduce.input.files import open_input, shown
from mapreduce.paths import absolute, is_remote

GROUP = "rejected samples"
NAME = "_rejected"
TASKS = 40
"""On Hadoop so many tasks send one sample each: it allows 120 counters in a job."""
INVALID = "used; invalid UTF-8"
"""The cause of the sample that is not of a rejected line: of the first text that is not UTF-8."""
_CHUNK = 1 << 20
_TEXT = 200  # bytes of a line that are shown


class Samples(list[tuple[int, str]]):
    """The samples of one task: (number of the line in its split, from 1, and cause).

    Args:
        keep: how many are kept, the first ones.
    """

    def __init__(self, keep: int) -> None:
        super().__init__()
        self._keep = keep
        self.invalid: list[tuple[int, str]] = []

    def offer(self, number: int, cause: str) -> None:
        """Keeps a rejected line, if there is room."""
        if len(self) < self._keep:
            self.append((number, cause))

    def note(self, number: int) -> None:
        """Keeps the first line that is used and not UTF-8."""
        if not self.invalid:
            self.invalid.append((number, INVALID))

    def counters(self, path: str, start: int, task: int) -> list[str]:
        """The names of the counters that a task sends for them.

        Args:
            path: of the file, as the runner names it.
            start: where the task's split begins.
            task: its number; of those on a cluster only the first `TASKS` send one sample each.
        """
        sent = self[: int(task < TASKS)] if is_remote(path) else self
        sent = [*sent, *self.invalid[: int(task < TASKS)]]
        return [f"{name_of(path)} {start} {number} {cause}" for number, cause in sent]


def name_of(path: str) -> str:
    """What a file is called in the name of a counter: a checksum of its path."""
    if path != "-":
        path = re.sub(r"^\w+://[^/]*", "", path) if "://" in path else absolute(path)
    return f"{zlib.crc32(path.encode('utf-8', 'surrogateescape')):08x}"


def locate(names: Iterable[str], files: Iterable[str], keep: int) -> list[dict[str, Any]]:
    """Says where the first `keep` samples are: dicts of `cause`, `file` and either `line` and `text`, or `start` and
    `record` where the file is not on this machine."""
    paths = {name_of(shown(path)): path for path in files}
    order = {name: i for i, name in enumerate(paths)}
    samples = []
    for text in names:
        name, begin, line, cause = text.split(" ", 3)
        samples.append((order.get(name, len(order)), int(begin), int(line), paths.get(name, "-"), cause))
    found = []
    samples = sorted(samples)[:keep]
    for path in dict.fromkeys(sample[3] for sample in samples):
        places = [(start, number) for _, start, number, owner, _ in samples if owner == path]
        lines = _lines(path, places) if os.path.isfile(absolute(path)) else {}
        for _, start, number, owner, cause in samples:
            if owner == path:
                where = lines.get((start, number), {"start": start, "record": number})
                found.append({"cause": cause, "file": shown(path), **where})
    return found


def _lines(path: str, places: list[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Any]]:
    """The number in the file and the beginning of the n-th line that begins at `start` or later, for (start, n)."""
    found: dict[tuple[int, int], dict[str, Any]] = {}
    first: dict[int, int] = {}  # start -> number of the first line of the split
    waiting = sorted(places, reverse=True)
    with open_input(path) as file:
        offset, line, begins = 0, 0, True
        for chunk in iter(partial(file.readline, _CHUNK), b""):
            line += begins
            while begins and waiting and offset >= waiting[-1][0]:
                start, number = waiting[-1]
                if line != first.setdefault(start, line) + number - 1:
                    break
                text = chunk[:_TEXT].rstrip(b"\r\n").decode("utf-8", "replace")
                found[waiting.pop()] = {"line": line, "text": text}
            if not waiting:
                break
            offset += len(chunk)
            begins = chunk.endswith(b"\n")
    return found


def encode(located: Iterable[dict[str, Any]]) -> bytes:
    """The bytes of `_rejected`: one JSON object a line."""
    return b"".join(json.dumps(entry, sort_keys=True).encode("ascii") + b"\n" for entry in located)


def explain(format: str, rejected: Counter[str], records: int) -> str:
    """One line on what was rejected, the three most common causes first."""
    most = sorted(rejected.items(), key=lambda entry: (-entry[1], entry[0]))[:3]
    causes = ", ".join(f"{cause} ({n})" for cause, n in most)
    return f"{sum(rejected.values())} of {records} lines are no {format} records: {causes}"


def unclosed(line: str) -> RecordError:
    """The error of a quote that is never closed: what it swallows is no record, however few may be rejected."""
    return RecordError(f"{line}; close it, or give --quotes no where quotes are characters like any other")


def invalid(texts: int, used: int) -> str:
    """One line on texts that are used and are not UTF-8."""
    return (
        f"{texts} of {used} texts are not UTF-8 and are used as they are; where it is another encoding "
        "give it, as --encoding cp1252 or latin-1"
    )


def where(located: Iterable[dict[str, Any]]) -> str:
    """Where the first rejected line is, to stand behind `explain`; "" where nothing was located."""
    first = next(iter(located), None)
    line = f", line {first['line']}" if first and "line" in first else ""
    return f"; the first: {first['file']}{line}" if first else ""


def check(format: str, found: dict[str, int], rejected: Counter[str], most: float, line: str) -> None:
    """Holds the counters of the records against each other and against --max-rejected.

    Args:
        found: the counters `in`, `used` and `other split`.
        most: how many may be rejected: a number, or as a float a share of all.
        line: what to say where it is more.

    Raises:
        RecordError: more were rejected, or the counters do not add up.
    """
    total = found.get("in", 0)
    left = found.get("used", 0) + found.get("other split", 0) + sum(rejected.values())
    if left != total:
        raise RecordError(f"{total} records were read and {left} used or rejected: some were lost; run the job again")
    if exceeds(sum(rejected.values()), total, most):
        raise RecordError(
            f"{line}; more than --max-rejected {most}; see data/README.md for the formats and give --format where "
            "the suffix says too little, mend the lines, or give a higher --max-rejected"
        )

"""Executors: run a list of tasks in this process, or each attempt in a forked child, and collect their results.

A child inherits all that the driver has imported, sends its result through a pipe as JSON and exits. A task that
fails or whose child is killed is tried again, four times in all as on Hadoop; an error of the user's input is not.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapreduce.errors import RecordError, TaskError, UserError

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A task: `run(attempt)` does it; `name` says what it is and what it reads, for errors."""

    name: str
    run: Callable[[int], Result]


Executor = Callable[[list[Task], int, Callable[[int], None]], list[Result]]


def run_inline(tasks: list[Task], attempts: int, done: Callable[[int], None]) -> list[Result]:
    """Runs the tasks one by one in this process; an exception passes through with its traceback."""
    results = []
    for number, task in enumerate(tasks):
        results.append(task.run(0))
        done(number)
    return results


def forked(processes: int) -> Executor:
    """An executor with up to `processes` children at a time."""

    def run(tasks: list[Task], attempts: int, done: Callable[[int], None]) -> list[Result]:
        return _Forked(tasks, attempts, done).run(processes)

    return run


class _Forked:
    def __init__(self, tasks: list[Task], attempts: int, done: Callable[[int], None]) -> None:
        self._tasks, self._attempts, self._done = tasks, attempts, done
        self._results: list[Result] = [{} for _ in tasks]
        self._waiting = [(number, 0) for number in reversed(range(len(tasks)))]
        self._children: dict[int, tuple[int, int, int, list[bytes]]] = {}  # pipe -> pid, task, attempt, data
        self._selector = selectors.DefaultSelector()

    def run(self, processes: int) -> list[Result]:
        try:
            while self._waiting or self._children:
                while self._waiting and len(self._children) < processes:
                    self._start(*self._waiting.pop())
                for key, _ in self._selector.select():
                    self._read(key.fd)
        finally:
            for pid, *_ in self._children.values():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            self._selector.close()
        return self._results

    def _start(self, number: int, attempt: int) -> None:
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            _child(self._tasks[number], attempt, write_end)
        os.close(write_end)
        self._children[read_end] = (pid, number, attempt, [])
        self._selector.register(read_end, selectors.EVENT_READ)

    def _read(self, pipe: int) -> None:
        pid, number, attempt, data = self._children[pipe]
        if piece := os.read(pipe, 1 << 16):
            data.append(piece)
            return
        self._selector.unregister(pipe)
        os.close(pipe)
        del self._children[pipe]
        _, status = os.waitpid(pid, 0)
        result = json.loads(b"".join(data)) if status == 0 and data else None
        if result is not None and "error" not in result:
            self._results[number] = result
            self._done(number)
        elif result is not None and result["code"]:
            raise (RecordError if result["code"] == RecordError.exit_code else UserError)(result["error"])
        elif attempt + 1 < self._attempts:
            self._waiting.append((number, attempt + 1))
        else:
            self._fail(number, attempt, status, result)

    def _fail(self, number: int, attempt: int, status: int, result: Result | None) -> None:
        if result is not None:
            sys.stderr.write(result["error"])
            why = result["error"].strip().rpartition("\n")[2]
        else:
            number_of_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            why = f"killed by signal {number_of_signal}" if number_of_signal else f"exit status {status >> 8}"
        raise TaskError(f"{self._tasks[number].name} failed in all of {attempt + 1} attempts: {why}")


def _child(task: Task, attempt: int, pipe: int) -> None:
    """Runs the task and leaves without the driver's exit handlers."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.dup2(2, 1)  # whatever the job prints is words, not data
    try:
        result = task.run(attempt)
    except UserError as error:
        result = {"error": str(error), "code": error.exit_code}
    except BaseException:  # the driver decides what becomes of it
        result = {"error": traceback.format_exc(), "code": 0}
    data = json.dumps(result).encode("ascii")
    while data:
        data = data[os.write(pipe, data) :]
    sys.stderr.flush()
    os._exit(0)

"""Executors: run a list of tasks in this process, or each attempt in a child process, and collect their results.

A forked child inherits all that the driver has imported; a driver with more than one thread, which must not fork,
starts fresh interpreters instead (`mapreduce.local.interpreter`). A child sends its progress and its result through a
pipe. A task that fails or whose child is killed is tried again, as often as it is told; an error of the user's input
is not. Children die with the driver, and with them whatever they have started.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mapreduce.errors import RecordError, TaskError, UserError

Result = dict[str, Any]
Report = Callable[[int], None]


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: what it is and what it reads, for errors.
        run: does an attempt, by its number from 0; tells how much it has done through the second argument.
        command: starts an attempt in a fresh interpreter: its arguments, environment and working directory.
    """

    name: str
    run: Callable[[int, Report], Result]
    command: Callable[[int], tuple[list[str], dict[str, str], str]]


Meanwhile = Callable[[], None]
Executor = Callable[[list[Task], int, Report, Meanwhile], list[Result]]


def run_inline(tasks: list[Task], attempts: int, report: Report, meanwhile: Meanwhile) -> list[Result]:
    """Runs the tasks one by one in this process; an exception passes through with its traceback."""
    try:
        results = [task.run(0, report) for task in tasks]
        meanwhile()
        return results
    except OSError as error:
        raise full_disk(error) or error from None


def in_children(processes: int) -> Executor:
    """An executor with up to `processes` children at a time; the first of them run while `meanwhile` does."""

    def run(tasks: list[Task], attempts: int, report: Report, meanwhile: Meanwhile) -> list[Result]:
        return _Children(tasks, attempts, report).run(processes, meanwhile)

    return run


def threads() -> int:
    """Number of threads of this process, those that are not Python's included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def full_disk(error: OSError) -> UserError | None:
    """The user's error where a disk is full or a file may grow no more."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return None
    where = f" for {error.filename}" if error.filename else ""
    return UserError(f"{os.strerror(error.errno)}{where}; make space, or give --output-dir on another disk")


@dataclass
class _Child:
    number: int
    attempt: int
    pid: int
    process: subprocess.Popen[bytes] | None
    data: bytearray = field(default_factory=bytearray)
    reported: int = 0


class _Children:
    def __init__(self, tasks: list[Task], attempts: int, report: Report) -> None:
        self._tasks, self._attempts, self._report = tasks, attempts, report
        self._results: list[Result] = [{} for _ in tasks]
        self._waiting = [(number, 0) for number in reversed(range(len(tasks)))]
        self._children: dict[int, _Child] = {}  # by the read end of its pipe
        self._selector = selectors.DefaultSelector()
        self._fork = hasattr(os, "fork") and threads() == 1
        # The driver alone holds the write end: its death is the end of file that children wait for.
        self._lifeline, self._held = os.pipe()

    def run(self, processes: int, meanwhile: Meanwhile) -> list[Result]:
        try:
            self._start_some(processes)
            meanwhile()
            while self._waiting or self._children:
                self._start_some(processes)
                for key, _ in self._selector.select():
                    self._read(key.fd)
        finally:
            os.close(self._held)
            for pipe, child in self._children.items():
                _kill(child.pid)
                _reap(child)
                os.close(pipe)
            self._selector.close()
            os.close(self._lifeline)
        return self._results

    def _start_some(self, processes: int) -> None:
        while self._waiting and len(self._children) < processes:
            self._start(*self._waiting.pop())

    def _start(self, number: int, attempt: int) -> None:
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        process = None
        if self._fork:
            pid = os.fork()
            if pid == 0:
                os.close(self._held)
                attend(lambda report: self._tasks[number].run(attempt, report), write_end, self._lifeline)
        else:
            arguments, environment, folder = self._tasks[number].command(attempt)
            process = subprocess.Popen(
                [*arguments, str(write_end), str(self._lifeline)],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                pass_fds=(write_end, self._lifeline),
            )
            pid = process.pid
        os.close(write_end)
        self._children[read_end] = _Child(number, attempt, pid, process)
        self._selector.register(read_end, selectors.EVENT_READ)

    def _read(self, pipe: int) -> None:
        child = self._children[pipe]
        if piece := os.read(pipe, 1 << 16):
            child.data += piece
            self._take_reports(child)
            return
        self._selector.unregister(pipe)
        os.close(pipe)
        del self._children[pipe]
        status = _reap(child)
        result = json.loads(child.data) if status == 0 and child.data else None
        if result is not None and "error" not in result:
            self._results[child.number] = result
            return
        if result is not None and result["code"]:
            raise (RecordError if result["code"] == RecordError.exit_code else UserError)(result["error"])
        self._report(-child.reported)
        if child.attempt + 1 < self._attempts:
            self._waiting.append((child.number, child.attempt + 1))
        else:
            self._fail(child, status, result)

    def _take_reports(self, child: _Child) -> None:
        while child.data.startswith(b"+") and (end := child.data.find(b"\n")) > 0:
            amount = int(child.data[1:end])
            del child.data[: end + 1]
            child.reported += amount
            self._report(amount)

    def _fail(self, child: _Child, status: int, result: Result | None) -> None:
        if result is not None:
            sys.stderr.write(result["error"])
            why = result["error"].strip().rpartition("\n")[2]
        else:
            why = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise TaskError(f"{self._tasks[child.number].name} failed in all of {child.attempt + 1} attempts: {why}")


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While the block runs SIGTERM ends it as Ctrl-C does, so that what it made is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _kill(pid: int) -> None:
    """Kills a child with all it has started; its group may not be there yet, or no more."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _reap(child: _Child) -> int:
    """Waits for a child; its exit status, or minus the number of the signal that killed it."""
    if child.process is not None:
        return child.process.wait()
    return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])


def attend(run: Callable[[Report], Result], pipe: int, lifeline: int) -> None:
    """What a child does: runs an attempt, sends its result, and exits without the driver's exit handlers."""
    try:
        os.setpgid(0, 0)  # a group of its own, so that what it starts ends with it
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
        os.dup2(2, 1)  # whatever the job prints is words, not data
        result = run(lambda amount: _send(pipe, b"+%d\n" % amount))
    except UserError as error:
        result = {"error": str(error), "code": error.exit_code}
    except BaseException as error:  # the driver decides what becomes of it
        full = full_disk(error) if isinstance(error, OSError) else None
        result = {"error": str(full) if full else traceback.format_exc(), "code": full.exit_code if full else 0}
    _send(pipe, json.dumps(result).encode("ascii"))
    sys.stderr.flush()
    os._exit(0)


def _send(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)

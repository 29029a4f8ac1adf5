"""Executors: run a list of tasks in this process, or each attempt in a child process, and collect their results.

A forked child inherits all that the driver has imported; a driver with several threads, which must not fork, starts
fresh interpreters instead (`mapreduce.local.interpreter`). A child sends its progress and its result through a
pipe, and is done with its result, whoever else holds the pipe. A task that fails or whose child is killed is tried
again, as often as it is told; an error of the user's input is not. Children die with the driver, and with them whatever
they have started.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mapreduce.command import limit, to_nowhere
from mapreduce.errors import RecordError, TaskError, UserError
from mapreduce.paths import current_folder

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


LOOK = 0.5
"""Seconds of silence after which the executor looks whether a child has died."""
Meanwhile = Callable[[], None]
Executor = Callable[[list[Task], int, Report, Meanwhile], list[Result]]


def run_inline(tasks: list[Task], attempts: int, report: Report, meanwhile: Meanwhile) -> list[Result]:
    """Runs the tasks one by one in this process; an exception passes through with its traceback."""
    results = []
    for task in tasks:
        try:
            results.append(task.run(0, report))
        except SystemExit as end:
            raise TaskError(f"{task.name} failed: it ended itself by sys.exit({end.code!r})") from None
    meanwhile()
    return results


def in_children(processes: int) -> Executor:
    """An executor with up to `processes` children at a time; the first of them run while `meanwhile` does."""

    def run(tasks: list[Task], attempts: int, report: Report, meanwhile: Meanwhile) -> list[Result]:
        return _Children(tasks, attempts, report).run(processes, meanwhile)

    return run


def no_process(error: Exception) -> UserError:
    """The user's error where the system lets no more processes or threads begin."""
    return UserError(f"{error}: no more processes may begin; allow more (ulimit -u), or give fewer --num-cores")


FORKABLE = {"numpy", "scipy", "pandas", "sklearn", "yaml", "PIL", "regex", "ujson", "simplejson", "rapidjson"}
"""Packages with native code that may be forked: the threads of their linear algebra are stopped before a fork."""


def can_fork() -> bool:
    """Whether this process can be forked: it has one thread of Python's, and no others but of `FORKABLE` packages."""
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return False
    try:
        if len(os.listdir("/proc/self/task")) == 1:
            return True
    except OSError:
        pass
    files = {
        name.partition(".")[0]: str(getattr(module, "__file__", ""))
        for name, module in list(sys.modules.items())
        if str(getattr(module, "__file__", "")).endswith(".so")
    }
    return all("site-packages" not in file or name.lstrip("_") in FORKABLE for name, file in files.items())


one_task = threading.RLock()
"""Held by the thread whose task this process is, and while what tasks change of the process is looked at."""


@contextmanager
def as_task(folder: str, environment: dict[str, str], path: list[str]) -> Iterator[None]:
    """While the block runs, this process is a task's: current folder, environment and `sys.path`, one thread at a time.

    What commands print that the task starts is words too, where this program has one thread; where it has more, the
    others may be printing data.
    """
    with one_task:
        before, path_before = dict(os.environ), list(sys.path)
        stdout = os.dup(1) if threading.active_count() == 1 else None
        try:
            if stdout is not None:
                _divert(2)
            os.environ.update(environment)
            sys.path[:0] = path
            with current_folder(folder):
                yield
        finally:
            if stdout is not None:
                _divert(stdout)
                os.close(stdout)
            os.environ.clear()
            os.environ.update(before)
            sys.path[:] = path_before


def _divert(descriptor: int) -> None:
    """Has what is printed from now on go where another file descriptor does."""
    _flush()
    os.dup2(descriptor, 1)


def _flush() -> None:
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()


@dataclass
class _Child:
    number: int
    attempt: int
    pid: int
    process: subprocess.Popen[bytes] | None
    data: bytearray = field(default_factory=bytearray)
    reported: int = 0
    result: Result | None = None


class _Children:
    def __init__(self, tasks: list[Task], attempts: int, report: Report) -> None:
        self._tasks, self._attempts, self._report = tasks, attempts, report
        self._results: list[Result] = [{} for _ in tasks]
        self._waiting = [(number, 0) for number in reversed(range(len(tasks)))]
        self._children: dict[int, _Child] = {}  # by the read end of its pipe
        self._selector = selectors.DefaultSelector()
        self._fork = can_fork()
        # The driver alone holds the write end: its death is the end of file that children wait for.
        self._lifeline, self._held = os.pipe()

    def run(self, processes: int, meanwhile: Meanwhile) -> list[Result]:
        try:
            self._start_some(processes)
            meanwhile()
            while self._waiting or self._children:
                self._start_some(processes)
                ready = self._selector.select(LOOK)
                for key, _ in ready:
                    self._read(key.fd)
                if not ready:
                    self._look()
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
            try:
                self._start(*self._waiting[-1])
            except OSError as error:
                is_process = isinstance(error, BlockingIOError)
                if self._children and (is_process or limit(error)):
                    return  # it goes on with those that there are
                raise no_process(error) if is_process else error from None
            self._waiting.pop()

    def _start(self, number: int, attempt: int) -> None:
        read_end, write_end = os.pipe()
        process = None
        try:
            _flush()
            if self._fork:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of other threads; see can_fork
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
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._children[read_end] = _Child(number, attempt, pid, process)
        self._selector.register(read_end, selectors.EVENT_READ)

    def _read(self, pipe: int) -> None:
        child = self._children[pipe]
        piece = os.read(pipe, 1 << 16)
        child.data += piece
        self._take_messages(child)
        if not piece or child.result is not None:
            self._end(pipe)

    def _look(self) -> None:
        """Ends children that have died while something that they had started holds their pipe open."""
        for pipe, child in list(self._children.items()):
            if _is_dead(child) and not self._selector.select(0):
                self._end(pipe)

    def _end(self, pipe: int) -> None:
        self._selector.unregister(pipe)
        os.close(pipe)
        child = self._children.pop(pipe)
        _kill(child.pid)  # whatever it has started ends with it, as with a task of Hadoop's
        status, result = _reap(child), child.result
        if result is not None and "error" not in result:
            self._results[child.number] = result
            return
        if result is not None and result["code"]:
            raise (RecordError if result["code"] == RecordError.exit_code else UserError)(result["error"])
        self._report(-child.reported)
        if child.attempt + 1 < self._attempts:
            self._waiting.append((child.number, child.attempt + 1))
        else:
            self._fail(child, status)

    def _take_messages(self, child: _Child) -> None:
        *messages, child.data = child.data.split(b"\n")
        for message in messages:
            if message.startswith(b"+"):
                child.reported += int(message)
                self._report(int(message))
            else:
                child.result = json.loads(message)

    def _fail(self, child: _Child, status: int) -> None:
        if child.result is not None:
            sys.stderr.write(child.result["error"])
            why = child.result["error"].strip().rpartition("\n")[2]
        else:
            why = f"killed by signal {-status}" if status < 0 else f"it ended itself with exit status {status}"
        raise TaskError(f"{self._tasks[child.number].name} failed in all of {child.attempt + 1} attempts: {why}")


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """While the block runs SIGTERM ends it as Ctrl-C does, so that what it made is removed, and children can be waited
    for whatever the program that started this one has said about SIGCHLD."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[signal.Signals, Any] = {signal.SIGTERM: signal.default_int_handler, signal.SIGCHLD: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill(pid: int) -> None:
    """Kills a child with all it has started; its group may not be there yet, or no more."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _is_dead(child: _Child) -> bool:
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _reap(child: _Child) -> int:
    """Waits for a child; its exit status, or minus the number of the signal that killed it."""
    if child.process is not None:
        return child.process.wait()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    except ChildProcessError:  # nobody waits for children here: SIGCHLD is ignored
        return 0


def attend(run: Callable[[Report], Result], pipe: int, lifeline: int) -> None:
    """What a child does: runs an attempt, sends its result, and exits without the driver's exit handlers."""
    try:
        os.setpgid(0, 0)  # a group of its own, so that what it starts ends with it
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (pipe, lifeline):
            os.set_inheritable(descriptor, False)
        try:
            threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
        except RuntimeError as error:
            raise no_process(error) from None
        os.dup2(2, 1)  # whatever the job prints is words, not data
        to_nowhere(0)  # and the driver's standard input is not a task's
        result = run(lambda amount: _send(pipe, b"+%d\n" % amount))
    except UserError as error:
        result = {"error": str(error), "code": error.exit_code}
    except BaseException as error:  # the driver decides what becomes of it
        known = limit(error) if isinstance(error, OSError) else None
        result = {"error": str(known) if known else traceback.format_exc(), "code": known.exit_code if known else 0}
    _flush()
    _send(pipe, json.dumps(result).encode("ascii") + b"\n")
    os._exit(0)


def _send(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)

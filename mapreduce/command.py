"""The outer edge that all commands share: how they are called, what --help ends with, and what a user sees of an error.

Nothing else catches what a user can mend. A traceback means a fault of ours, or of the user's own job.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import io
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from mapreduce.errors import UserError

featuremill: str | None = None
"""The subcommand, where the installed command `featuremill` has started the program."""

EXTRAS = {
    "numpy": "predict",
    "tensorflow": "models",
    "keras": "models",
    "PIL": "images",
    "ai_edge_litert": "lite",
    "pyarrow": "files",
    "matplotlib": "plots",
    "pyspark": "spark",
    "tensorboard": "plots",
}
"""Packages that not every installation has, and the extra that brings them."""


def called(otherwise: str) -> str:
    """How the user has called the program: `featuremill NAME`, or `otherwise`."""
    return f"featuremill {featuremill}" if featuremill else otherwise


def line() -> list[str]:
    """The command line as the user has typed it, to be shown again with something added."""
    return ["featuremill", featuremill, *sys.argv[1:]] if featuremill else ["python", *sys.argv]


def missing(package: str) -> UserError:
    """The error of a package that is not installed, with the line to type."""
    extra = EXTRAS[package]
    return UserError(f"{package} is not installed; run: pip install 'featuremill[{extra}]'")


def installed(package: str) -> bool:
    """Whether a package is there to be imported. Does not import it."""
    return importlib.util.find_spec(package) is not None


def require(package: str) -> None:
    """Raises UserError, with the line to type, where a package is not installed. Does not import it."""
    if not installed(package):
        raise missing(package)


def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Ends the program with one line on stderr about its arguments, and exit code 2."""
    parser.exit(UserError.exit_code, f"{parser.prog}: {message}; see {parser.prog} --help\n")


def files_named(arguments: Sequence[str]) -> list[str]:
    """Arguments without `--`: what stands behind it are files, whatever they are called.

    Example:
        >>> files_named(["-q", "--", "-r", "a"])
        ['-q', './-r', 'a']
    """
    if "--" not in arguments:
        return list(arguments)
    at = list(arguments).index("--")
    behind = [f"./{path}" if path.startswith("-") and path != "-" else path for path in arguments[at + 1 :]]
    return [*arguments[:at], *behind]


class Parser(argparse.ArgumentParser):
    """An argument parser whose error is one line.

    Args:
        program: what is typed to call it, `python -m models.train` for one.
        description: what it does.
        examples: what may stand behind `program`, a line each; --help ends with them.
    """

    def __init__(self, program: str, description: str, *examples: str) -> None:
        prog = called(program)
        super().__init__(
            prog=prog,
            description=description,
            epilog="\n".join(["Example:" if len(examples) == 1 else "Examples:", *(f"  {prog} {e}" for e in examples)]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Flags may stand before, between and behind files."""
        return self.parse_intermixed_args(files_named(sys.argv[1:] if args is None else args), namespace)

    def error(self, message: str) -> NoReturn:
        """Ends the program with one line on stderr and exit code 2."""
        refuse(self, message)


def run(
    name: str, work: Callable[[], int | None], *, interrupted: str = "interrupted", runs_users_code: bool = False
) -> int:
    """Does a command's work; what the user can mend is one line on stderr.

    Args:
        name: of the command, before the line.
        work: returns the exit code; None is 0.
        interrupted: what is said at Ctrl-C.
        runs_users_code: whether an OSError may come from the user's own code, whose traceback is wanted then.

    Returns:
        The exit code.
    """
    try:
        _use_streams()
        _need_current_folder()
        code = work() or 0
        with printing():
            pass
        return code
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        print(f"{name}: {missing(error.name)}", file=sys.stderr)
        return UserError.exit_code
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        to_nowhere(1)
        return 0
    except OSError as error:
        known = limit(error)
        if known is None and runs_users_code:
            raise
        print(f"{name}: {known or unusable(error)}", file=sys.stderr)
        return UserError.exit_code
    except KeyboardInterrupt:
        print(f"{name}: {interrupted}", file=sys.stderr)
        return 130


def _started() -> tuple[list[str], str]:
    try:
        return list(sys.argv), os.getcwd()
    except FileNotFoundError:  # which is said later
        return list(sys.argv), os.sep


STARTED = _started()
"""The arguments and the folder that the program began with, for a script that is imported once more."""
replays = False
"""Whether the script is imported once more, for a task: where it would run its job, that is over."""


class Replayed(BaseException):
    """The end of a script that is imported for a task: what comes from here on is the driver's."""


closed: set[int] = set()
"""Of the file descriptors 0, 1 and 2 those that were closed when the program began."""


def _use_streams() -> None:
    """Puts something in the place of standard streams that are closed, so that no file that is opened takes it: an end
    of input, an output that fails, and words that nobody hears."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            os.set_inheritable(os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY), True)
    try:
        os.write(2, b"")
    except OSError:  # a full disk takes no words, and no data is lost with them
        to_nowhere(2)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), line_buffering=True)


def _need_current_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise UserError("the current folder is no longer there; change to another one") from None


def environment() -> dict[str, str]:
    """That of a process of ours: with the project on the path where it is not installed."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, path] if path else [root])}


@contextmanager
def printing() -> Iterator[None]:
    """While the block prints results, and for what was printed before it: all of it is written when the block ends.

    Raises:
        UserError: standard output takes nothing; what is still to be written there is let go.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        to_nowhere(1)
        why = "it is closed" if 1 in closed else (error.strerror or str(error)).lower()
        raise UserError(f"standard output: {why}; the result was not written there") from None


def to_nowhere(descriptor: int) -> None:
    """Has a standard stream end in nothing, or begin there."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


_SPACE = "make space, or write to another disk (--output-dir)"
_LIMITS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _SPACE),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "allow more open files (ulimit -n), or give fewer --num-cores"),
}


def limit(error: OSError) -> UserError | None:
    """The user's error where the system has no more to give: of space on a disk, or of open files."""
    if error.errno not in _LIMITS:
        return None
    where = f" for {error.filename}" if error.filename else ""
    return UserError(f"{os.strerror(error.errno)}{where}; {_LIMITS[error.errno]}")


def unusable(error: OSError) -> UserError:
    """The user's error where a file or a folder cannot be used: its name, and what the system says."""
    where = f"{os.fspath(error.filename)}: " if isinstance(error.filename, (str, os.PathLike)) else ""
    return UserError(f"{where}{(error.strerror or str(error)).lower()}; give another path, or mend this one")


def _reader_is_gone() -> bool:
    """Whether nobody reads stdout any more: `head`, say, has seen enough."""
    poll = select.poll()
    poll.register(1, 0)
    return any(found & (select.POLLERR | select.POLLHUP) for _, found in poll.poll(0))

"""Paths as users write them, of this machine or of a cluster; the one place where one becomes absolute, and the one
that changes the current folder."""

from __future__ import annotations

import os
import re
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def is_remote(path: str | None) -> bool:
    """Whether a path is on one of the cluster's file systems.

    Example:
        >>> is_remote("hdfs:///books"), is_remote("hdfs:/books"), is_remote("file:/books"), is_remote("a:b")
        (True, True, False, False)
    """
    found = _SCHEME.match(str(path or ""))
    return found is not None and found[1].lower() != "file"


def plain(path: str) -> str:
    """A path without file: or file:// before it.

    Example:
        >>> plain("file:///books"), plain("file:/books"), plain("books")
        ('/books', '/books', 'books')
    """
    return path.removeprefix("file://") if path.startswith("file://") else re.sub(r"^file:(?=/)", "", path)


def written_here(text: str) -> Path:
    """Parses the path of what a command writes to this machine.

    Raises:
        ArgumentTypeError: it is on another file system.
    """
    if is_remote(text):
        raise ArgumentTypeError(f"this is written to a disk of this machine. Received: {text}")
    return Path(plain(text))


def absolute(path: str) -> str:
    """A path of this machine as it is from the root, without file://; one on a cluster stays as it is.

    A task changes its working directory, so whatever it or a runner opens has passed here once. In a program of several
    threads, one of which runs a task here, the others are where the program is.
    """
    if is_remote(path):
        return path
    with _moving:
        here = _task[1] if _task is not None and _task[0] != threading.get_ident() else ""
        return os.path.abspath(os.path.join(here, plain(path)))


_moving = threading.Lock()
_task: tuple[int, str] | None = None
"""The thread that runs a task in this process, and the folder of the program."""


@contextmanager
def current_folder(folder: str) -> Iterator[None]:
    """While the block runs, this thread runs a task in a folder. One thread at a time."""
    global _task
    before, here = _task, os.open(".", os.O_RDONLY)
    try:
        with _moving:
            _task = threading.get_ident(), os.getcwd()
            os.chdir(folder)
        yield
    finally:
        with _moving:
            os.fchdir(here)
            _task = before
        os.close(here)

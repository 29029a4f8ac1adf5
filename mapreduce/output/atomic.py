"""The one way to write a file or a folder: beside its place, to the disk, and then into it by one rename.

Whoever looks sees the old one or the new one, whole, also after a crash or a power failure. What is being written
stands in `NAME._temporary.KEY`, and its writer holds a lock on that, which ends when the writer does, in whatever way:
the next writer to the same place removes what nobody holds. What stands in a file is not this module's affair.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

MARK = "._temporary."
_OLD = "old."


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that becomes `path` when the block ends; where the block fails nothing has happened.

    A link is followed, and a device or a pipe is written to as it is.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode) and not os.path.isdir(target):
        with open(target, "wb") as file:
            yield file
        return
    _remove_dead(target)
    temporary = f"{target}{MARK}{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            _lock(file.fileno(), wait=True)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        if os.path.lexists(temporary):
            os.remove(temporary)
        raise
    _sync(os.path.dirname(target))


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[str]:
    """A folder to fill that becomes `path` when the block ends, in place of an earlier one; or nothing has happened."""
    target = os.path.abspath(path)
    folder, lock = temporary_folder(target, str(os.getpid()))
    try:
        filled = os.path.join(folder, "output")
        os.mkdir(filled)
        yield filled
        publish(filled, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def publish(folder: str, path: str) -> None:
    """Renames a folder to `path` once all of it is on the disk; an earlier folder of that name is removed."""
    for place, _, names in os.walk(folder):
        for name in names:
            _sync(os.path.join(place, name))
        _sync(place)
    if os.path.isdir(path) and not os.path.islink(path):
        old, held = f"{path}{MARK}{_OLD}{os.getpid()}", os.open(path, os.O_RDONLY)
        try:
            _lock(held, wait=True)  # while nothing is at `path` nobody else puts it back
            os.rename(path, old)
            os.rename(folder, path)
            shutil.rmtree(old, ignore_errors=True)
        finally:
            os.close(held)
    else:
        if os.path.lexists(path):
            os.remove(path)
        os.rename(folder, path)
    _sync(os.path.dirname(path))


def _sync(path: str) -> None:
    """Has a file or a folder written to the disk, where its file system can."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def temporary_folder(path: str, key: str) -> tuple[str, int]:
    """Makes `PATH._temporary.KEY` and removes those that dead writers left; an earlier folder that one of them had
    taken away, and not put its own in place, is put back.

    Returns:
        The folder, and a file descriptor to close when it is removed: it holds the lock.
    """
    path = path.rstrip(os.sep)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    _remove_dead(path)
    folder = path + MARK + key
    while True:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        _lock(lock, wait=True)
        if os.path.exists(folder) and os.path.samestat(os.fstat(lock), os.stat(folder)):
            return folder, lock
        os.close(lock)  # taken for a dead writer's just before it was locked


def _remove_dead(path: str) -> None:
    """Removes what writers to a path that are no more have left beside it."""
    parent, prefix = os.path.dirname(path) or ".", os.path.basename(path) + MARK
    for name in sorted(os.listdir(parent)):
        if not name.startswith(prefix):
            continue
        left = os.path.join(parent, name)
        try:
            lock = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # another writer has removed it
        try:
            if _lock(lock, wait=False):
                _remove(left, path, is_old=name.startswith(prefix + _OLD))
        finally:
            os.close(lock)


def _remove(left: str, path: str, is_old: bool) -> None:
    try:
        if is_old and not os.path.lexists(path):
            os.rename(left, path)
        elif os.path.isdir(left):
            shutil.rmtree(left, ignore_errors=True)
        else:
            os.remove(left)
    except OSError:
        pass  # another writer was faster


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    except OSError:
        return wait  # a file system without locks: nothing is removed there

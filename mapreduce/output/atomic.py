"""The one way to write a file or a folder: beside its place, to the disk, and then into it by one rename.

Whoever looks sees the old one or the new one, whole, also after a crash or a power failure. What is being written
stands in a private folder, `NAME._temporary.KEY`, of a random key and with the mode 0700. Its writer holds a lock on a
file in it, which ends when the writer does, in whatever way: the next writer to the same place removes what nobody
holds, and nothing else. What stands in a file is not this module's affair.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

MARK = "._temporary."
_KEY = re.compile(r"[0-9a-f]{16}")
_LOCK = ".mapreduce-lock"
_NEW, _OLD = "output", "old"
_LONGEST = 200  # bytes of a name; systems allow 255
_until_exit = ExitStack()
atexit.register(_until_exit.close)


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
    with beside(target) as folder:
        filled = os.path.join(folder, _NEW)
        with open(filled, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(filled, target)
        _sync(os.path.dirname(target))


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file."""
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[str]:
    """A folder to fill that becomes `path` when the block ends, in place of an earlier one; or nothing has happened."""
    target = os.path.abspath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with beside(target) as folder:
        filled = os.path.join(folder, _NEW)
        os.mkdir(filled)
        yield filled
        publish(filled, target)


def publish(folder: str, path: str) -> None:
    """Renames a folder to `path` once all of it is on the disk; an earlier folder of that name is removed.

    Args:
        folder: stands in a folder that `temporary_folder` has made, which the earlier one is put into meanwhile.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            _sync(os.path.join(place, name))
        _sync(place)
    if os.path.isdir(path) and not os.path.islink(path):
        old = os.path.join(os.path.dirname(folder), _OLD)
        os.rename(path, old)
        os.rename(folder, path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        if os.path.lexists(path):
            os.remove(path)
        os.rename(folder, path)
    _sync(os.path.dirname(path))


def _sync(path: str) -> None:
    """Has a file or a folder written to the disk, where its file system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            return  # a link, or something else that holds nothing itself
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def scratch() -> str:
    """A private folder among the system's temporary files, which goes when the program ends."""
    return _until_exit.enter_context(beside(os.path.join(tempfile.gettempdir(), "mapreduce")))


@contextmanager
def beside(path: str) -> Iterator[str]:
    """A private folder beside a path, which goes when the block ends."""
    folder, lock = temporary_folder(path)
    try:
        yield folder
    finally:
        remove(folder)
        os.close(lock)


def temporary_folder(path: str) -> tuple[str, int]:
    """Makes `PATH._temporary.KEY` and removes those that dead writers left; an earlier folder that one of them had
    taken away, and not put its own in place, is put back.

    Returns:
        The folder, and a file descriptor that holds the lock: close it when the folder is removed (`remove`).
    """
    _remove_dead(path)
    while True:
        folder = _start(path) + os.urandom(8).hex()
        os.mkdir(folder, 0o700)
        if (lock := _take(folder)) is not None:
            return folder, lock


def _start(path: str) -> str:
    """What the names of temporary folders for a path begin with; a long name is cut, so that there is room for more."""
    parent, name = os.path.split(path)
    known = os.fsencode(name)
    if len(known) > _LONGEST:
        name = os.fsdecode(known[:_LONGEST]) + f".{zlib.crc32(known):08x}"
    return os.path.join(parent, name) + MARK


def _take(folder: str) -> int | None:
    """Locks a new folder; None where another writer has taken it for a dead one's in that moment."""
    place = os.path.join(folder, _LOCK)
    try:
        lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.path.samestat(os.fstat(lock), os.lstat(place))
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    except OSError:
        is_ours = True  # a file system without locks: nothing is removed there
    if not is_ours:
        os.close(lock)
    return lock if is_ours else None


def remove(folder: str) -> None:
    """Removes a temporary folder, its lock last: what cannot be removed now is still known for ours later."""
    with os.scandir(folder) as found:
        entries = [entry for entry in found if entry.name != _LOCK]
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):
                os.remove(entry.path)
    if os.listdir(folder) == [_LOCK]:
        os.remove(os.path.join(folder, _LOCK))
        with suppress(FileNotFoundError):  # without a lock it may be taken for a dead writer's
            os.rmdir(folder)


def _remove_dead(path: str) -> None:
    """Removes what writers to a path that are no more have left beside it."""
    parent, prefix = os.path.dirname(path) or ".", os.path.basename(_start(path))
    for name in sorted(os.listdir(parent)):
        if name.startswith(prefix) and _KEY.fullmatch(name[len(prefix) :]):
            folder = os.path.join(parent, name)
            try:
                if _is_private(folder):
                    _remove_if_dead(folder, path)
            except OSError:
                pass  # another writer was faster


def _is_private(folder: str) -> bool:
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_mode & 0o777 == 0o700 and status.st_uid == os.getuid()


def _remove_if_dead(folder: str, path: str) -> None:
    try:
        lock = os.open(os.path.join(folder, _LOCK), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        os.rmdir(folder)  # its writer has died before it could lock it; one that is not empty is none of ours
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        old = os.path.join(folder, _OLD)
        if os.path.isdir(old) and not os.path.lexists(path):
            os.rename(old, path)
        remove(folder)
    finally:
        os.close(lock)

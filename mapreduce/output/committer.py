"""The output committer: parts appear under their names only when whole, and the output directory by one rename.

A job works in a folder beside its output, `OUT._temporary.<job>`, on the same file system. It writes the parts,
the manifest, `_SUCCESS`, and renames. Until then nothing that looks like an output exists. A driver holds a lock on
its folder, which ends when it does, in whatever way: the next one removes folders that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import manifest

MARK = "._temporary."


def refuse_existing(directory: str) -> None:
    """Raises UserError where the output is there already, as Hadoop does."""
    if os.path.lexists(directory):
        raise UserError(f"{directory}: output already exists; remove it or give another --output-dir")
    parent = os.path.dirname(os.path.abspath(directory))
    while not os.path.exists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK):
        raise UserError(f"{directory}: cannot be written: {parent} is not a folder that you may write to")


def make_temporary_folder(directory: str, job: str) -> tuple[str, int]:
    """Makes the folder beside the output in which the job works, and removes those that dead drivers left.

    Returns:
        the folder, and a file descriptor to close when it is removed.
    """
    prefix = f"{directory.rstrip(os.sep)}{MARK}"
    parent = os.path.dirname(prefix) or "."
    os.makedirs(parent, exist_ok=True)
    for name in sorted(os.listdir(parent)):
        if name.startswith(os.path.basename(prefix)):
            _remove_if_dead(os.path.join(parent, name))
    folder = prefix + job
    while True:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY)
        _lock(lock, wait=True)
        if os.path.exists(folder) and os.path.samestat(os.fstat(lock), os.stat(folder)):
            return folder, lock
        os.close(lock)  # taken for a dead driver's just before it was locked


def _remove_if_dead(folder: str) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return  # another driver has removed it
    try:
        if _lock(lock, wait=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return True
    except OSError:
        return wait  # a file system without locks: nothing is removed there


def commit_part(written: str, directory: str, number: int) -> None:
    """Renames what an attempt has written to part-NNNNN; a second attempt's replaces the first's, being equal."""
    os.rename(written, os.path.join(directory, f"part-{number:05d}"))


def commit_job(parts: str, directory: str, description: dict[str, Any], beside: dict[str, bytes]) -> None:
    """Writes the files that stand beside the parts, the manifest and `_SUCCESS`, and renames the folder to the output
    directory."""
    for name, data in beside.items():
        with open(os.path.join(parts, name), "wb") as file:
            file.write(data)
    manifest.write(parts, description)
    if os.path.abspath(parts) != os.path.abspath(directory):
        refuse_existing(directory)
        os.rename(parts, directory)


def copy_manifest(parts: str, path: str) -> None:
    """Puts a copy of the manifest of an output into a file, whole or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        shutil.copyfile(os.path.join(parts, manifest.NAME), f"{path}._temporary")
        os.replace(f"{path}._temporary", path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None

"""The output committer: parts appear under their names only when whole, and the output directory by one rename.

A job works in a folder beside its output (`mapreduce.output.atomic`). It writes the parts, the manifest and `_SUCCESS`
there; until it is renamed nothing that looks like an output exists.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from mapreduce.errors import PathError
from mapreduce.output import atomic, manifest


def refuse_existing(directory: str) -> None:
    """Raises UserError where the output is there already, as Hadoop does."""
    if os.path.lexists(directory):
        raise PathError(f"{directory}: output already exists; give another --output-dir")
    parent = os.path.dirname(directory)
    while not os.path.exists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK):
        raise PathError(f"{directory}: cannot be written: {parent} is not a folder that you may write to")


def commit_part(written: str, directory: str, number: int) -> None:
    """Renames what an attempt has written to part-NNNNN; a second attempt's replaces the first's, being equal."""
    os.rename(written, os.path.join(directory, f"part-{number:05d}"))


def commit_job(parts: str, directory: str, description: dict[str, Any], beside: dict[str, bytes]) -> None:
    """Writes the files that stand beside the parts, the manifest and `_SUCCESS`, and renames the folder to the output
    directory."""
    for name, data in beside.items():
        atomic.write(os.path.join(parts, name), data)
    manifest.write(parts, description)
    if parts != directory:
        refuse_existing(directory)
        atomic.publish(parts, directory)


def cat(directory: str) -> Iterator[bytes]:
    """What the parts in a folder hold, in blocks."""
    for name in sorted(os.listdir(directory)):
        if name.startswith("part-"):
            with open(os.path.join(directory, name), "rb") as file:
                while block := file.read(1 << 20):
                    yield block


def copy_manifest(parts: str, path: str) -> None:
    """Puts a copy of the manifest of an output into a file.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with open(os.path.join(parts, manifest.NAME), "rb") as file:
            atomic.write(path, file.read())
    except OSError as error:
        raise PathError(f"{path}: cannot be written: {error.strerror or error}") from None

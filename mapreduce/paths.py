"""Paths as users write them, of this machine or of a cluster; the one place where one becomes absolute."""

from __future__ import annotations

import os

_HERE = "file://"


def is_remote(path: str | None) -> bool:
    """Whether a path is on one of the cluster's file systems."""
    return bool(path) and "://" in str(path) and not str(path).startswith(_HERE)


def plain(path: str) -> str:
    """A path without file:// before it.

    Example:
        >>> plain("file:///books"), plain("books")
        ('/books', 'books')
    """
    return path.removeprefix(_HERE)


def absolute(path: str) -> str:
    """A path of this machine as it is from the root, without file://; one on a cluster stays as it is.

    A task changes its working directory, so whatever it or a runner opens has passed here once.
    """
    return path if is_remote(path) else os.path.abspath(plain(path))

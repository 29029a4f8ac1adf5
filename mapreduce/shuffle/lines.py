"""Lines of the shuffle, `key TAB value`: their keys, and the tab that a line without one gets.

Bytes in, bytes out; what becomes of values is the business of `mapreduce.shuffle.sums`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

LONG = 1 << 16
_TABLESS = re.compile(rb"^[^\t\n]*(?=\n)", re.MULTILINE)


def long_run(path: str, longest: int) -> str:
    """The path of a run, which says the size of its longest line where that is much, for who merges it."""
    return f"{path}.{longest}" if longest > LONG else path


def longest_line(runs: Iterable[str]) -> int:
    """The most that the paths of runs say.

    Example:
        >>> longest_line(["spill-00000", long_run("spill-00001", 1_000_000)])
        1000000
    """
    said = (os.path.splitext(run)[1][1:] for run in runs)
    return max((int(size) for size in said if size.isdigit()), default=LONG)


def key_of(line: bytes) -> bytes:
    """The key of a line: all before its first tab.

    Example:
        >>> key_of(b"cat\\t2\\t1")
        b'cat'
    """
    return line.partition(b"\t")[0]


def with_tabs(lines: bytes) -> bytes:
    """Lines, each with a tab: at the end of those that had none, as Hadoop reads and writes them.

    Example:
        >>> with_tabs(b"cat\\ndog\\t1\\n")
        b'cat\\t\\ndog\\t1\\n'
    """
    return _TABLESS.sub(rb"\g<0>\t", lines) if _TABLESS.search(lines) else lines

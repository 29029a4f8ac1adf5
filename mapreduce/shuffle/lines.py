"""Lines of the shuffle, `key TAB value`: their keys, and the tab that a line without one gets.

Bytes in, bytes out; what becomes of values is the business of `mapreduce.shuffle.sums`.
"""

from __future__ import annotations

import re

_TABLESS = re.compile(rb"^[^\t\n]*(?=\n)", re.MULTILINE)


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

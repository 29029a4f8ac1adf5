"""Which tokens become a vocabulary: ranks counted tokens for the shuffle and takes the best of them.

Used by the second step of `jobs/vocabulary.py`. The number of documents travels as the token b"", which is no
token and whose key comes first, so that fractions of it can be taken in one pass.
"""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mapreduce.errors import UserError

_LARGEST = 10**18


def add_selection_arguments(add: Callable[..., Any]) -> None:
    """Declares the flags through a job's `add_passthru_arg`."""
    add("--top-k", type=int, help="at most so many tokens")
    add("--min-count", type=int, default=1, help="leave out tokens of a lower term frequency")
    add("--min-df", type=count_or_share, default=1, help="leave out tokens of fewer documents; 2, or 0.01 of them")
    add("--max-df", type=count_or_share, default=1.0, help="leave out tokens of more documents; 100, or 0.5 of them")


def count_or_share(text: str) -> float | int:
    """Parses "2" as a count and "0.01" as a share."""
    value = float(text) if "." in text else int(text)
    if value < 0 or (isinstance(value, float) and value > 1):
        raise ArgumentTypeError(f"a count, or a share from 0.0 to 1.0. Received: {text}")
    return value


def rank_key(token: bytes, counts: bytes) -> bytes:
    """A key whose byte order is descending term frequency; the number of documents comes first."""
    if not token:
        return b""
    return b"%018d" % (_LARGEST - 1 - int(counts.partition(b"\t")[0]))


class Selection:
    """Takes tokens, in the order of `rank_key`, until there are enough."""

    def __init__(self, top_k: int | None, min_count: int, min_df: float, max_df: float) -> None:
        if top_k is not None and top_k < 1:
            raise UserError(f"--top-k must be at least 1. Received: {top_k}")
        self._left = top_k if top_k is not None else _LARGEST
        self._min_count, self._min_df, self._max_df = min_count, min_df, max_df
        self._documents = 0

    @classmethod
    def from_options(cls, options: Namespace) -> Selection:
        """By the flags."""
        return cls(options.top_k, options.min_count, options.min_df, options.max_df)

    def take(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The selected tokens `(token, tf TAB df)` of one term frequency, descending by bytes."""
        if not key:
            self._documents = sum(int(value.split(b"\t")[1]) for value in values)
            self._min_df, self._max_df = map(self._absolute, (self._min_df, self._max_df))
            return
        tokens = sorted((tuple(value.split(b"\t")) for value in values), reverse=True)
        for token, tf, df in tokens:
            if self._left and int(tf) >= self._min_count and self._min_df <= int(df) <= self._max_df:
                self._left -= 1
                yield token, tf + b"\t" + df

    def _absolute(self, bound: float) -> float:
        return bound * self._documents if isinstance(bound, float) else bound

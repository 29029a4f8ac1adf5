"""The combiners and reducers of the counting jobs: `add`, which sums the columns of integers behind a key, and its kin.

A job says `combiner = add` and `reducer = add`. Addition is associative and commutative, so it does not matter how
often a combiner runs. A runner knows these functions, and may do their work itself while it sorts and merges (see
`mapreduce.shuffle.combine`). `in_order` adds nothing and sorts the values of a key. Keys are never sorted here. What
is held of a key are its sums, never its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce.shuffle.memory import sorted_lines


def add(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yields the key with the sums of its columns.

    Args:
        job: the job, unused; `add` is a method of it.
        key: the key.
        values: integers separated by tabs, as many in every value.
    """
    yield key, add_columns(values)


def add_columns(values: Iterable[bytes]) -> bytes:
    """Sums columns of integers between tabs.

    Example:
        >>> add_columns([b"1\\t2", b"10\\t20"])
        b'11\\t22'
    """
    values = iter(values)
    first = next(values)
    if b"\t" not in first:
        return b"%d" % (int(first) + sum(map(int, values)))
    totals = list(map(int, first.split(b"\t")))
    for value in values:
        totals = [a + b for a, b in zip(totals, map(int, value.split(b"\t")))]
    return b"\t".join(b"%d" % total for total in totals)


def add_labelled(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Like `add` for values `label TAB columns`: yields the key with every label, in order, and its sums."""
    by_label: dict[bytes, list[int]] = {}
    for value in values:
        label, _, columns = value.partition(b"\t")
        more = map(int, columns.split(b"\t"))
        totals = by_label.get(label)
        by_label[label] = list(more) if totals is None else [a + b for a, b in zip(totals, more)]
    for label in sorted(by_label):
        yield key, label + b"".join([b"\t%d" % total for total in by_label[label]])


def add_histograms(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Like `add` for values `documents TAB tokens TAB length:documents length:documents ...`."""
    lengths = Counter[int]()

    def columns() -> Iterator[bytes]:
        for value in values:
            sums, _, histogram = value.rpartition(b"\t")
            for entry in histogram.split():
                length, _, documents = entry.partition(b":")
                lengths[int(length)] += int(documents)
            yield sums

    sums = add_columns(columns())
    entries = b" ".join(b"%d:%d" % entry for entry in sorted(lengths.items()))
    yield key, sums + b"\t" + entries


def add_frequent(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Like `add_labelled`; leaves a key out whose last columns sum to less than the job's --min-df."""
    found = list(add_labelled(job, key, values))
    if sum(int(value.rpartition(b"\t")[2]) for _, value in found) >= job.options.min_df:
        yield from found


def in_order(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yields the key with each of its values, sorted."""
    for value in sorted_lines(values):
        yield key, value

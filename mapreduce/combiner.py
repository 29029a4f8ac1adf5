"""The combiners and reducers of the counting jobs: `add`, which sums the columns of integers behind a key, and its kin.

A job says `combiner = add` and `reducer = add`. Addition is associative and commutative, so it does not matter how
often a combiner runs. A runner knows these functions, and may do their work itself while it sorts and merges, in
the native library where there is one; `kind` tells it which is which. Any other function is called as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from mapreduce import native

LEAST = -(1 << 63)


def add(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yields the key with the sums of its columns.

    Args:
        job: the job, unused; `add` is a method of it.
        key: the key.
        values: integers separated by tabs, as many in every value.
    """
    yield key, add_columns(values)


def add_columns(values: Iterable[bytes]) -> bytes:
    """Sums values like b"1\\t2" column by column."""
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
    by_label: dict[bytes, list[bytes]] = {}
    for value in values:
        label, _, columns = value.partition(b"\t")
        by_label.setdefault(label, []).append(columns)
    for label in sorted(by_label):
        yield key, label + b"\t" + add_columns(by_label[label])


def add_histograms(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Like `add` for values `documents TAB tokens TAB length:documents length:documents ...`."""
    columns, lengths = [], Counter[int]()
    for value in values:
        sums, _, histogram = value.rpartition(b"\t")
        columns.append(sums)
        for entry in histogram.split():
            length, _, documents = entry.partition(b":")
            lengths[int(length)] += int(documents)
    entries = b" ".join(b"%d:%d" % entry for entry in sorted(lengths.items()))
    yield key, add_columns(columns) + b"\t" + entries


def add_frequent(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Like `add_labelled`; leaves a key out whose last columns sum to less than the job's --min-df."""
    found = list(add_labelled(job, key, values))
    if sum(int(value.rpartition(b"\t")[2]) for _, value in found) >= job.options.min_df:
        yield from found


def in_order(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yields the key with each of its values, sorted."""
    for value in sorted(values):
        yield key, value


def kind(job: Any, step: int, task: str) -> tuple[int, int] | None:
    """What the native library calls a step's combiner or reducer, with the least sum that it keeps.

    None where it cannot do their work: another function, one before or after it, or a protocol that changes bytes.
    """
    methods = job.steps()[step]
    function = getattr(methods[task], "__func__", methods[task])
    if function is None:
        return native.AS_IS, LEAST
    if methods[f"{task}_init"] or methods[f"{task}_final"]:
        return None
    if any(type(protocol).__name__ != "BytesProtocol" for protocol in job._pick_protocol_instances(step, task)):
        return None
    if function is add_frequent:
        return native.ADD_LABELLED, job.options.min_df
    known = {add: native.ADD, add_labelled: native.ADD_LABELLED, in_order: native.IN_ORDER}
    return (known[function], LEAST) if function in known else None


def key_of(line: bytes) -> bytes:
    """The key of a line: all before its first tab."""
    return line.partition(b"\t")[0]


def add_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`add` over lines `key TAB value` that are sorted by key, without line ends."""
    for key, group in groupby(lines, key_of):
        same = list(group)
        if len(same) == 1:
            yield same[0]
        else:
            cut = len(key) + 1
            yield key + b"\t" + add_columns([line[cut:] for line in same])


class PairCombiner:
    """Combines a Python mapper's pairs before they are encoded: what the shuffle would do to them, without the lines.

    Only where that makes no difference: the protocol is mrjob's standard JSON, which gives strings and numbers back as
    they were, and the combiner has nothing before or after it. Other pairs go to the shuffle as they are.
    """

    PAIR = 100  # bytes that a value takes, its place in a list included

    def __init__(self, mapper: Any, combiner: Any, step: int) -> None:
        self._mapper, self._combiner, self._step = mapper, combiner, step

    @classmethod
    def of(cls, mapper: Any, combiner: Any, step: int) -> PairCombiner | None:
        """The combiner of pairs of a step, or None where it might make a difference."""
        methods = combiner.steps()[step]
        protocols = [mapper._pick_protocol_instances(step, "mapper")[1]]
        protocols += combiner._pick_protocol_instances(step, "combiner")
        if any(type(protocol).__name__ != "StandardJSONProtocol" for protocol in protocols):
            return None
        if methods["combiner_init"] or methods["combiner_final"] or methods["mapper_raw"] or mapper.sort_values():
            return None
        return None if mapper.block_mapper(step) else cls(mapper, combiner, step)

    def run(self, lines: Iterable[bytes], output: Any, counters: Any, memory: int) -> None:
        """Runs the mapper over lines of input; writes lines."""
        for job in (self._mapper, self._combiner):
            job.sandbox(stdin=lines, stdout=output, stderr=counters)
        read_lines, write_line = self._mapper._wrap_protocols(self._step, "mapper")
        plain = frozenset((int, str, float, bool, type(None)))
        groups: dict[str, list[Any]] = {}
        find = groups.get
        most = max(1, memory // self.PAIR)
        room = most
        for key, value in self._mapper.map_pairs(read_lines(), self._step):
            if type(key) is not str or type(value) not in plain:
                write_line(key, value)
                continue
            group = find(key)
            if group is None:
                groups[key] = [value]
                room -= 3
            else:
                group.append(value)
                room -= 1
            if room < 0:
                self._flush(groups, write_line)
                room = most
        self._flush(groups, write_line)

    def _flush(self, groups: dict[str, list[Any]], write_line: Callable[[Any, Any], None]) -> None:
        combine = self._combiner.steps()[self._step]["combiner"]
        for key in sorted(groups):
            for pair in combine(key, iter(groups[key])) or ():
                write_line(*pair)
        groups.clear()

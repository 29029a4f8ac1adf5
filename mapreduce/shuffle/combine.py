"""What a runner does with a step's combiner and reducer: which of them the native library knows, and combining early.

`kind` recognises the functions of `mapreduce.shuffle.sums`, whose work is then done while lines are sorted and merged,
in the native library where there is one. `PairCombiner` runs any other combiner over a Python mapper's pairs before
they are encoded. Any other function is called as it is, over sorted lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Any

from mapreduce.native import library as native
from mapreduce.shuffle.lines import key_of
from mapreduce.shuffle.sums import add, add_columns, add_frequent, add_labelled, in_order

LEAST = -(1 << 63)


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
    if function is in_order and methods["combiner"]:  # which would not keep the order of values that was sorted by
        return None
    known = {add: native.ADD, add_labelled: native.ADD_LABELLED, in_order: native.IN_ORDER}
    return (known[function], LEAST) if function in known else None


def add_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`add` over lines `key TAB value` that are sorted by key, without line ends."""
    for key, group in groupby(lines, key_of):
        some = list(islice(group, 2))
        if len(some) == 1:
            yield some[0]
        else:
            cut = len(key) + 1
            yield key + b"\t" + add_columns(line[cut:] for line in chain(some, group))


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
        try:
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
        except SystemExit as end:  # what was yielded by then is output
            if end.code:
                raise
        self._flush(groups, write_line)

    def _flush(self, groups: dict[str, list[Any]], write_line: Callable[[Any, Any], None]) -> None:
        combine = self._combiner.steps()[self._step]["combiner"]
        for key in sorted(groups):
            for pair in combine(key, iter(groups[key])) or ():
                write_line(*pair)
        groups.clear()

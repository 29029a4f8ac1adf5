"""Finds frequent item sets of baskets, and with --confidence the rules among them.

A basket is a line of items between white space (or --separator); with --rows each record is one item, a basket's name
its label and the item its text: lines `basket TAB item`, or --label-field and --text-field of a table. A line of the
output has the set, how many baskets hold it, and their share; with --confidence antecedent, consequent, support,
confidence, lift, leverage and conviction. A round before counts the items.

Input:   bread milk
         bread milk eggs
         eggs
Output:  ["bread"]	2	0.6666666666666666        (--support 0.5)
         ["bread", "milk"]	2	0.6666666666666666
         ["eggs"]	2	0.6666666666666666
         ["milk"]	2	0.6666666666666666
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from itertools import chain, groupby

from mapreduce.basketjob import BasketJob
from mapreduce.flag_values import number, whole
from mapreduce.input.rows import escape, join, unescape
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.methods import itemsets
from mapreduce.methods.itemsets import ItemSet
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, LONG, TEXT, write


class ItemSets(BasketJob):
    __doc__ = __doc__
    KIND = "itemsets"
    EXAMPLE = "python jobs/itemsets.py -r local --support 0.01 --confidence 0.5 baskets.txt"

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--support", type=number(0, 1.0000001), default=0.01, help="share of the baskets (default: 0.01)")
        add("--longest", type=whole(1, 100), default=10, help="items of a set, at most (default: 10)")
        add("--max-sets", type=whole(1), default=1_000_000, help="fail at more sets of an item (default: 1000000)")
        add("--confidence", type=number(0, 1.0000001), help="print the rules of this confidence in place of sets")

    def basket_steps(self, mapper: object) -> list[MRStep]:
        found = [MRStep(mapper=mapper, reducer=reduced_in_blocks(self.find_sets))]
        if self.options.confidence is not None:
            one = {"mapreduce.job.reduces": "1"}
            found.append(MRStep(mapper=in_blocks(iter), reducer=reduced_in_blocks(self.find_rules), jobconf=one))
        return found

    def map_baskets(self, baskets: list[set[bytes]]) -> Iterator[bytes]:
        """For each frequent item of a basket a line `item TAB numbers` of those that are more frequent."""
        numbers, names = self.frequent_items
        lines, written = [], [b"%d" % number for number in range(len(names))]
        frequent = numbers.keys()
        for basket in baskets:
            before = b""
            for rank in sorted([numbers[item] for item in basket & frequent]):
                lines.append(b"%s\t%s\n" % (written[rank], before))
                before += written[rank] + b" "
        yield b"".join(lines)

    @cached_property
    def least(self) -> int:
        """The baskets that have to hold a set."""
        return itemsets.least_of(self.options.support, self.counts[0])

    @cached_property
    def frequent_items(self) -> tuple[dict[bytes, int], list[bytes]]:
        """The frequent items by name and by number."""
        return self.numbered(self.least)

    def find_sets(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: for each item the frequent sets in which it is the least frequent one."""
        options, names = self.options, self.frequent_items[1]
        for key, baskets in _by_key(blocks):
            last = names[int(key)]
            alone: list[tuple[ItemSet, int]] = [((), len(baskets))]
            found = []
            more = itemsets.frequent(baskets, self.least, options.longest - 1, options.max_sets)
            for others, n in chain(alone, more):
                items = tuple(sorted([*(names[int(number)] for number in others), last]))
                found.append(b"%s\t%d\t%s\n" % (escape(itemsets.key_of(items)), n, write(n / self.counts[0])))
            yield b"".join(sorted(found))

    def find_rules(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The last reducer with --confidence: of all frequent sets makes the rules."""
        lines = (line.split(b"\t") for block in blocks for line in block.split(b"\n")[:-1])
        counts = {itemsets.items_of(unescape(key)): int(n) for key, n, _ in lines}
        least = Fraction(str(self.options.confidence))
        for rule in itemsets.rules(counts, self.counts[0], least):
            numbers = (rule.support, rule.confidence, rule.lift, rule.leverage, rule.conviction)
            sets = (itemsets.key_of(rule.antecedent), itemsets.key_of(rule.consequent))
            yield join([*sets, *map(write, numbers)]) + b"\n"

    @property
    def output_schema(self) -> Schema:
        if self.options.confidence is None:
            return Schema((Column("items", TEXT), Column("count", LONG), Column("support", DOUBLE)))
        names = ("support", "confidence", "lift", "leverage", "conviction")
        return Schema((Column("antecedent"), Column("consequent"), *(Column(name, DOUBLE) for name in names)))


def _by_key(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, list[list[bytes]]]]:
    """The values of each key, split at white space, of blocks of lines in order of their keys."""
    lines = (line for block in blocks for line in block.split(b"\n")[:-1])
    for key, same in groupby(lines, lambda line: line[: line.index(b"\t")]):
        begin = len(key) + 1
        yield key, [line[begin:].split() for line in same]


if __name__ == "__main__":
    ItemSets.run()

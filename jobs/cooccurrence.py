"""Finds for every item those that occur with it: how many baskets (users) hold both, and how alike the two are.

A record is an item of a basket: `basket TAB item`, or --label-field and --text-field of a table. A line has an item,
another one, the baskets that hold both, and the score, best first; ties go by the item.

Input:   ann	tea
         ann	milk
         bob	tea
         bob	milk
         bob	rum
Output:  milk	tea	2	1.0
         milk	rum	1	0.7071067811865475
         ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from heapq import nsmallest

from mapreduce.basketjob import BasketJob
from mapreduce.flag_values import whole
from mapreduce.input.rows import join
from mapreduce.job import MRStep
from mapreduce.methods.likeness import COSINE, MEASURES
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, LONG, TEXT, write

_GROUP = "baskets"  # of counters


class Cooccurrence(BasketJob):
    __doc__ = __doc__
    KIND = "cooccurrence"
    EXAMPLE = "python jobs/cooccurrence.py -r local --score llr --top 10 ratings.tsv"
    ROWS = True

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--score", choices=MEASURES, default=COSINE, help="what orders the others (default: cosine)")
        add("--top", type=whole(1), default=20, help="of each item so many others (default: 20)")
        add("--min-count", type=whole(1), default=1, help="leave out items of fewer baskets (default: 1)")
        add("--max-items", type=whole(2), default=1000, help="leave out baskets of more items (default: 1000)")

    def basket_steps(self, mapper: object) -> list[MRStep]:
        return [MRStep(mapper=mapper, reducer=self.find_alike)]

    @cached_property
    def items(self) -> tuple[dict[bytes, int], list[bytes]]:
        """The items by name and by number."""
        return self.numbered(self.options.min_count)

    def map_baskets(self, baskets: list[set[bytes]]) -> Iterator[bytes]:
        """For each item of a basket a line `item TAB numbers` of all items in it (Lin's stripes)."""
        numbers, left_out = self.items[0], 0
        for basket in baskets:
            if len(basket) > self.options.max_items:
                left_out += 1
                continue
            ranks = [b"%d" % rank for rank in sorted([numbers[item] for item in basket & numbers.keys()])]
            stripe = b" ".join(ranks)
            yield b"".join([b"%s\t%s\n" % (rank, stripe) for rank in ranks])
        if left_out:
            self.increment_counter(_GROUP, "left out (--max-items)", left_out)

    def find_alike(self, key: bytes, stripes: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        (baskets, counts), names = self.counts, self.items[1]
        measure, one, together = MEASURES[self.options.score], names[int(key)], Counter[bytes]()
        for stripe in stripes:
            together.update(stripe.split())
        del together[key]
        scored = []
        for number, both in together.items():
            other = names[int(number)]
            scored.append((-measure(both, counts[one], counts[other], baskets), other, both))
        for score, other, both in nsmallest(self.options.top, scored):
            yield join([one]), join([other, b"%d" % both, write(-score)])

    @property
    def output_schema(self) -> Schema:
        return Schema((Column("item", TEXT), Column("other", TEXT), Column("count", LONG), Column("score", DOUBLE)))


if __name__ == "__main__":
    Cooccurrence.run()

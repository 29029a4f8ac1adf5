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

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from itertools import chain, groupby
from typing import Any

from mapreduce.errors import RecordError
from mapreduce.features.counting import count_documents
from mapreduce.flag_values import number, whole
from mapreduce.input.formats.format import FIELD_FLAGS, Format, Layout, laid_out
from mapreduce.input.rows import escape, join, unescape
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.methods import itemsets
from mapreduce.methods.itemsets import ItemSet
from mapreduce.output.manifest import RECORDS
from mapreduce.output.manifest import Counters as Counted
from mapreduce.recordjob import RecordJob
from mapreduce.shuffle.sums import add
from mapreduce.tables import schema as schemas
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, LONG, TEXT, write
from mapreduce.tokens.specification import preset
from mapreduce.tokens.tokenizer import Tokenizer

_BASKETS = b""
"""The key of the number of baskets, among those of item sets."""


class ItemSets(RecordJob):
    __doc__ = __doc__
    KIND = "itemsets"
    EXAMPLE = "python jobs/itemsets.py -r local --support 0.01 --confidence 0.5 baskets.txt"
    SETTLED = ("text_field", "label_field", "counts", *RecordJob.SETTLED)
    UNUSUAL = SETTLED

    def configure_args(self) -> None:
        super().configure_args()
        add_flag, driver = self.add_passthru_arg, self.add_driver_arg
        for option, about in FIELD_FLAGS.items():
            driver(option, **about)
        driver("--columns", help="columns of a table: text,label,count, from 0; default: read from its header")
        add_flag("--rows", action="store_true", help="a record is an item of a basket, and no line of items")
        add_flag("--separator", help="between the items of a line (default: white space)")
        add_flag("--support", type=number(0, 1.0000001), default=0.01, help="share of the baskets (default: 0.01)")
        add_flag("--longest", type=whole(1, 100), default=10, help="items of a set, at most (default: 10)")
        add_flag("--max-sets", type=whole(1), default=1_000_000, help="fail at more sets (default: 1000000)")
        add_flag("--confidence", type=number(0, 1.0000001), help="print the rules of this confidence in place of sets")
        driver("--counts", file=True, help="the items' counts: the output of --count-items (default: found out)")
        add_flag("--count-items", action="store_true", help="only count the items, and the baskets")

    @property
    def layout(self) -> Layout:
        return laid_out(vars(self.options), strict=self.options.strict, labelled=self.options.rows)

    def check_format(self, format: type[Format]) -> None:
        """Raises UserError where a record has no name of a basket, and needs one."""
        if self.options.rows and not format.labelled:
            raise RecordError("--rows wants records of a basket and an item, and text has none; give --format tsv")

    def settle(self) -> None:
        super().settle()
        options = self.options
        if not options.count_items and options.counts is None:
            options.counts = self.kept(self.round("--count-items"))

    def steps(self) -> list[MRStep]:
        gather = [MRStep(mapper=in_blocks(self.map_items), reducer=self.gather)] if self.options.rows else []
        mapper = in_blocks(self.map_gathered if gather else self.map_blocks)
        if self.options.count_items:
            return [*gather, MRStep(mapper=mapper, combiner=add.__get__(self), reducer=add.__get__(self))]
        found = [*gather, MRStep(mapper=mapper, reducer=reduced_in_blocks(self.find_sets))]
        if self.options.confidence is not None:
            one = {"mapreduce.job.reduces": "1"}
            found.append(MRStep(mapper=in_blocks(iter), reducer=reduced_in_blocks(self.find_rules), jobconf=one))
        return found

    def map_items(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """First mapper with --rows: lines `basket TAB item`."""
        for reader, block in self.read(blocks):
            yield b"".join([b"%s\t%s\n" % record for record in reader.read(block)])

    def gather(self, _: bytes, items: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """First reducer with --rows: a basket on a line."""
        yield itemsets.key_of(tuple(sorted(set(items)))), b""

    def map_gathered(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            lines = block.split(b"\n")[:-1]
            yield from self._mapped([set(itemsets.items_of(line.rstrip(b"\t"))) for line in lines])

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        separator = self.options.separator.encode() if self.options.separator else None
        if self.options.count_items and separator is None:
            texts = (b"".join([text + b"\n" for _, text in reader.read(block)]) for reader, block in self.read(blocks))
            for block in count_documents(texts, Tokenizer(preset("whitespace"))):
                rows = (line.split(b"\t") for line in block.split(b"\n")[:-1])
                yield b"".join([b"%s\t%s\n" % (itemsets.key_of((item,)) if item else item, n) for item, _, n in rows])
            return
        for reader, block in self.read(blocks):
            lines = (text.split(separator) for _, text in reader.read(block))
            if separator is not None:
                lines = ([item.strip() for item in line] for line in lines)
            yield from self._mapped([set(line) for line in lines])

    def _mapped(self, baskets: list[set[bytes]]) -> Iterator[bytes]:
        """Of baskets the counts of items; or for each frequent item of a basket a line `item TAB numbers` of those that
        are more frequent, numbered from the most frequent on."""
        if self.options.count_items:
            counts = Counter(chain.from_iterable(baskets))
            del counts[b""]
            lines = [b"%s\t%d\n" % (itemsets.key_of((item,)), n) for item, n in counts.items()]
            yield b"".join([b"%s\t%d\n" % (_BASKETS, len(baskets)), *lines])
            return
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
    def counts(self) -> tuple[int, dict[bytes, int]]:
        """The number of baskets, and of those that hold each item."""
        with open(self.options.counts, "rb") as file:
            lines = dict(line.rstrip(b"\n").split(b"\t") for line in file)
        baskets = int(lines.pop(_BASKETS, 0))
        return baskets, {itemsets.items_of(key)[0]: int(n) for key, n in lines.items()}

    @cached_property
    def least(self) -> int:
        """The baskets that have to hold a set."""
        return itemsets.least_of(self.options.support, self.counts[0])

    @cached_property
    def frequent_items(self) -> tuple[dict[bytes, int], list[bytes]]:
        """The numbers of frequent items, from the most frequent on, and the items by number."""
        frequent = ((-n, item) for item, n in self.counts[1].items() if n >= self.least)
        names = [item for _, item in sorted(frequent)]
        return {item: number for number, item in enumerate(names)}, names

    def find_sets(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: for each item the frequent sets in which it is the least frequent one."""
        options, names = self.options, self.frequent_items[1]
        for key, baskets in _by_key(blocks):
            last = names[int(key)]
            alone: list[tuple[ItemSet, int]] = [((), len(baskets))]
            found = []
            for others, n in chain(
                alone, itemsets.frequent(baskets, self.least, options.longest - 1, options.max_sets)
            ):
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

    def check_counters(self, counters: list[Counted]) -> None:
        super().check_counters(counters)
        if not counters[0].get(RECORDS, {}).get("used"):
            raise RecordError(f"no basket in the input ({counters[0].get(RECORDS, {}).get('in', 0)} lines read)")

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The schema of the sets, or of the rules."""
        if self.options.confidence is None:
            columns = [Column("items", TEXT), Column("count", LONG), Column("support", DOUBLE)]
        else:
            names = ("support", "confidence", "lift", "leverage", "conviction")
            columns = [Column("antecedent"), Column("consequent"), *(Column(name, DOUBLE) for name in names)]
        return {**super().manifest_fields(parts), schemas.FIELD: Schema(tuple(columns)).to_json()}


def _by_key(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, list[list[bytes]]]]:
    """The values of each key, split at white space, of blocks of lines in order of their keys."""
    lines = (line for block in blocks for line in block.split(b"\n")[:-1])
    for key, same in groupby(lines, lambda line: line[: line.index(b"\t")]):
        begin = len(key) + 1
        yield key, [line[begin:].split() for line in same]


if __name__ == "__main__":
    ItemSets.run()

"""The base class of jobs over baskets: the items that go together, a line each or a record for each item.

A round before counts the items (`counts`), so that the tasks know which are frequent. What is found in baskets is the
business of `mapreduce.methods`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain

from mapreduce.errors import RecordError
from mapreduce.features.counting import count_documents
from mapreduce.input.formats.format import FIELD_FLAGS, Format, Layout, laid_out
from mapreduce.job import MRStep, in_blocks
from mapreduce.methods.itemsets import items_of, key_of
from mapreduce.output.manifest import RECORDS
from mapreduce.output.manifest import Counters as Counted
from mapreduce.recordjob import RecordJob
from mapreduce.shuffle.sums import add
from mapreduce.tokens.specification import preset
from mapreduce.tokens.tokenizer import Tokenizer

_BASKETS = b""
"""The key of the number of baskets, among those of items."""


class BasketJob(RecordJob):
    """A job over baskets, which maps them (`map_baskets`) once their items are counted.

    Attributes:
        ROWS: whether each record is an item of a basket where no flag says it.
    """

    ROWS = False
    SETTLED = ("text_field", "label_field", "counts", *RecordJob.SETTLED)
    UNUSUAL = SETTLED

    def configure_args(self) -> None:
        super().configure_args()
        driver = self.add_driver_arg
        for option, about in FIELD_FLAGS.items():
            driver(option, **about)
        driver("--columns", help="columns of a table: text,label,count, from 0; default: read from its header")
        if not self.ROWS:
            self.add_passthru_arg(
                "--rows", action="store_true", help="a record is an item of a basket, not a line of items"
            )
            self.add_passthru_arg("--separator", help="between the items of a line (default: white space)")
        driver("--counts", file=True, help="the items' counts: the output of --count-items (default: found out)")
        self.add_passthru_arg("--count-items", action="store_true", help="only count the items, and the baskets")

    @property
    def layout(self) -> Layout:
        return laid_out(vars(self.options), strict=self.options.strict, labelled=self.in_rows)

    @property
    def in_rows(self) -> bool:
        """Whether each record is an item of a basket: the basket is its label, the item its text."""
        return self.ROWS or bool(self.options.rows)

    def check_format(self, format: type[Format]) -> None:
        """Raises RecordError where a record has no name of a basket, and needs one."""
        if self.in_rows and not format.labelled:
            raise RecordError("records of a basket and an item are wanted, and text has none; give --format tsv")

    def settle(self) -> None:
        super().settle()
        options = self.options
        if not options.count_items and options.counts is None:
            options.counts = self.kept(self.round("--count-items"))

    def steps(self) -> list[MRStep]:
        """The baskets are gathered, where records are items; then their items are counted, or `basket_steps` follow."""
        gather = [MRStep(mapper=in_blocks(self._map_items), reducer=self._gather)] if self.in_rows else []
        mapper = in_blocks(self._map_gathered if gather else self._map_lines)
        if self.options.count_items:
            return [*gather, MRStep(mapper=mapper, combiner=add.__get__(self), reducer=add.__get__(self))]
        return [*gather, *self.basket_steps(mapper)]

    def basket_steps(self, mapper: object) -> list[MRStep]:
        """The steps of the job, the first of which has this mapper."""
        raise NotImplementedError

    def map_baskets(self, baskets: list[set[bytes]]) -> Iterator[bytes]:
        """Maps baskets to blocks of lines."""
        raise NotImplementedError

    def _map_items(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for reader, block in self.read(blocks):
            yield b"".join([b"%s\t%s\n" % record for record in reader.read(block)])

    def _gather(self, _: bytes, items: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        yield key_of(tuple(sorted(set(items)))), b""

    def _map_gathered(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            lines = block.split(b"\n")[:-1]
            yield from self._mapped([set(items_of(line.rstrip(b"\t"))) for line in lines])

    def _map_lines(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        separator = self.options.separator.encode() if self.options.separator else None
        if self.options.count_items and separator is None:  # which the library does
            texts = (b"".join([text + b"\n" for _, text in reader.read(block)]) for reader, block in self.read(blocks))
            for block in count_documents(texts, Tokenizer(preset("whitespace"))):
                rows = (line.split(b"\t") for line in block.split(b"\n")[:-1])
                yield b"".join([b"%s\t%s\n" % (key_of((item,)) if item else item, n) for item, _, n in rows])
            return
        for reader, block in self.read(blocks):
            lines = (text.split(separator) for _, text in reader.read(block))
            if separator is not None:
                lines = ([item.strip() for item in line] for line in lines)
            yield from self._mapped([set(line) - {b""} for line in lines])

    def _mapped(self, baskets: list[set[bytes]]) -> Iterator[bytes]:
        if not self.options.count_items:
            yield from self.map_baskets(baskets)
            return
        counts = Counter(chain.from_iterable(baskets))
        lines = [b"%s\t%d\n" % (key_of((item,)), n) for item, n in counts.items()]
        yield b"".join([b"%s\t%d\n" % (_BASKETS, len(baskets)), *lines])

    @cached_property
    def counts(self) -> tuple[int, dict[bytes, int]]:
        """The number of baskets, and of those that hold each item."""
        with open(self.options.counts, "rb") as file:
            lines = dict(line.rstrip(b"\n").split(b"\t") for line in file)
        baskets = int(lines.pop(_BASKETS, 0))
        return baskets, {items_of(key)[0]: int(n) for key, n in lines.items()}

    def numbered(self, least: int) -> tuple[dict[bytes, int], list[bytes]]:
        """The numbers of the items that so many baskets hold, from the most frequent on, and the items by number."""
        names = [item for _, item in sorted((-n, item) for item, n in self.counts[1].items() if n >= least)]
        return {item: number for number, item in enumerate(names)}, names

    def check_counters(self, counters: list[Counted]) -> None:
        """As others do; no basket has no answer."""
        super().check_counters(counters)
        if not counters[0].get(RECORDS, {}).get("used"):
            raise RecordError(f"no basket in the input ({counters[0].get(RECORDS, {}).get('in', 0)} lines read)")

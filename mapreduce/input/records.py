"""The record reader: bytes of lines to records (label, text) or to rejections with causes; and the rule for splits.

What a line of a format is stands in `mapreduce.input.formats`. It reads no files (see `mapreduce.input.files`) and
tokenizes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import repeat

from mapreduce.errors import RecordError, Rejected, UserError
from mapreduce.input import first_bytes, rejections
from mapreduce.input.formats import FORMATS, Layout
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.cut import Cut
from mapreduce.input.formats.format import Record, is_utf8
from mapreduce.native import library as native

SPLITS = ("train", "validation", "test", "all")
MAX_LINE = 10_000_000


def record_hash(text: bytes, salt: bytes = b"") -> str:
    """16 hexadecimal digits of a record's text (BLAKE2b, salt as the key): its place in a shard and its split.

    Example:
        >>> record_hash(b"a good film")
        'e67ac028bf5bac43'
    """
    return blake2b(text, digest_size=8, key=salt).hexdigest()


Take = Callable[[bytes, int, bool], tuple[int, int, int, Sequence[tuple[int, int, int, int]]]]
"""Takes rows of data from a place on; told whether the first one may be a header. Returns the bytes, rows and lines
that it has taken, and of each row that it leaves over where it begins and ends, and the rows and lines taken before."""


@dataclass(frozen=True)
class SplitRule:
    """Which records a job takes. A record is of the validation split where its hash, read as a fraction of
    2**64, is below `fraction`, and of the test split where it is in the range of `test` behind that: a property of its
    text alone, so labels and other records move none; or of what stands in the field of its group, so that all records
    of the group are in one split. What is of neither is of the train split."""

    split: str = "all"
    fraction: float = 0.1
    salt: bytes = b""
    test: float = 0.0

    def __contains__(self, text_or_group: bytes) -> bool:
        if self.split == "all":
            return True
        place = int(record_hash(text_or_group, self.salt), 16)
        is_validation = place < self.fraction * 2**64
        if self.split == "validation" or is_validation:
            return is_validation == (self.split == "validation")
        return (place < (self.fraction + self.test) * 2**64) == (self.split == "test")


EVERY = SplitRule()
"""The rule that takes every record."""


class RecordReader:
    """Reads blocks of whole lines, or where records may hold line ends in quotes blocks that end anywhere.

    Args:
        format: one of `FORMATS`.
        layout: how its records are laid out; None is as flags have it by default.
        rule: which split to keep.
        max_line: reject records of more bytes than that.
        keep: how many rejections to keep in `samples`.
        begins: whether the first line is that of a file, so that it may be a header; None where that is not known.

    Attributes:
        lines: lines seen so far. Each is a `headers` (no record: a header, or an empty line of a table), a `continued`
            (a further line of a record) or the first of a record, which is counted once more, in `used`, in `left_out`
            (it is of the other split) or in `rejected`.
        invalid_utf8: how many of the used are not UTF-8; the specification says what becomes of their bytes.
        rejected: how many were rejected, by cause.
        samples: the first rejections, and the first of the used that are not UTF-8: (number of the line, from 1, and
            cause).
    """

    def __init__(
        self,
        format: str = "text",
        *,
        layout: Layout | None = None,
        rule: SplitRule = EVERY,
        max_line: int = MAX_LINE,
        keep: int = 0,
        begins: bool | None = None,
    ) -> None:
        self.format = format
        self.rule = rule
        self.lines = self.headers = self.continued = self.used = self.left_out = self.invalid_utf8 = 0
        self.rejected: Counter[str] = Counter()
        self.samples = rejections.Samples(keep)
        layout = layout or Layout()
        self._strict, self._max_line = layout.strict, max_line
        self._format = FORMATS[format](layout)
        cuts = self._format.cuts
        self._cut = Cut(cuts, max_line) if cuts is not None else None
        self._begins, self._header = begins, layout.header
        self._pending = b""
        self._checked = False

    @property
    def records(self) -> int:
        """Records seen so far."""
        return self.lines - self.headers - self.continued

    def takes_whole(self, block: bytes) -> bool:
        """Counts the lines of a block where it is texts just as it is; else it has to be `read`."""
        whole = self._format.whole and self.rule.split == "all" and not self._is_suspect(block)
        if whole:
            self._check_kind(block)
            lines, valid = scan(block)
            self.lines += lines
            self.used += lines
            if not valid:
                for number, line in enumerate(block.split(b"\n"), self.lines - lines + 1):
                    self._count_invalid(number, line)
        return whole

    def _is_suspect(self, block: bytes) -> bool:
        """Whether lines of the block may be too long, or not UTF-8 where they have to be."""
        return len(block) > self._max_line + 1 or (self._strict and not is_utf8(block))

    def read(self, block: bytes) -> list[Record]:
        """The records (label, text) that end in a block; plain text has the label b""."""
        return [record for _, _, record in self.entries(block) if isinstance(record, tuple)]

    def keyed(self, block: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """The same with a third: what the split of the record depends on."""
        found = self.entries(block)
        return [(*record, self.key(line, record[1])) for _, line, record in found if isinstance(record, tuple)]

    @property
    def delimited(self) -> tuple[bytes, bool, bool] | None:
        """As the format has it; None where not every record is taken, so that rows have to be looked at."""
        return self._format.delimited if self.rule.split == "all" else None

    @property
    def max_line(self) -> int:
        """Bytes of the longest record that is taken."""
        return self._max_line

    def offer(self, block: bytes, take: Take) -> Iterator[tuple[int, bytes, Record | str]]:
        """Offers the rows of a block of a delimited format to who takes plain ones as they are (the native library),
        and gives `entries` of those that it leaves over. What has begun and not ended is kept for the next block."""
        data = self._pending + block
        end = data.rfind(b"\n") + 1
        data, self._pending = data[:end], data[end:]  # which may be half a character
        if (self._cut is not None and not self._cut.is_between) or not scan(data)[1]:
            rest, self._pending = self._pending, b""
            yield from self.entries(data + rest)
            return
        self._check_kind(block)
        start = 0
        while start < len(data):
            taken, rows, lines, odd = take(data, start, self._begins is True)
            seen = seen_lines = 0
            for begin, end, before, lines_before in odd:
                self._pass(before - seen, lines_before - seen_lines)
                seen, seen_lines = before, lines_before
                yield from self.entries(data[start + begin : start + end])
            self._pass(rows - seen, lines - seen_lines)
            start += taken
            if not taken and not odd:
                break
        self._pending = data[start:] + self._pending
        if len(self._pending) > self._max_line:
            rest, self._pending = self._pending, b""
            yield from self.entries(rest)  # which keeps no more of it than it needs

    def _pass(self, rows: int, lines: int) -> None:
        """Counts rows that were taken as they are."""
        self.lines += lines
        self.used += rows
        self.continued += lines - rows

    def reject(self, number: int, cause: str) -> None:
        """Takes back the record of a line that `entries` has just given: it is of no use."""
        self.used -= 1
        self.rejected[cause] += 1
        self.samples.offer(number, cause)

    def finish(self) -> None:
        """Counts what has begun and not ended, at the end of the input; it is no record."""
        if self._pending:
            rest, self._pending = self._pending, b""
            for _ in self.entries(rest):
                pass  # it has not ended
        if self._cut is not None and (lines := self._cut.lines):
            self.samples.offer(self.lines + 1, UNCLOSED)
            self.rejected[UNCLOSED] += lines  # whatever it has swallowed
            self.lines += lines

    def entries(self, block: bytes) -> Iterator[tuple[int, bytes, Record | str]]:
        """What ends in a block: for each record the number of its line, from 1, its bytes, and the record or why it is
        rejected."""
        self._check_kind(block)
        if self._cut is not None:
            cut: Iterable[tuple[bytes, int]] = self._cut.records(block)
        else:
            whole = block.split(b"\n")
            if not whole[-1]:
                whole.pop()
            cut = zip(whole, repeat(1))
        parse, rule = self._format.parse, self.rule
        takes_all, grouped = rule.split == "all", self._format.layout.group_field is not None
        suspect = self._cut is not None or self._is_suspect(block)
        valid = scan(block)[1]
        number, used = self.lines, 0
        try:
            for line, lines in cut:
                first, number = number + 1, number + lines
                try:
                    if suspect:
                        self._check_line(line)
                    line = line[:-1] if line.endswith(b"\r") else line
                    record = None if self._begins is not False and self._is_header(line) else parse(line)
                    key = b"" if record is None else self.key(line, record[1]) if grouped else record[1]
                except Rejected as cause:
                    self.continued += lines - 1
                    self.rejected[str(cause)] += 1
                    self.samples.offer(first, str(cause))
                    yield first, line, str(cause)
                    continue
                if lines > 1:
                    self.continued += lines - 1
                if record is None:
                    self.headers += 1
                elif takes_all or key in rule:
                    used += 1
                    if not valid:
                        self._count_invalid(first, record[1])
                    yield first, line, record
                else:
                    self.left_out += 1
        finally:
            self.lines, self.used = number, self.used + used

    def key(self, line: bytes, text: bytes) -> bytes:
        """What a record's split depends on: its group, or where it has none its text.

        Raises:
            Rejected: it lacks the field of its group.
        """
        return (self._format.group(line) if self._format.layout.group_field is not None else b"") or text

    def columns(self, line: bytes, names: Iterable[str], place: str) -> dict[str, bytes]:
        """Further columns of a record.

        Raises:
            UserError: there is no such column.
        """
        found = self._format.fields(line)
        try:
            return {name: found[name] for name in names}
        except KeyError as missing:
            raise UserError(f"{place}: no column {missing.args[0]!r}; there are {', '.join(found)}") from None

    def _is_header(self, line: bytes) -> bool:
        if self._begins is None:
            return self._format.is_header(line)
        if not line.strip():
            return False
        self._begins = False  # it is asked of the first line of a file alone
        if not (self._header or (self._header is None and self._format.is_header(line))):
            return False
        self._format.take_header(line)
        return True

    def _count_invalid(self, number: int, text: bytes) -> None:
        if not is_utf8(text):
            self.invalid_utf8 += 1
            self.samples.note(number)

    def _check_kind(self, block: bytes) -> None:
        """Raises UserError where what is read first shows that it is no text."""
        if self._checked or self._begins is False:
            return
        self._checked = True  # what begins a later block is text
        if found := first_bytes.kind(block[: first_bytes.ENOUGH]):
            raise UserError(first_bytes.refusal("the input", found))
        if found := first_bytes.encoding(block):
            raise UserError(first_bytes.not_utf8("the input", found))

    def _check_line(self, line: bytes) -> None:
        if len(line) > self._max_line:
            raise Rejected("too long")
        if self._strict and not is_utf8(line):
            raise Rejected("invalid UTF-8")

    def check(self) -> None:
        """Raises RecordError where lines were read and not one of them was a record."""
        if self.records and self.records == sum(self.rejected.values()):
            raise RecordError(self.explain())

    def explain(self) -> str:
        """One line on what was rejected, and what to do about it."""
        return (
            f"{rejections.explain(self.format, self.rejected, self.records)}; "
            "see data/README.md for the formats, and give --format where the suffix says too little"
        )


def scan(block: bytes) -> tuple[int, bool]:
    """The number of line ends, and whether the block is valid UTF-8."""
    return native.scan(library, block) if (library := native.load()) else (block.count(b"\n"), is_utf8(block))

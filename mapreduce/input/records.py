"""The record reader: bytes of lines to records (label, text) or to rejections with causes; and the rule for splits.

What a line of a format is stands in `mapreduce.input.formats`. It reads no files (see `mapreduce.input.files`) and
tokenizes nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

from mapreduce.errors import RecordError, Rejected
from mapreduce.input import rejections
from mapreduce.input.formats import FORMATS, Layout
from mapreduce.input.formats.format import is_utf8
from mapreduce.native import library as native

SPLITS = ("train", "validation", "all")
MAX_LINE = 10_000_000


def record_hash(text: bytes, salt: bytes = b"") -> str:
    """16 hexadecimal digits of a record's text (BLAKE2b, salt as the key): its place in a shard and its split.

    Example:
        >>> record_hash(b"a good film")
        'e67ac028bf5bac43'
    """
    return blake2b(text, digest_size=8, key=salt).hexdigest()


@dataclass(frozen=True)
class SplitRule:
    """Which records a job takes. A record is of the validation split where its hash, read as a fraction of
    2**64, is below `fraction`: a property of its text alone, so labels and other records move none."""

    split: str = "all"
    fraction: float = 0.1
    salt: bytes = b""

    def __contains__(self, text: bytes) -> bool:
        if self.split == "all":
            return True
        is_validation = int(record_hash(text, self.salt), 16) < self.fraction * 2**64
        return is_validation == (self.split == "validation")


class RecordReader:
    """Reads blocks of whole lines.

    Args:
        format: one of `FORMATS`.
        layout: how its records are laid out; None is as flags have it by default.
        rule: which split to keep.
        max_line: reject lines of more bytes than that.
        keep: how many rejections to keep in `samples`.

    Attributes:
        lines: lines seen so far; `records` of them are no CSV headers. Each of these is counted once more, in
            `used`, in `left_out` (it is of the other split) or in `rejected`.
        invalid_utf8: how many of the used are not UTF-8; the specification says what becomes of their bytes.
        rejected: how many were rejected, by cause.
        samples: the first rejections: (number of the line, from 1, and cause).
    """

    def __init__(
        self,
        format: str = "text",
        *,
        layout: Layout | None = None,
        rule: SplitRule = SplitRule(),
        max_line: int = MAX_LINE,
        keep: int = 0,
    ) -> None:
        self.format = format
        self.rule = rule
        self.lines = self.headers = self.used = self.left_out = self.invalid_utf8 = 0
        self.rejected: Counter[str] = Counter()
        self.samples = rejections.Samples(keep)
        layout = layout or Layout()
        self._strict, self._max_line = layout.strict, max_line
        self._format = FORMATS[format](layout)

    @property
    def records(self) -> int:
        """Lines seen so far, headers left out."""
        return self.lines - self.headers

    def takes_whole(self, block: bytes) -> bool:
        """Counts the lines of a block where it is texts just as it is; else it has to be `read`."""
        whole = self._format.whole and self.rule.split == "all" and not self._is_suspect(block)
        if whole:
            lines, valid = scan(block)
            self.lines += lines
            self.used += lines
            if not valid:
                self.invalid_utf8 += sum(not is_utf8(line) for line in block.split(b"\n"))
        return whole

    def _is_suspect(self, block: bytes) -> bool:
        """Whether lines of the block may be too long, or not UTF-8 where they have to be."""
        return len(block) > self._max_line + 1 or (self._strict and not is_utf8(block))

    def read(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The records (label, text) of a block of whole lines; plain text has the label b""."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        records = []
        parse = self._format.parse
        suspect = self._is_suspect(block)
        for number, line in enumerate(lines, self.lines + 1):
            try:
                if suspect:
                    self._check_line(line)
                record = parse(line[:-1] if line.endswith(b"\r") else line)
            except Rejected as cause:
                self.rejected[str(cause)] += 1
                self.samples.offer(number, str(cause))
                continue
            if record is None:
                self.headers += 1
            elif record[1] in self.rule:
                records.append(record)
            else:
                self.left_out += 1
        self.lines += len(lines)
        self.used += len(records)
        if not scan(block)[1]:
            self.invalid_utf8 += sum(not is_utf8(text) for _, text in records)
        return records

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

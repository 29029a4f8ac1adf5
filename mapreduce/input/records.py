"""The record reader: bytes of lines to records (label, text), or to a rejection with its cause.

The only place that knows the formats of lines and the rule for splits; the pixels of a line are
`mapreduce.input.images`'s affair. It reads no files (see `mapreduce.input.files`) and tokenizes nothing.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from mapreduce.errors import RecordError, Rejected, UserError
from mapreduce.input import images, rejections
from mapreduce.input.files import first_line
from mapreduce.native import library as native

TEXTS = ("text", "tsv", "csv", "jsonl", "fasttext")
FORMATS = (*TEXTS, images.FORMAT)
SPLITS = ("train", "validation", "all")
_SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".ft": "fasttext"}
COMPRESSED = (".gz", ".bz2", ".xz")
MAX_LINE = 10_000_000
csv.field_size_limit(2**31 - 1)  # --max-line is the limit
_NUL = "\udc00"  # stands for NUL, which csv refuses before Python 3.11; no byte decodes to it


def detect_format(paths: Iterable[str]) -> str:
    """The format of input files, from their suffixes (below .gz, .bz2 or .xz), text where none is known; a .tsv file
    on this machine that begins with an image is of images.

    Raises:
        UserError: the files are of several formats.
    """
    found: dict[str, str] = {}
    for path in paths:
        stem, suffix = os.path.splitext(path)
        if suffix in COMPRESSED:
            suffix = os.path.splitext(stem)[1]
        format = _SUFFIXES.get(suffix, "text")
        format = images.FORMAT if format == "tsv" and images.holds_images(path) else format
        found.setdefault(format, path)
    if len(found) > 1:
        names = ", ".join(f"{path} is {name}" for name, path in sorted(found.items()))
        raise UserError(f"input files of several formats: {names}; run them apart or give --format")
    return next(iter(found), "text")


def csv_columns(paths: Iterable[str], text_field: str, label_field: str) -> tuple[int, int, int]:
    """Reads the header of each CSV file; returns (text column, label column, number of columns), from 0.

    Raises:
        UserError: a header lacks a field, or two files differ in theirs.
    """
    first = None
    for path in paths:
        line = first_line(path)
        try:
            header = next(csv.reader([line.decode("utf-8", "surrogateescape").replace("\0", _NUL)]), [])
        except csv.Error as error:
            raise UserError(f"{path}, line 1: no CSV header: {error}") from None
        if first is None:
            first = (path, header)
        elif header != first[1]:
            raise UserError(f"{path}, line 1: header {header!s:.200} is not that of {first[0]}, {first[1]!s:.200}")
        for flag, field in (("--text-field", text_field), ("--label-field", label_field)):
            if header.count(field) != 1:
                raise UserError(
                    f"{path}, line 1: no one column {field!r} in the header {header!s:.200}; name it with {flag}"
                )
    if first is None:
        raise UserError("no CSV file to read a header from; standard input has to be of another format")
    return first[1].index(text_field), first[1].index(label_field), len(first[1])


def record_hash(text: bytes, salt: bytes = b"") -> str:
    """16 hexadecimal digits of a record's text (BLAKE2b, salt as the key): its place in a shard and its split."""
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
        text_field, label_field: names of the fields in JSON lines and CSV.
        columns: for CSV, what `csv_columns` returned.
        shape: of images, as "28x28x1"; None is that of the first one.
        rule: which split to keep.
        strict: reject lines that are not UTF-8.
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
        text_field: str = "text",
        label_field: str = "label",
        columns: tuple[int, int, int] | None = None,
        shape: str | None = None,
        rule: SplitRule = SplitRule(),
        strict: bool = False,
        max_line: int = MAX_LINE,
        keep: int = 0,
    ) -> None:
        self.format = format
        self.rule = rule
        self.lines = self.headers = self.used = self.left_out = self.invalid_utf8 = 0
        self.rejected: Counter[str] = Counter()
        self.samples: list[tuple[int, str]] = []
        self._text_field, self._label_field, self._columns = text_field, label_field, columns
        self._strict, self._max_line, self._keep = strict, max_line, keep
        self._image = images.ImageText(shape)
        self._parse = getattr(self, f"_parse_{format}")

    @property
    def records(self) -> int:
        """Lines seen so far, headers left out."""
        return self.lines - self.headers

    def takes_whole(self, block: bytes) -> bool:
        """Counts the lines of a block where it is texts just as it is; else it has to be `read`."""
        whole = self.format == "text" and self.rule.split == "all" and not self._is_suspect(block)
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
        suspect = self._is_suspect(block)
        for number, line in enumerate(lines, self.lines + 1):
            try:
                if suspect:
                    self._check_line(line)
                record = self._parse(line[:-1] if line.endswith(b"\r") else line)
            except Rejected as cause:
                self.rejected[str(cause)] += 1
                if len(self.samples) < self._keep:
                    self.samples.append((number, str(cause)))
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

    def _parse_text(self, line: bytes) -> tuple[bytes, bytes]:
        return b"", line

    def _parse_tsv(self, line: bytes) -> tuple[bytes, bytes]:
        label, tab, text = line.partition(b"\t")
        if not tab:
            raise Rejected("no label" if line.strip() else "empty line")
        return _checked(label, text)

    def _parse_images(self, line: bytes) -> tuple[bytes, bytes]:
        label, text = self._parse_tsv(line)
        self._image.check(text)
        return label, text

    def _parse_fasttext(self, line: bytes) -> tuple[bytes, bytes]:
        label, _, text = line.strip().partition(b" ")
        if not label.startswith(b"__label__"):
            raise Rejected("no label" if line.strip() else "empty line")
        if text.startswith(b"__label__"):
            raise Rejected("several labels")
        return _checked(label[len(b"__label__") :], text)

    def _parse_csv(self, line: bytes) -> tuple[bytes, bytes] | None:
        if not line.strip():
            raise Rejected("empty line")
        text_column, label_column, count = self._columns or (0, 0, 0)
        if b'"' in line:
            try:
                decoded = line.decode("utf-8", "surrogateescape").replace("\0", _NUL)
                fields = next(csv.reader([decoded], strict=True))
                row = [field.replace(_NUL, "\0").encode("utf-8", "surrogateescape") for field in fields]
            except csv.Error as error:
                unended = "unexpected end" in str(error)
                raise Rejected("quoted line break" if unended else "malformed CSV") from None
        else:
            row = line.split(b",")
        if len(row) != count:
            raise Rejected("wrong number of fields")
        if row[text_column] == self._text_field.encode() and row[label_column] == self._label_field.encode():
            return None  # the header, once a file
        return _checked(row[label_column], row[text_column])

    def _parse_jsonl(self, line: bytes) -> tuple[bytes, bytes]:
        if not line.strip():
            raise Rejected("empty line")
        try:
            fields = json.loads(line.decode())
        except (ValueError, RecursionError):
            raise Rejected("undecodable JSON") from None
        if not isinstance(fields, dict):
            raise Rejected("undecodable JSON")
        text, label = fields.get(self._text_field), fields.get(self._label_field)
        if not isinstance(text, str):
            raise Rejected("no text")
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise Rejected("no label")
        if self._strict and not (is_utf8(_utf8(text)) and is_utf8(_utf8(str(label)))):  # a lone surrogate, escaped
            raise Rejected("invalid UTF-8")
        return _checked(_utf8(str(label)), _utf8(text.replace("\n", " ")))

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


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are valid UTF-8."""
    try:
        return data.isascii() or data.decode() is not None
    except UnicodeDecodeError:
        return False


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _checked(label: bytes, text: bytes) -> tuple[bytes, bytes]:
    label = label.strip()
    if not label:
        raise Rejected("no label")
    if b"\t" in label or b"\n" in label or b"\r" in label:  # at a CR Hadoop streaming would cut the line
        raise Rejected("tab or line end in the label")
    if not is_utf8(label):
        raise Rejected("label is not UTF-8")
    if not text.strip():
        raise Rejected("empty text")
    return label, text

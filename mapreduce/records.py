"""The record reader: bytes of lines to records (label, text), or to a rejection with its cause.

The only place that knows the input formats and the rule for splits: plain text, TSV, CSV, JSON lines and fastText.
It reads no files (see `mapreduce.split`) and tokenizes nothing.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from mapreduce.errors import RecordError, UserError
from mapreduce.split import first_line

FORMATS = ("text", "tsv", "csv", "jsonl", "fasttext")
SPLITS = ("train", "validation", "all")
_SUFFIXES = {".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".ft": "fasttext"}
COMPRESSED = (".gz", ".bz2", ".xz")


def detect_format(paths: Iterable[str]) -> str:
    """The format of input files, from their suffixes (below .gz, .bz2 or .xz); text where none is known.

    Raises:
        UserError: the files are of several formats.
    """
    found: dict[str, str] = {}
    for path in paths:
        stem, suffix = os.path.splitext(path)
        if suffix in COMPRESSED:
            suffix = os.path.splitext(stem)[1]
        found.setdefault(_SUFFIXES.get(suffix, "text"), path)
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
        header = next(csv.reader([line.decode("utf-8", "surrogateescape")]), [])
        if first is None:
            first = (path, header)
        elif header != first[1]:
            raise UserError(f"{path}, line 1: header {header} differs from that of {first[0]}, {first[1]}")
        for flag, field in (("--text-field", text_field), ("--label-field", label_field)):
            if header.count(field) != 1:
                raise UserError(f"{path}, line 1: no one column {field!r} in the header {header}; name it with {flag}")
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


class Rejected(Exception):
    """A line that is no record; the argument is the cause."""


class RecordReader:
    """Reads blocks of whole lines.

    Args:
        format: one of `FORMATS`.
        text_field, label_field: names of the fields in JSON lines and CSV.
        columns: for CSV, what `csv_columns` returned.
        rule: which split to keep.

    Attributes:
        records: lines seen so far, headers left out.
        rejected: how many of them were rejected, by cause.
    """

    def __init__(
        self,
        format: str = "text",
        *,
        text_field: str = "text",
        label_field: str = "label",
        columns: tuple[int, int, int] | None = None,
        rule: SplitRule = SplitRule(),
    ) -> None:
        self.format = format
        self.rule = rule
        self.records = 0
        self.rejected: Counter[str] = Counter()
        self._text_field, self._label_field, self._columns = text_field, label_field, columns
        self._parse = getattr(self, f"_parse_{format}")

    @property
    def whole_blocks(self) -> bool:
        """Whether a block of lines is a block of texts just as it is: nothing to parse, to reject or to leave out."""
        return self.format == "text" and self.rule.split == "all"

    def read(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The records (label, text) of a block of whole lines; plain text has the label b""."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        records = []
        self.records += len(lines)
        for line in lines:
            try:
                record = self._parse(line[:-1] if line.endswith(b"\r") else line)
            except Rejected as cause:
                self.rejected[str(cause)] += 1
                continue
            if record is not None and record[1] in self.rule:
                records.append(record)
        return records

    def _parse_text(self, line: bytes) -> tuple[bytes, bytes]:
        return b"", line

    def _parse_tsv(self, line: bytes) -> tuple[bytes, bytes]:
        label, tab, text = line.partition(b"\t")
        if not tab:
            raise Rejected("no label" if line.strip() else "empty line")
        return _checked(label, text)

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
                decoded = line.decode("utf-8", "surrogateescape").replace("\0", "\ufffd")
                row = [f.encode("utf-8", "surrogateescape") for f in next(csv.reader([decoded], strict=True))]
            except csv.Error as error:
                unended = "unexpected end" in str(error)
                raise Rejected("quoted line break" if unended else "malformed CSV") from None
        else:
            row = line.split(b",")
        if len(row) != count:
            raise Rejected("wrong number of fields")
        if row[text_column] == self._text_field.encode() and row[label_column] == self._label_field.encode():
            self.records -= 1  # the header, once a file
            return None
        return _checked(row[label_column], row[text_column])

    def _parse_jsonl(self, line: bytes) -> tuple[bytes, bytes]:
        if not line.strip():
            raise Rejected("empty line")
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            raise Rejected("undecodable JSON") from None
        if not isinstance(fields, dict):
            raise Rejected("undecodable JSON")
        text, label = fields.get(self._text_field), fields.get(self._label_field)
        if not isinstance(text, str):
            raise Rejected("no text")
        if isinstance(label, bool) or not isinstance(label, (str, int)):
            raise Rejected("no label")
        return _checked(_utf8(str(label)), _utf8(text.replace("\n", " ")))

    def check(self) -> None:
        """Raises RecordError where lines were read and not one of them was a record."""
        if self.records and self.records == sum(self.rejected.values()):
            raise RecordError(explain(self.format, self.rejected, self.records))


def explain(format: str, rejected: Counter[str], records: int) -> str:
    """One line on what was rejected, the most common causes first."""
    causes = ", ".join(f"{cause} ({n})" for cause, n in rejected.most_common(3))
    return (
        f"{sum(rejected.values())} of {records} lines are no {format} records: {causes}; "
        "see data/README.md for the formats, and give --format where the suffix says too little"
    )


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _checked(label: bytes, text: bytes) -> tuple[bytes, bytes]:
    label = label.strip()
    if not label:
        raise Rejected("no label")
    if b"\t" in label or b"\n" in label:
        raise Rejected("tab or line end in the label")
    try:
        label.decode()
    except UnicodeDecodeError:
        raise Rejected("label is not UTF-8") from None
    if not text.strip():
        raise Rejected("empty text")
    return label, text

"""Records for commands that run in this process: files or standard input, looked into at once and read when asked for.

What the jobs read they read in their tasks (`mapreduce.textjob`). Formats are `mapreduce.input.formats`'.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from mapreduce.errors import RecordError, UserError
from mapreduce.flag_values import exceeds
from mapreduce.input import records, rejections
from mapreduce.input.files import Source, blocks, expand, keep, pieces
from mapreduce.input.formats import FORMATS, Format, detect, refuse_unreadable
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.dialect import found_out
from mapreduce.input.formats.format import laid_out, settled
from mapreduce.output import atomic

SHOWN = 3
"""Rejected lines that are named one by one."""


class Input:
    """Files or standard input that are found and looked into at once, and read when asked for.

    Args:
        paths: files, folders or globs; "-" is standard input.
        labelled: whether records have to have a label and a text.
        keeps_all: whether columns beside these are asked for.
        rows: whether records are rows of a table, taken whole, as `Layout.names` has it.
        rule: which split is read.
        quiet: whether what was found out of tables is not said.
        max_rejected: fail where more is rejected; None fails where all is.
        format: one of `mapreduce.input.formats.FORMATS`; None is what suffixes and first bytes tell.
        text_field, label_field, group_field, delimiter, header, quotes, encoding: as the flags of these names have
            them.

    Raises:
        UserError: a file is missing, or of a format that is not read; or it lacks a column.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labelled: bool,
        keeps_all: bool = False,
        *,
        rows: bool = False,
        rule: records.SplitRule = records.EVERY,
        quiet: bool = False,
        max_rejected: float | None = None,
        format: str | None = None,
        text_field: str = "text",
        label_field: str = "label",
        group_field: str | None = None,
        delimiter: str | None = None,
        header: str | None = None,
        quotes: str | None = None,
        encoding: str | None = None,
    ) -> None:
        files = [file for path in paths for file in ([path] if path == "-" else expand([path]))]
        if format is not None and FORMATS[format].open is not None:
            files = keep(files, sys.stdin.buffer, atomic.scratch)
        # The first file stays open after the look at its first bytes: it may be a pipe.
        self.sources = [Source(file, keep=number == 0, encoding=encoding) for number, file in enumerate(files)]
        name = format or detect(source for source in self.sources if source.path != "-")
        self.kind: type[Format] = FORMATS[name]
        self.max_rejected, self._rule = max_rejected, rule
        if rows and not self.kind.has_fields:
            names = ", ".join(one.name for one in FORMATS.values() if one.has_fields)
            raise UserError(f"{paths[0]}: {name} has no columns, and a table is wanted; give --format ({names})")
        flags: dict[str, str | None] = {"text_field": text_field, "label_field": label_field, "delimiter": delimiter}
        flags.update(group_field=group_field, header=header, quotes=quotes, encoding=encoding)
        layout = laid_out(flags, labelled=labelled, keeps_all=keeps_all, names=() if rows else None)
        refuse_unreadable(self.kind, self.sources)
        self.layout = self.kind.settle(layout, self.sources)
        if (said := found_out(layout, self.layout, self.kind)) and not quiet:
            print(said, file=sys.stderr)

    def flags(self) -> dict[str, str]:
        """What was found out of tables, as the jobs take it."""
        found = settled(self.layout) if self.layout.columns is not None else {}
        return {"--" + name.replace("_", "-"): value for name, value in found.items() if value is not None}

    def blocks(self) -> Iterator[tuple[Source, records.RecordReader, bytes]]:
        """Blocks of each file, with a reader of its own, and an empty one at its end."""
        for source in self.sources:
            reader = records.RecordReader(self.kind.name, layout=self.layout, rule=self._rule, keep=SHOWN, begins=True)
            format = self.kind(self.layout)
            if self.kind.open is not None:
                with format.open_file(source.path) as stream:
                    found = pieces(stream) if format.cuts else blocks(stream, records.MAX_LINE + 1)
                    yield from ((source, reader, block) for block in found)
            else:
                found = source.blocks(records.MAX_LINE + 1, cut=format.cuts is None)
                yield from ((source, reader, block) for block in found)
            reader.finish()
            yield source, reader, b""


class Told:
    """What is said at the end of lines that were rejected, or are not UTF-8."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._total = records.RecordReader(given.kind.name, layout=given.layout)
        self._first = self._invalid = ""

    def add(self, source: Source, reader: records.RecordReader) -> None:
        """Adds up what a reader has counted of a file."""
        total = self._total
        total.lines += reader.lines
        total.headers += reader.headers
        total.continued += reader.continued
        total.used += reader.used
        total.invalid_utf8 += reader.invalid_utf8
        total.rejected.update(reader.rejected)
        if reader.samples and not self._first:
            places = ", ".join(str(number) for number, _ in reader.samples)
            self._first = f"; the first: {source.name}, line{'s' * (len(reader.samples) > 1)} {places}"
        if reader.samples.invalid and not self._invalid:
            self._invalid = f"; the first: {source.name}, line {reader.samples.invalid[0][0]}"

    def end(self) -> None:
        """Says it.

        Raises:
            RecordError: too much was rejected.
        """
        total = self._total
        if total.invalid_utf8:
            said = rejections.invalid(total.invalid_utf8, total.used)
            print(said + self._invalid, file=sys.stderr)
        if not total.rejected:
            return
        line = total.explain() + self._first
        if total.rejected[UNCLOSED]:
            raise rejections.unclosed(line)
        most = self._given.max_rejected
        if most is not None and exceeds(total.rejected.total(), total.records, most):
            raise RecordError(f"{line}; more than --max-rejected {most}")
        total.check()
        print(line, file=sys.stderr)

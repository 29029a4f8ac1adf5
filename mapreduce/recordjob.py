"""The base class of jobs over records: the flags for input formats, and what was read and rejected.

On the driver the class settles what the tasks have to know of the input once, and adds up what was rejected. What a
record holds for the job is the business of `mapreduce.textjob` and `mapreduce.tablejob`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mapreduce import mrjob_compat
from mapreduce.errors import UserError
from mapreduce.flag_values import count_or_share, whole
from mapreduce.input import first_bytes, records, rejections
from mapreduce.input.files import ON_CLUSTERS, OPENERS, Source, expand, is_transcoded, note_copy
from mapreduce.input.formats import FORMATS, Format, Layout, detect, refuse_unreadable
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.dialect import found_out
from mapreduce.input.formats.format import READING_FLAGS, settled
from mapreduce.job import Job
from mapreduce.output.manifest import RECORDS, REJECTED, SCHEMA, Counters
from mapreduce.paths import is_remote

if TYPE_CHECKING:
    from mapreduce.tables.schema import Schema

with mrjob_compat.stand_ins():
    from mrjob.compat import jobconf_from_env
    from mrjob.protocol import BytesProtocol, BytesValueProtocol


LONGEST_LINE, MOST_KEPT = 1 << 30, 1_000_000  # bytes; samples of rejected lines


class RecordJob(Job):
    """A job over the records of files.

    Attributes:
        SETTLED: flags whose values the driver finds out for the tasks; the manifest has them as they were given.
        input_files: the files behind the input's paths, where a runner has found them out.
    """

    SETTLED: tuple[str, ...] = ("delimiter", "header", "quotes", "encoding")
    input_files: list[str] | None = None
    INPUT_PROTOCOL = BytesValueProtocol
    INTERNAL_PROTOCOL = BytesProtocol
    OUTPUT_PROTOCOL = BytesProtocol

    def configure_args(self) -> None:
        super().configure_args()
        add, driver = self.add_passthru_arg, self.add_driver_arg
        driver("--format", choices=FORMATS, help="input format; default: by suffix, else text")
        for option, about in READING_FLAGS.items():
            driver(option, **about)
        add("--strict", action="store_true", help="reject every line that is not UTF-8")
        length, kept = whole(1, LONGEST_LINE), whole(0, MOST_KEPT)
        add("--max-line", type=length, default=records.MAX_LINE, help="reject longer lines (default: 10000000 bytes)")
        add("--keep-rejected", type=kept, default=20, help="samples of rejected lines in _rejected (default: 20)")
        add("--split", choices=records.SPLITS, default="all", help="which records to take (default: all)")
        add("--validation", type=float, default=0.1, help="share of the validation split (default: 0.1)")
        add("--test-share", type=float, help="share of a test split, which train has not either (default: none)")
        add("--salt", default="", help="another salt draws another validation split")
        self.arg_parser.add_argument(
            "--max-rejected", type=count_or_share, default=0.01, help="fail at more: 100, or a share (default: 0.01)"
        )

    @property
    def layout(self) -> Layout:
        """How the records are laid out, by the flags."""
        raise NotImplementedError

    @property
    def carried(self) -> tuple[str, ...]:
        """What was found out of the input."""
        return (*super().carried, "format", *self.SETTLED)

    @property
    def rule(self) -> records.SplitRule:
        """Which records the job takes, by the flags."""
        options = self.options
        return records.SplitRule(options.split, options.validation, options.salt.encode(), options.test_share or 0.0)

    @property
    def input_format(self) -> Format:
        """The format of the input, once it is settled."""
        return FORMATS[self.options.format or "text"](self.layout)

    def reader(self, begins: bool | None = None) -> records.RecordReader:
        """The record reader, by the flags; `begins` as it has it."""
        options, format = self.options, self.input_format.at(input_file())
        return records.RecordReader(
            format.name,
            layout=format.layout,
            rule=self.rule,
            max_line=options.max_line,
            keep=options.keep_rejected,
            begins=begins,
        )

    @property
    def longest_line(self) -> int | None:
        """Longer lines are cut to this, one byte more than the reader takes."""
        return int(self.options.max_line) + 1

    @property
    def cuts_anywhere(self) -> bool:
        """Whether blocks may end anywhere, as the reader finds out where records end."""
        return self.input_format.at(input_file()).cuts is not None

    def read(self, blocks: Iterable[bytes]) -> Iterator[tuple[records.RecordReader, bytes]]:
        """Blocks, each with the reader of its file: a task may read several, and a block is of one. Counts what the
        readers have read and rejected."""
        place = _place()
        reader = self.reader(place and place[1] == 0)
        for block in blocks:
            if (now := _place()) != place:
                self._count_records(reader, place)
                place = now
                reader = self.reader(place and place[1] == 0)
            yield reader, block
        self._count_records(reader, place)

    def _count_records(self, reader: records.RecordReader, place: tuple[str, int] | None) -> None:
        """Sends what a reader has counted, and its samples of rejected lines, to the driver."""
        reader.finish()
        counts = {"in": reader.records, "used": reader.used, "other split": reader.left_out, "headers": reader.headers}
        counts["continued"] = reader.continued
        counts["used; invalid UTF-8"] = reader.invalid_utf8
        counts.update({REJECTED + cause: n for cause, n in reader.rejected.items()})
        for name, amount in counts.items():
            if amount:
                self.increment_counter(RECORDS, name, amount)
        task = int(jobconf_from_env("mapreduce.task.partition", "0"))
        for name in reader.samples.counters(*(place or (input_file(), 0)), task):
            self.increment_counter(rejections.GROUP, name)

    def check_counters(self, counters: list[Counters]) -> None:
        """Says what was rejected; raises RecordError where it is too much."""
        found = counters[0].get(RECORDS, {})
        rejected = Counter({n[len(REJECTED) :]: c for n, c in found.items() if n.startswith(REJECTED)})
        invalid = found.get("used; invalid UTF-8", 0)
        first: list[dict[str, Any]] = []
        if rejected or invalid:
            files = self.input_files or expand([path for path in self.options.args if not is_remote(path)])
            keep = max(1, self.options.keep_rejected)
            samples = counters[0].get(rejections.GROUP, {})
            used = [name for name in samples if name.endswith(rejections.INVALID)]
            self._located = rejections.locate([name for name in samples if name not in used], files, keep)
            first = rejections.locate(used, files, 1)
        format = self.options.format or "text"
        line = rejections.explain(format, rejected, found.get("in", 0)) + rejections.where(self._located)
        if rejected[UNCLOSED]:
            raise rejections.unclosed(line)
        rejections.check(format, found, rejected, self.options.max_rejected, line)
        if rejected and not self.options.quiet:
            print(f"{self.KIND}: {line}", file=sys.stderr)
        if invalid and not self.options.quiet:
            print(
                f"{self.KIND}: {rejections.invalid(invalid, found.get('used', 0))}{rejections.where(first)}",
                file=sys.stderr,
            )

    _located: list[dict[str, Any]] = []

    def side_files(self) -> dict[str, bytes]:
        """`_rejected`, where lines were rejected and are to be kept."""
        keep = self._located[: self.options.keep_rejected]
        return {**super().side_files(), **({rejections.NAME: rejections.encode(keep)} if keep else {})}

    @property
    def output_schema(self) -> Schema | None:
        """The names and types of the columns that the job writes; None where it writes no rows."""
        return None

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The schema of what the job writes, where that has rows."""
        found = self.output_schema
        return {**super().manifest_fields(parts), **({SCHEMA: found.to_json()} if found else {})}

    def check_format(self, format: type[Format]) -> None:
        """Raises UserError where the job cannot use records of a format."""

    def settle(self) -> None:
        """Settles the format, and what it has to know of the input's beginning."""
        super().settle()
        options = self.options
        test = options.test_share or 0.0
        if len(options.salt.encode()) > 64 or not (
            0 <= options.validation <= 1 and 0 <= test <= 1 - options.validation
        ):
            raise UserError(
                "--salt has at most 64 bytes, --validation and --test-share are shares from 0 to 1 together. "
                f"Received: {options.salt[:65]!r}, {options.validation} and {test}"
            )
        options.format = options.format or self.find_format(options.args)
        format = FORMATS[options.format]
        self.check_format(format)
        given = self.layout
        files = self.files_behind(options.args)
        there = [path for path in files if is_remote(path)]
        here = [path for path in files if path not in there] if there else files
        refuse_unreadable(format, (Source(path, encoding=given.encoding) for path in here))
        layout = format.settle(given, self.sources(files))
        self._given = self._given or {name: getattr(options, name) for name in self.SETTLED}
        for name, value in settled(layout).items():
            if hasattr(options, name):
                setattr(options, name, value)
        if (said := found_out(given, layout, format)) and not options.quiet:
            print(f"{self.KIND}: {said}", file=sys.stderr)
        self.one_task_a_file = bool(there and self.cuts_anywhere and b'"' in Source(self.header(there[0])).head())

    _given: dict[str, Any] = {}

    def arguments(self) -> dict[str, Any]:
        """The job's flags, as they were given but for the columns; some only where they were."""
        found = {**super().arguments(), **self._given}
        return {name: value for name, value in found.items() if value is not None or name not in self.UNUSUAL}

    UNUSUAL: tuple[str, ...] = (*SETTLED, "test_share")
    """Flags that the manifest has only where they were given."""

    def keep_input(self) -> None:
        """Puts copies in the place of what can be read once only, and of files on a cluster that it does not read as
        lines: its driver turns them into some."""
        super().keep_input()
        named = self.options.args
        there = [path for path in self.files_behind(named) if is_remote(path)] if any(map(is_remote, named)) else []
        brought = {path: copy for path in there if self._is_brought(path) for copy in self.fetched([path])}
        if brought:
            for path, copy in brought.items():
                note_copy(copy, path)
            here = [path for path in named if not is_remote(path)]
            self.options.args = [*here, *(brought.get(path, path) for path in there)]

    def _is_brought(self, path: str) -> bool:
        suffix = os.path.splitext(path)[1]
        given = self.options.format
        kinds = [FORMATS[given]] if given else [one for one in FORMATS.values() if suffix in one.suffixes]
        if suffix in OPENERS and suffix not in ON_CLUSTERS:
            return True
        if len({one.open is None for one in kinds}) > 1:  # its first bytes tell
            kinds = [FORMATS[detect([Source(self.header(path))])]]
        return bool(kinds) and kinds[0].open is not None

    def sources(self, files: list[str]) -> Iterator[Source]:
        """The files that begin as the input does; of those on a cluster the first, which is fetched when it is asked
        for: a format that looks at none costs no start of `hadoop`, and its tasks find out what the input is."""
        there = next(filter(is_remote, files), None)
        if there is not None:
            header = self.header(there)
            if is_transcoded(header, self.options.encoding):
                raise UserError(first_bytes.not_utf8(there, self.options.encoding or "UTF-16"))
            yield Source(header)
        for path in files:
            if not is_remote(path):
                yield Source(path, encoding=self.options.encoding)

    def find_format(self, named: list[str]) -> str:
        """The format of the input, where no flag says it."""
        return detect(map(Source, self.files_behind(named)))


def input_file() -> str:
    """The file that a map task reads now, as its runner names it; "-" for standard input, or where that is not known.
    A local task may read several small files, so ask for it with each block or record."""
    return str(jobconf_from_env("mapreduce.map.input.file", "-"))


def _place() -> tuple[str, int] | None:
    """The file that a map task reads now, and where in it its split begins; None where the runner does not say."""
    start = jobconf_from_env("mapreduce.map.input.start")
    return None if start is None else (input_file(), int(start))

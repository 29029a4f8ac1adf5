"""The base class of jobs over documents: the flags for input formats, splits and tokenizers, and what they mean.

A job that derives from `TextJob` gets documents and features and holds no parsing. On the driver the class settles
what the tasks have to know (format, CSV columns) once, and adds up what was rejected.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce import mrjob_compat
from mapreduce.errors import RecordError, UserError
from mapreduce.flags import count_or_share, up_to_or_widths, widths
from mapreduce.input import images, records, rejections
from mapreduce.input.files import expand, is_remote
from mapreduce.job import Job
from mapreduce.output.manifest import RECORDS, REJECTED
from mapreduce.tokens.specification import PRESETS, Specification, override, preset
from mapreduce.tokens.tokenizer import Tokenizer

with mrjob_compat.stand_ins():
    from mrjob.compat import jobconf_from_env
    from mrjob.protocol import BytesProtocol, BytesValueProtocol


class TextJob(Job):
    """A job over documents, labelled or not.

    Attributes:
        LABELLED: whether the job cannot do without labels.
        READS: the formats that it can read: those of texts, that of images, or both.
        input_files: the files behind the input's paths, where a runner has found them out.
    """

    LABELLED = False
    READS: tuple[str, ...] = records.TEXTS
    input_files: list[str] | None = None
    INPUT_PROTOCOL = BytesValueProtocol
    INTERNAL_PROTOCOL = BytesProtocol
    OUTPUT_PROTOCOL = BytesProtocol

    def configure_args(self) -> None:
        super().configure_args()
        self._driver_arg_dests: set[str] = set()
        add = self.add_passthru_arg
        add("--format", choices=records.FORMATS, help="input format; default: by suffix, else text")
        add("--text-field", default="text", help="field of the text in CSV and JSON lines (default: text)")
        add("--label-field", default="label", help="field of the label in CSV and JSON lines (default: label)")
        add("--shape", metavar="HxWxC", help="shape of images, as 28x28x1; default: that of the first one")
        add("--columns", help="columns of a CSV file: text,label,count; default: read from its header")
        add("--split", choices=records.SPLITS, default="all", help="which records to take (default: all)")
        add("--validation", type=float, default=0.1, help="share of the validation split (default: 0.1)")
        add("--salt", default="", help="another salt draws another validation split")
        add("--strict", action="store_true", help="reject every line that is not UTF-8")
        add("--max-line", type=int, default=records.MAX_LINE, help="reject longer lines (default: 10000000 bytes)")
        add("--keep-rejected", type=int, default=20, help="samples of rejected lines in _rejected (default: 20)")
        self.arg_parser.add_argument(
            "--max-rejected", type=count_or_share, default=0.01, help="fail at more: 100, or a share (default: 0.01)"
        )
        add("--tokenizer", choices=PRESETS, help="tokenizer preset (default: keras)")
        self.add_driver_arg("--specification", help="in place of a preset: a JSON file, or an output's manifest")
        add("--punctuation", choices=("delete", "space", "keep", "leave"), help="what becomes of ASCII punctuation")
        add("--case", choices=("fold", "keep"), help="A to Z become a to z, or stay")
        add("--ngrams", type=up_to_or_widths, help="word n-grams: 2 (words and pairs), 1-3, or 2-2 (pairs alone)")
        add("--character-ngrams", type=widths, help="character n-grams within words, for example 3-5")
        add("--head", type=int, help="count the first n words once more, as features of their own")

    def add_driver_arg(self, *args: Any, **kwargs: Any) -> None:
        """Declares a flag that does not pass to the tasks as it stands: `_settle` says what they get."""
        self._driver_arg_dests.add(self.arg_parser.add_argument(*args, **kwargs).dest)

    @cached_property
    def specification(self) -> Specification:
        """What a token is, by the flags."""
        options = self.options
        parts = {"ngrams": options.ngrams, "character_ngrams": options.character_ngrams, "head": options.head}
        if options.specification is None:
            return preset(options.tokenizer or "keras", punctuation=options.punctuation, case=options.case, **parts)
        if options.tokenizer or options.punctuation or options.case:
            raise UserError("--tokenizer, --punctuation and --case do not go with --specification, which holds a table")
        try:
            with open(options.specification, "rb") as file:
                data = json.load(file)
            if isinstance(data, dict) and "specification" in data:  # the manifest of an output
                data = data["specification"]
            return override(Specification.from_json(data), **parts)
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f"{options.specification}: not a specification: {error}") from None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Runs the specification."""
        return Tokenizer(self.specification)

    def reader(self) -> records.RecordReader:
        """The record reader, by the flags."""
        options = self.options
        columns = tuple(map(int, options.columns.split(","))) if options.columns else None
        rule = records.SplitRule(options.split, options.validation, options.salt.encode())
        return records.RecordReader(
            options.format or "text",
            text_field=options.text_field,
            label_field=options.label_field,
            columns=columns,  # type: ignore[arg-type]
            shape=options.shape,
            rule=rule,
            strict=options.strict,
            max_line=options.max_line,
            keep=options.keep_rejected,
        )

    @property
    def longest_line(self) -> int | None:
        """Longer lines are cut to this, one byte more than the reader takes."""
        return int(self.options.max_line) + 1

    def documents(self, blocks: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
        """The documents (label, text) of blocks of lines, a list a block; counts what was read and rejected."""
        reader = self.reader()
        for block in blocks:
            yield reader.read(block)
        self.count_records(reader)

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of texts, one a line, without their labels."""
        reader = self.reader()
        for block in blocks:
            if not reader.takes_whole(block):
                block = b"".join([text + b"\n" for _, text in reader.read(block)])
            yield block
        self.count_records(reader)

    def count_records(self, reader: records.RecordReader) -> None:
        """Sends what a task's reader has counted, and its samples of rejected lines, to the driver."""
        counts = {"in": reader.records, "used": reader.used, "other split": reader.left_out, "headers": reader.headers}
        counts["used; invalid UTF-8"] = reader.invalid_utf8
        counts.update({REJECTED + cause: n for cause, n in reader.rejected.items()})
        for name, amount in counts.items():
            if amount:
                self.increment_counter(RECORDS, name, amount)
        path = input_file()
        samples = reader.samples
        if is_remote(path):
            samples = samples[: int(jobconf_from_env("mapreduce.task.partition", "0")) < rejections.TASKS]
        for number, cause in samples:
            start = int(jobconf_from_env("mapreduce.map.input.start", "0"))
            self.increment_counter(rejections.GROUP, rejections.sample(path, start, number, cause))

    def check_counters(self, counters: list[dict[str, dict[str, int]]]) -> None:
        """Says what was rejected; raises RecordError where it is too much, or where nothing was left to use."""
        found = counters[0].get(RECORDS, {})
        rejected = Counter({n[len(REJECTED) :]: c for n, c in found.items() if n.startswith(REJECTED)})
        if rejected:
            files = self.input_files or self._local_files()
            keep = max(1, self.options.keep_rejected)
            self._located = rejections.locate(counters[0].get(rejections.GROUP, {}), files, keep)
        format = self.options.format or "text"
        line = rejections.explain(format, rejected, found.get("in", 0)) + rejections.where(self._located)
        rejections.check(format, found, rejected, self.options.max_rejected, line)
        if rejected and not self.options.quiet:
            print(f"{self.KIND}: {line}", file=sys.stderr)
        if self.LABELLED and not found.get("used"):
            split = self.options.split
            raise RecordError(f"no labelled record in the input ({found.get('in', 0)} lines in, split {split})")

    _located: list[dict[str, Any]] = []

    def _local_files(self) -> list[str]:
        return [file for path in self.options.args if path != "-" and not is_remote(path) for file in expand([path])]

    def side_files(self) -> dict[str, bytes]:
        """`_rejected`, where lines were rejected and are to be kept."""
        keep = self._located[: self.options.keep_rejected]
        return {**super().side_files(), **({rejections.NAME: rejections.encode(keep)} if keep else {})}

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The specification, where there are texts."""
        return {"specification": None if self.options.format == images.FORMAT else self.specification}

    def names_specification(self) -> bool:
        """Whether a flag says what a token is."""
        names = ("tokenizer", "specification", "punctuation", "case", "ngrams", "character_ngrams", "head")
        return any(getattr(self.options, name) is not None for name in names)

    def _non_option_kwargs(self) -> dict[str, Any]:
        """Adds to the tasks' arguments what the driver has found out about the input."""
        kwargs: dict[str, Any] = super()._non_option_kwargs()
        self.tokenizer  # noqa: B018 - a wrong flag is an error of the driver, not of a task
        kwargs["extra_args"] = [*kwargs["extra_args"], *self._settle(self.options.args)]
        return kwargs

    def _settle(self, paths: list[str]) -> list[Any]:
        """Arguments for the tasks that the driver alone can find out; files are `task_file`s."""
        options = self.options
        if len(options.salt.encode()) > 64 or not 0 <= options.validation <= 1:
            raise UserError(
                "--salt has at most 64 bytes, --validation is a share from 0 to 1. "
                f"Received: {options.salt[:65]!r} and {options.validation}"
            )
        if options.max_line < 1 or options.keep_rejected < 0:
            raise UserError(
                "--max-line is at least 1 and --keep-rejected at least 0. "
                f"Received: {options.max_line} and {options.keep_rejected}"
            )
        named = [path for path in paths if path != "-"]
        if options.format is None:
            options.format = self._detect_format(named)
        if options.format not in self.READS:
            one, other = ("images", "texts") if options.format in records.TEXTS else ("texts", "images")
            raise UserError(f"reads {one}, and the input holds {other}, by its format {options.format}")
        if self.LABELLED and options.format == "text":
            names = ", ".join(name for name in self.READS if name != "text")
            raise UserError(f"{self.KIND} needs labelled records; the input looks like text; give --format ({names})")
        settled: list[Any] = ["--format", options.format]
        if options.specification:
            settled += ["--specification", task_file(options.specification)]
        if options.format == "csv" and options.columns is None:
            columns = records.csv_columns(self.headers(named), options.text_field, options.label_field)
            options.columns = ",".join(map(str, columns))
        if options.columns is not None:
            settled += ["--columns", options.columns]
        if options.format == images.FORMAT:
            if self.names_specification():
                raise UserError("images have no tokens: leave out --vocabulary, --tokenizer, --ngrams and their like")
            shape = options.shape or images.first_shape(self.headers(named))
            options.shape = images.write_shape(images.parse_shape(shape))
            settled += ["--shape", options.shape]
        return settled

    def _detect_format(self, named: list[str]) -> str:
        if self.READS == (images.FORMAT,):
            return images.FORMAT
        return records.detect_format(self.files_behind(named))


def input_file() -> str:
    """The file that a map task reads, as its runner names it; "-" where that is not known."""
    return str(jobconf_from_env("mapreduce.map.input.file", "-"))


def task_file(path: str) -> dict[str, Any]:
    """An argument that is a file: it is sent to the nodes, and the task gets the name that it has there."""
    return {"type": "file", "path": os.path.abspath(path), "name": None}

"""The base class of jobs over documents: which field is the text, the flags for splits and tokenizers.

A job that derives from `TextJob` gets documents and features and holds no parsing; how files are read is the business
of `mapreduce.recordjob`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce.errors import RecordError, UserError
from mapreduce.input.formats import FORMATS, Format, Layout
from mapreduce.input.formats.format import FIELD_FLAGS, IMAGES, TEXTS, laid_out
from mapreduce.output.manifest import RECORDS, Counters
from mapreduce.recordjob import RecordJob
from mapreduce.tokens.flags import FLAGS, specification
from mapreduce.tokens.specification import LATER, Specification
from mapreduce.tokens.tokenizer import Tokenizer


class TextJob(RecordJob):
    """A job over documents, labelled or not.

    Attributes:
        LABELLED: whether the job cannot do without labels.
        READS: what its formats may hold: TEXTS, IMAGES or both.
    """

    LABELLED = False
    READS: tuple[str, ...] = (TEXTS,)
    SETTLED = ("text_field", "label_field", "group_field", *RecordJob.SETTLED)
    UNUSUAL = (*RecordJob.UNUSUAL, "group_field", *LATER)

    def configure_args(self) -> None:
        super().configure_args()
        add, driver = self.add_passthru_arg, self.add_driver_arg
        for option, about in FIELD_FLAGS.items():
            driver(option, **about)
        driver("--shape", metavar="HxWxC", help="shape of images, as 28x28x1; default: that of the first one")
        driver("--columns", help="columns of a table: text,label,count, from 0; default: read from its header")
        grouped = "records alike in this field, an author's name say, are in one split"
        driver("--group-field", metavar="NAME", help=f"{grouped} (default: those of one text)")
        driver("--specification", file=True, help="in place of a preset: a JSON file, or an output's manifest")
        for flag in FLAGS:
            add(flag.option, **flag.arguments)

    @cached_property
    def specification(self) -> Specification:
        """What a token is, by the flags."""
        return specification(vars(self.options), self.options.specification)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Runs the specification."""
        return Tokenizer(self.specification)

    @property
    def layout(self) -> Layout:
        """How the records are laid out, by the flags."""
        return laid_out(vars(self.options), strict=self.options.strict, labelled=self.LABELLED)

    def documents(self, blocks: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
        """The documents (label, text) of blocks of lines, a list a block; counts what was read and rejected."""
        for reader, block in self.read(blocks):
            yield reader.read(block)

    def keyed(self, blocks: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes, bytes]]]:
        """The same, each with what its split depends on: its group, or its text."""
        for reader, block in self.read(blocks):
            yield reader.keyed(block)

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Blocks of texts, one a line, without their labels."""
        for reader, block in self.read(blocks):
            if not reader.takes_whole(block):
                block = b"".join([text + b"\n" for _, text in reader.read(block)])
            yield block

    def check_counters(self, counters: list[Counters]) -> None:
        """Says what was rejected; raises RecordError where it is too much, or where nothing was left to use."""
        super().check_counters(counters)
        found = counters[0].get(RECORDS, {})
        if self.LABELLED and not found.get("used"):
            split = self.options.split
            raise RecordError(f"no labelled record in the input ({found.get('in', 0)} lines in, split {split})")

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The specification, where there are texts."""
        return {"specification": self.specification if self.reads_texts else None}

    @property
    def reads_texts(self) -> bool:
        """Whether the input holds texts and not images, once its format is settled."""
        return FORMATS[self.options.format or "text"].holds == TEXTS

    def names_specification(self) -> bool:
        """Whether a flag says what a token is."""
        return any(getattr(self.options, name) is not None for name in ("specification", *(f.name for f in FLAGS)))

    def settle(self) -> None:
        """Looks at the flags, then settles the format."""
        self.tokenizer  # noqa: B018 - a wrong flag is an error of the driver, not of a task
        super().settle()

    def check_format(self, format: type[Format]) -> None:
        """Raises UserError where it holds no texts, or lacks labels that are needed."""
        if format.holds not in self.READS:
            raise UserError(f"reads {self.READS[0]}, and the input holds {format.holds}, by its format {format.name}")
        if self.LABELLED and not format.labelled:
            names = ", ".join(one.name for one in FORMATS.values() if one.labelled and one.holds in self.READS)
            raise UserError(f"{self.KIND} needs labelled records; the input looks like text; give --format ({names})")
        if format.holds == IMAGES and self.names_tokens():
            raise UserError("images have no tokens: leave out --vocabulary, --tokenizer, --ngrams and their like")

    def names_tokens(self) -> bool:
        """Whether a flag says that the input is text."""
        return self.names_specification()

    def find_format(self, named: list[str]) -> str:
        """That of images, where the job reads no other; else by the files."""
        if self.READS == (IMAGES,):
            return next(one.name for one in FORMATS.values() if one.holds == IMAGES)
        return super().find_format(named)

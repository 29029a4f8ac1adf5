"""Predicts the labels of texts, images or rows: `python -m models.predict MODEL_DIR < lines.txt`.

Writes a row for each record, in the order of the input: by default `label TAB probability`. A record that cannot be
read or answered has a row, too, that says why. It trains and measures nothing.
"""

from __future__ import annotations

import csv
import gc
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import models
from mapreduce import command, flag_values
from mapreduce.command import Parser
from mapreduce.errors import RecordError, UserError
from mapreduce.flag_values import whole
from mapreduce.output import atomic
from mapreduce.paths import written_here
from mapreduce.progress import Progress
from models import inputs
from models.inputs import Row

if TYPE_CHECKING:
    from models.serving.classifier import Classifier

CHUNK = 4096
"""Records that are answered at once."""
SHOWN = 3
"""Records without an answer that are named one by one."""
Cells = list[Any]
"""Of a row: its columns (bytes), `Predictor.top` pairs of label (bytes, or None) and probability (float, or None), and
why there is no answer (None where there is one)."""


_SPACES = bytes.maketrans(b"\t\r\n", b"   ")


def _bytes(cell: Any) -> bytes:
    if isinstance(cell, Number):
        return b"%.9g" % cell
    return b"" if cell is None else b"%.4f" % cell if isinstance(cell, float) else cell


class Number(float):
    """What a model has answered in place of a label."""


def _text(cell: Any) -> Any:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell


def tsv(names: Sequence[str], rows: Iterable[Cells]) -> bytes:
    """Lines of cells between tabs, without a header; why there is no answer stands behind the others."""
    found = []
    for *cells, cause in rows:
        fields = [_bytes(cell) for cell in (cells if cause is None else [*cells, cause])]
        line = b"\t".join(fields)
        if line.count(b"\t") >= len(fields) or b"\n" in line or b"\r" in line:
            line = b"\t".join(field.translate(_SPACES) for field in fields)
        found.append(line + b"\n")
    return b"".join(found)


def csv_rows(names: Sequence[str], rows: Iterable[Cells]) -> bytes:
    """Rows after RFC 4180, UTF-8."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([_text(_bytes(cell)) for cell in row] for row in rows)
    return out.getvalue().encode()


def jsonl(names: Sequence[str], rows: Iterable[Cells]) -> bytes:
    """An object a line; `cause` stands only where there is no answer."""
    found = []
    for row in rows:
        cells = [
            float(_bytes(cell))
            if isinstance(cell, Number)
            else round(cell, 4)
            if isinstance(cell, float)
            else _text(cell)
            for cell in row
        ]
        fields = dict(zip(names, cells))
        if row[-1] is None:
            del fields[names[-1]]
        found.append(json.dumps(fields, ensure_ascii=False) + "\n")
    return "".join(found).encode()


FORMATS: dict[str, Callable[[Sequence[str], Iterable[Cells]], bytes]] = {"tsv": tsv, "csv": csv_rows, "jsonl": jsonl}
"""What writes rows, by --output-format."""


@dataclass
class Predictor:
    """Makes rows of records.

    Attributes:
        columns: of the input, which come first in a row.
        top: how many labels a row has, the most probable first.
        threshold: a label whose probability is below has its place, and no name there.
        form: one of FORMATS.
        records, answered, labelled: how many there were, had an answer, and one above the threshold.
        unanswered: what the model has not answered, the first ones: file, line and cause.
    """

    model: Classifier
    columns: Sequence[str] = ()
    top: int = 1
    threshold: float = 0.0
    form: str = "tsv"

    def __post_init__(self) -> None:
        self.records = self.answered = self.labelled = self.failed = 0
        self.unanswered: list[str] = []
        self._labels = [name.encode("utf-8", "surrogateescape") for name in self.model.labels]
        self.top = min(self.top, len(self._labels))
        numbers = [""] if self.top == 1 else [f"_{number}" for number in range(1, self.top + 1)]
        own = [f"{name}{number}" for number in numbers for name in ("prediction", "probability")]
        if not self._labels:
            own = ["prediction"]
        self._width = len(own)
        self.names = [*self.columns, *own, "cause"]
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice and self.form != "tsv":
            raise UserError(
                f"the output would have two columns {twice[0]!r}; leave out that of the input, or rename it"
            )

    def header(self) -> bytes:
        """What stands before all rows."""
        return csv_rows([], [[name.encode() for name in self.names]]) if self.form == "csv" else b""

    def write(self, blocks: Iterable[list[Row]], output: BinaryIO, progress: Progress | None = None) -> None:
        """Writes a row for each record, `CHUNK` of them at a time.

        Raises:
            RecordError: the model has answered none of them; their rows are written.
        """
        output.write(self.header())
        for block in blocks:
            for start in range(0, len(block), CHUNK):
                chunk = block[start : start + CHUNK]
                output.write(FORMATS[self.form](self.names, self.rows(chunk)))
                output.flush()
                if progress is not None:
                    progress.update(len(chunk))
        if self.failed and not self.answered:
            raise RecordError(f"not one of {self.records} records has an answer; the first: {self.unanswered[0]}")

    def rows(self, records: Sequence[Row]) -> Iterator[Cells]:
        """The rows of records."""
        import numpy as np

        found, causes = self.model.answer([record.text for record in records if record.text is not None])
        if self.top <= 1:
            order = found.argmax(axis=1)[:, None]
        else:
            order = (-found).argsort(axis=1, kind="stable")[:, : self.top]
        answers = zip(order.tolist(), np.take_along_axis(found, order, axis=1).tolist())
        self.records += len(records)
        asked = -1
        for record in records:
            kept = [record.columns.get(name) for name in self.columns]
            cause = record.cause
            if record.text is not None:
                asked += 1
                places, probabilities = next(answers)
                if (failure := causes.get(asked)) is None:
                    self.answered += 1
                    if not self._labels:
                        yield [*kept, Number(probabilities[0]), None]
                        continue
                    self.labelled += probabilities[0] >= self.threshold
                    for place, probability in zip(places, probabilities):
                        kept += (self._labels[place] if probability >= self.threshold else None, probability)
                    yield [*kept, None]
                    continue
                cause = failure
                self.failed += 1
                if self.failed <= SHOWN:
                    self.unanswered.append(f"{record.file}, line {record.line}: {cause}")
            yield [*kept, *[None] * self._width, cause.encode("utf-8", "surrogateescape")]

    def told(self) -> Iterator[str]:
        """What is to be said at the end, line by line."""
        yield from self.unanswered
        if self.failed:
            yield f"{self.failed} of {self.records} records have no answer; their rows say why"
        if self.threshold:
            share = self.labelled / max(1, self.answered)
            yield f"{self.labelled} of {self.answered} answers reach --threshold {self.threshold:g} ({share:.1%})"


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = (
        "Writes a row for each record, in the order of the input: by default `label TAB probability`; of a model that "
        "gives numbers the number."
    )
    made = Parser("python -m models.predict", description, "MODEL_DIR < lines.txt")
    made.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    made.add_argument("input", nargs="*", default=["-"], help="files of records (default: standard input)")
    labels = made.add_mutually_exclusive_group()
    labels.add_argument("--top-k", type=whole(1), default=1, metavar="K", help="so many labels, the best one first")
    labels.add_argument("--all", action="store_true", help="every label with its probability, the best one first")
    probability = flag_values.parser(float, lambda value: 0 <= value <= 1, "a probability from 0 to 1")
    made.add_argument("--threshold", type=probability, default=0.0, metavar="P", help="no label below this probability")
    made.add_argument("--id-field", metavar="NAME", help="column of the input that comes first in the output")
    made.add_argument("--keep-columns", default="", metavar="A,B", help="columns of the input that come next")
    made.add_argument("--output-format", choices=FORMATS, default="tsv", help="of the rows (default: tsv)")
    made.add_argument(
        "--output", type=written_here, metavar="FILE", help="written whole or not at all (default: stdout)"
    )
    inputs.add_arguments(made, "by suffix; standard input is text, one a line, or CSV")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)

    def work() -> None:
        columns = [name for name in [options.id_field, *options.keep_columns.split(",")] if name]
        is_table = models.reads(options.model) == "table"
        if is_table:
            options.format = options.format or ("csv" if options.input == ["-"] else None)
            model: Any = models.load(options.model)
            if model.gives_number and (options.all or options.top_k > 1 or options.threshold):
                raise UserError("--all, --top-k and --threshold: of labels, and this model gives numbers")
            names = [one.name for one in model.recipe.inputs]
            _, found = inputs.table(options.input, names, columns=columns, **inputs.arguments(options))
        else:
            found = inputs.rows(options.input, columns=columns, **inputs.arguments(options))
            model = models.load(options.model)
        if not model.labels and not is_table:
            raise UserError(f"{options.model}: an autoencoder gives images back and knows no labels")
        gc.freeze()  # else it looks through all of TensorFlow again and again, as rows come and go
        top = len(model.labels) if options.all else options.top_k
        made = Predictor(model, columns, top, options.threshold, options.output_format)
        quiet = options.output is None and sys.stdout.isatty()
        opened = nullcontext(sys.stdout.buffer) if options.output is None else atomic.whole_file(options.output)
        with command.printing(), opened as output, Progress("predict", None, unit="records", quiet=quiet) as progress:
            made.write(found, output, progress)
        for line in made.told():
            print(f"predict: {line}", file=sys.stderr)

    return command.run("predict", work)


if __name__ == "__main__":
    sys.exit(main())

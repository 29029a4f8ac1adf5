"""Measures a model on labelled texts, images or rows: `python -m models.evaluate MODEL_DIR test.tsv`.

Accuracy, macro F1, calibration, a table of the classes and the confusion matrix; of numbers their errors. It reads the
test split and changes nothing; no model is chosen by it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import models
from mapreduce import command
from mapreduce.command import Parser
from mapreduce.errors import UserError
from mapreduce.input.records import EVERY, SplitRule
from mapreduce.input.rows import split
from mapreduce.tables.encoding import TableEncoder
from mapreduce.tables.misfits import Misfit
from models import inputs

if TYPE_CHECKING:
    import numpy as np

    from models.serving.classifier import Classifier
    from models.serving.loaded_tables import LoadedTable


@dataclass(frozen=True)
class Evaluation:
    """Predictions counted against the truth.

    Attributes:
        confusion: how many documents of (true label, predicted label).
        labels: names the model knows.
        calibration_error: how far the probabilities of the answers are from how often these are right
            (`models.training.calibration.error`).
    """

    confusion: Counter[tuple[str, str]]
    labels: list[str]
    calibration_error: float

    @property
    def documents(self) -> int:
        """How many documents were predicted."""
        return sum(self.confusion.values())

    @property
    def accuracy(self) -> float:
        """The share of documents whose label was predicted; a label that the model does not know counts as wrong."""
        right = sum(n for (true, predicted), n in self.confusion.items() if true == predicted)
        return right / self.documents

    @property
    def macro_f1(self) -> float:
        """The mean F1 over all labels that are true or predicted somewhere, as scikit-learn's `average="macro"`."""
        scores = [self.scores(label)[2] for label in self.seen]
        return sum(scores) / len(scores)

    @property
    def seen(self) -> list[str]:
        """Labels that are true or predicted somewhere, sorted."""
        return sorted({label for pair in self.confusion for label in pair})

    @property
    def unknown(self) -> dict[str, int]:
        """Labels that the model does not know, with the number of their documents."""
        known = set(self.labels)
        found: Counter[str] = Counter()
        for (true, _), n in self.confusion.items():
            if true not in known:
                found[true] += n
        return dict(sorted(found.items()))

    def unknown_labels(self) -> str:
        """A warning that names them."""
        names = ", ".join(f"{label!r} ({n})" for label, n in self.unknown.items())
        return f"labels that the model was not trained on count as wrong: {names}"

    def scores(self, label: str) -> tuple[float, float, float, int]:
        """Precision, recall, F1 and the number of documents of a label; a ratio of 0 to 0 is 0."""
        right = self.confusion[label, label]
        true = sum(n for (t, _), n in self.confusion.items() if t == label)
        predicted = sum(n for (_, p), n in self.confusion.items() if p == label)
        f1 = 2 * right / (true + predicted) if true + predicted else 0.0
        return right / predicted if predicted else 0.0, right / true if true else 0.0, f1, true

    def report(self) -> str:
        """Accuracy, macro F1, the expected calibration error, the table of classes and the confusion matrix, fields
        separated by tabs."""
        lines = [f"accuracy {self.accuracy:.4f}", f"macro F1 {self.macro_f1:.4f}"]
        lines += [f"calibration error {self.calibration_error:.4f}", ""]
        lines.append("label\tprecision\trecall\tF1\tdocuments")
        for label in self.seen:
            precision, recall, f1, documents = self.scores(label)
            lines.append(f"{label}\t{precision:.4f}\t{recall:.4f}\t{f1:.4f}\t{documents}")
        lines += ["", "\t".join(["true \\ predicted", *self.seen])]
        for true in self.seen:
            lines.append("\t".join([true, *(str(self.confusion[true, other]) for other in self.seen)]))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Errors:
    """How far numbers are from the truth.

    Attributes:
        rows: how many there were.
        scores: RMSE, MAE and R2, as `models.training.scores.of_numbers` has them.
    """

    rows: int
    scores: dict[str, float]

    def report(self) -> str:
        """The scores, a line each."""
        return "".join(f"{name} {shown(score)}\n" for name, score in self.scores.items()) + f"rows {self.rows}\n"


def shown(score: float) -> str:
    """A score as it is printed."""
    return f"{score:.4f}" if abs(score) < 1000 else f"{score:.6g}"


class Rows(NamedTuple):
    """Rows whose targets are known.

    Attributes:
        lines: of the columns that a model reads, as `models.serving.loaded_tables` takes them.
        targets: classes, or numbers.
    """

    lines: list[bytes]
    targets: list[Any]


def rows_of(
    model: LoadedTable, paths: Sequence[str], *, rule: SplitRule = EVERY, quiet: bool = False, **reading: Any
) -> Rows:
    """The rows of tables, by the names of the columns that the model reads and of its target; those without a target
    that can be compared are named on stderr.

    Raises:
        UserError: a file is missing, lacks a column, or has no row.
    """
    recipe = model.recipe
    names = [*(one.name for one in recipe.inputs), recipe.target.name]
    encoder = TableEncoder(recipe, range(len(names)))
    found, left_out = Rows([], []), Counter[str]()
    for block in inputs.table(paths, names, rule=rule, quiet=quiet, **reading)[1]:
        for row in block:
            if row.text is None:
                continue  # it is said at the end of the file
            try:
                target = encoder.label(split(row.text)).decode()
            except Misfit as cause:
                left_out[str(cause)] += 1
                continue
            found.lines.append(row.text.rpartition(b"\t")[0])
            found.targets.append(float(target) if model.gives_number else target)
    if left_out:
        causes = ", ".join(f"{n} {cause}" for cause, n in sorted(left_out.items()))
        print(f"left out: {left_out.total()} rows ({causes})", file=sys.stderr)
    if not found.lines:
        raise UserError(f"{paths[0]}: no row with a value of {recipe.target.name} to measure on")
    return found


def evaluate_rows(model: LoadedTable, rows: Rows) -> Evaluation | Errors:
    """Asks a model about rows and compares its answers with the targets; a row without an answer is left out and said.

    Raises:
        UserError: not one has an answer.
    """
    answers, causes = model.answer(rows.lines)
    cause = next(iter(causes.values()), "")
    if causes:
        print(f"no answer: {len(causes)} of {len(rows.lines)} rows; the first: {cause}", file=sys.stderr)
    there = [place for place in range(len(rows.lines)) if place not in causes]
    if not there:
        raise UserError(f"not one of {len(rows.lines)} rows has an answer: {cause}")
    truth = [rows.targets[place] for place in there]
    if not model.gives_number:
        return counted(model.labels, answers[there], truth)
    return against(model, answers[there, 0], truth)


def against(model: LoadedTable, answers: np.ndarray[Any, Any], targets: Sequence[Any]) -> Evaluation | Errors:
    """Answers, numbers or places of labels, [rows], against the targets."""
    import numpy as np

    from models.training import scores

    if model.gives_number:
        return Errors(len(targets), scores.of_numbers(answers, np.array(targets)))
    return counted(model.labels, np.eye(len(model.labels))[answers.astype(int)], targets)


def evaluate(model: Classifier, texts: Sequence[str | bytes], labels: Sequence[str]) -> Evaluation:
    """Predicts texts and counts the predictions against their true labels.

    Raises:
        UserError: there is no text, or the numbers of texts and labels differ.
    """
    if not texts or len(texts) != len(labels):
        raise UserError(
            f"evaluate: needs a label for each text and at least one. Received: {len(texts)} texts, "
            f"{len(labels)} labels"
        )
    return counted(model.labels, model(texts), labels)


def counted(names: list[str], probabilities: np.ndarray[Any, Any], labels: Sequence[str]) -> Evaluation:
    """Probabilities [documents, names] against the true labels."""
    import numpy as np

    from models.training import calibration

    answers = [names[i] for i in probabilities.argmax(axis=1)]
    right = np.array([a == b for a, b in zip(answers, labels)])
    error = calibration.error(probabilities.max(axis=1), right)
    return Evaluation(Counter(zip(labels, answers)), names, error)


def parser() -> Parser:
    """The command line, as --help shows it."""
    description = (
        "Writes accuracy, macro F1, calibration error, a table of the classes and the confusion matrix; of an "
        "autoencoder the reconstruction error; of a model that gives numbers their errors."
    )
    made = Parser("python -m models.evaluate", description, "MODEL_DIR test.tsv")
    made.add_argument("model", metavar="MODEL_DIR", help="what training or export wrote")
    made.add_argument("input", nargs="+", help="labelled records; - is standard input")
    inputs.add_arguments(made, "by suffix; standard input is tsv")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = parser().parse_args(arguments)

    def work() -> None:
        standard_input = "csv" if models.reads(options.model) == "table" else "tsv"
        options.format = options.format or (standard_input if options.input == ["-"] else None)
        if models.reads(options.model) == "table":
            table: Any = models.load(options.model)
            _print(evaluate_rows(table, rows_of(table, options.input, **inputs.arguments(options))))
            return
        pairs = inputs.labelled(options.input, **inputs.arguments(options))
        model, texts = models.load(options.model), [text for _, text in pairs]
        if (error := getattr(model, "error", None)) is not None:  # it gives images back
            print(f"reconstruction error {error(texts):.4f}")
            return
        _print(evaluate(model, texts, [label.decode() for label, _ in pairs]))

    return command.run("evaluate", work)


def _print(result: Evaluation | Errors) -> None:
    if isinstance(result, Evaluation) and result.unknown:
        print(f"evaluate: {result.unknown_labels()}", file=sys.stderr)
    with command.printing():
        sys.stdout.buffer.write(result.report().encode())


if __name__ == "__main__":
    sys.exit(main())

"""The peers of bench_classify: from a training file to the accuracy on a test file, which is what they print.

    python tests/benchmarks/classify_peers.py sklearn train.tsv test.tsv

Each runs in a process of its own that imports nothing of this project, so what it takes is its own. Both choose one
number, LinearSVC's C or fastText's learning rate, on every tenth record of one seeded shuffle, and are then fitted on
all records. Neither is tuned further, and no time is taken here.
"""

from __future__ import annotations

import os
import random
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

SEED, HELD_OUT = 0, 10
STRENGTHS = (0.1, 1.0, 10.0)
RATES = (0.1, 0.5, 1.0)
EPOCHS, WORD_NGRAMS = 25, 2
THREADS = os.cpu_count() or 1
PUNCTUATION = re.compile(r"([.!?,'/()])")
Record = tuple[str, str]


def read(path: Path) -> list[Record]:
    """The records of a file, `label TAB text` a line."""
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        pairs = (line.rstrip("\n").partition("\t") for line in file)
        return [(label, text) for label, tab, text in pairs if tab]


def shuffled(records: Sequence[Record]) -> list[Record]:
    """The records in an order that is the same at every call."""
    return random.Random(SEED).sample(records, len(records))


def split(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The records to fit on while a number is chosen, and those it is chosen on."""
    mixed = shuffled(records)
    return [one for i, one in enumerate(mixed) if i % HELD_OUT], mixed[::HELD_OUT]


def scikit_learn(train: Sequence[Record], test: Sequence[Record]) -> float:
    """TfidfVectorizer (words and pairs, sublinear) and LinearSVC."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    def accuracies(train: Sequence[Record], test: Sequence[Record], strengths: Sequence[float]) -> list[float]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        labels, other = [label for label, _ in train], [label for label, _ in test]
        x, test_x = vectorizer.fit_transform(text for _, text in train), vectorizer.transform(text for _, text in test)
        return [float(LinearSVC(C=c, random_state=0).fit(x, labels).score(test_x, other)) for c in strengths]

    warnings.simplefilter("ignore")  # of a fit that ends at its most steps, which C of 10 may do
    found = accuracies(*split(train), STRENGTHS)
    return accuracies(train, test, [STRENGTHS[found.index(max(found))]])[0]


def fast_text(train: Sequence[Record], test: Sequence[Record]) -> float:
    """Supervised fastText with pairs of words; its texts are prepared as its tutorial does, in lower case and with
    spaces around punctuation."""
    import fasttext

    # Numbers, as a label must have no space.
    names = {label: f"__label__{i}" for i, label in enumerate(sorted({label for label, _ in train}))}

    def line(text: str) -> str:
        text = text.lower().replace("__label__", " ")
        return " ".join(PUNCTUATION.sub(r" \1 ", text).split())

    def accuracy(file: Path, test: Sequence[Record], rate: float) -> float:
        model = fasttext.train_supervised(
            str(file), lr=rate, epoch=EPOCHS, wordNgrams=WORD_NGRAMS, thread=THREADS, verbose=0
        )
        found, _ = model.predict([text for _, text in test])  # of a list: of a string it fails with NumPy 2
        return sum(names.get(label) in one for (label, _), one in zip(test, found)) / len(test)

    def write(file: Path, records: Sequence[Record]) -> Path:
        file.write_text("".join(f"{names[label]} {text}\n" for label, text in records), encoding="utf-8")
        return file

    train, test = ([(label, line(text)) for label, text in records] for records in (train, test))
    with tempfile.TemporaryDirectory() as name:
        fitted, held_out = split(train)
        file = write(Path(name) / "some", fitted)
        found = [accuracy(file, held_out, rate) for rate in RATES]
        return accuracy(write(Path(name) / "all", shuffled(train)), test, RATES[found.index(max(found))])


PEERS: dict[str, Callable[[Sequence[Record], Sequence[Record]], float]] = {
    "sklearn": scikit_learn,
    "fasttext": fast_text,
}


def main(arguments: Sequence[str]) -> None:
    """Prints the accuracy of the peer that is named."""
    name, train, test = arguments
    print(f"accuracy {PEERS[name](read(Path(train)), read(Path(test))):.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])

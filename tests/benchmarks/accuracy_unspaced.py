"""Accuracy on texts without spaces between words, beside scikit-learn's character n-grams and linear SVM.

    python -m tests.benchmarks.accuracy_unspaced pos=pos.txt neg=neg.txt

reads a file a class, a document a line, leaves out what occurs twice, and splits by three hashes into four fifths to
train on and one fifth to test on, which neither side sees before.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

SEEDS = ("d", "e", "f")
WIDTHS = ((1, 2), (1, 3))
Records = list[tuple[str, str]]


def is_test(seed: str, text: str) -> bool:
    return int(hashlib.sha256((seed + text).encode()).hexdigest(), 16) % 5 == 0


def ours(train: Records, test: Records) -> float:
    """The accuracy of `models.train`, as it chooses by itself."""
    with tempfile.TemporaryDirectory() as folder:
        for name, records in (("train", train), ("test", test)):
            Path(folder, f"{name}.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in records))
        files = ["--train", f"{folder}/train.tsv", "--test", f"{folder}/test.tsv", "--output", f"{folder}/model"]
        done = subprocess.run([sys.executable, "-m", "models.train", *files], stdout=subprocess.PIPE, check=True)
        return float(done.stdout.split()[-1])


def peer(train: Records, test: Records) -> float:
    """The better of two widths of n-grams, on the test set."""
    found = []
    for width in WIDTHS:
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=width, sublinear_tf=True)
        model = LinearSVC().fit(vectorizer.fit_transform([text for _, text in train]), [label for label, _ in train])
        answers = model.predict(vectorizer.transform([text for _, text in test]))
        found.append(mean(float(answer == label) for answer, (label, _) in zip(answers, test)))
    return max(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", metavar="LABEL=FILE")
    named = [entry.partition("=") for entry in parser.parse_args().files]
    lines = {(label, line.strip()) for label, _, file in named for line in Path(file).read_text("utf-8").splitlines()}
    records = sorted((label, text.replace("\t", " ")) for label, text in lines if text)
    scores = []
    for seed in SEEDS:
        train = [(label, text) for label, text in records if not is_test(seed, text)]
        test = [(label, text) for label, text in records if is_test(seed, text)]
        here, there = ours(train, test), peer(train, test)
        scores.append((here, there))
        print(f"{seed}: {len(train)} and {len(test)} documents: ours {here:.4f}, SVM {there:.4f}", flush=True)
    here, there = map(mean, zip(*scores))
    print(f"mean: ours {here:.4f}, SVM {there:.4f}")


if __name__ == "__main__":
    main()

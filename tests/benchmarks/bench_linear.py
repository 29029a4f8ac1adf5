"""The linear model beside scikit-learn's LinearSVC and beside its own exported graph: fitting, answering, one by one.

    python tests/benchmarks/bench_linear.py --input data/raw/mr.tsv

Records are trained on but for the validation split. Both sides fit the same weighted features, and are shown with their
accuracy on that split; both sides answer the same texts, which are those of the input, repeated to 50,000. Rounds are
interleaved; a line has the medians in seconds and their ratio. scikit-learn's side of raw texts is TfidfVectorizer
(words and pairs, sublinear) and LinearSVC in one pipeline.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import models
from models import inputs, train
from models.counts import bags, feature_weights
from models.counts.bags import Labelled
from models.serving.loaded_texts import LoadedModel
from models.training import fit_linear
from models.training.candidates import candidates
from models.training.on_shards import OnShards
from models.training.runs import Run
from models.training.settings import Settings
from models.training.stages import Stages

TEXTS, SINGLE = 50_000, 1_000


def compare(name: str, rounds: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[Any, Any]:
    """Runs both sides in turn after a round that is not counted; prints the medians; returns what both gave."""
    seconds: tuple[list[float], list[float]] = [], []
    found: list[Any] = [None, None]
    for number in range(rounds + 1):
        for side, work in enumerate((ours, theirs)):
            started = time.perf_counter()
            found[side] = work()
            if number:
                seconds[side].append(time.perf_counter() - started)
    a, b = map(median, seconds)
    print(f"{name:50s} {a:9.4f} s {b:9.4f} s {a / b:7.3f}", flush=True)
    return found[0], found[1]


def fitting(path: Path, folder: Path, rounds: int) -> None:
    """Our fit beside LinearSVC's, of the same weights."""
    from scipy.sparse import csr_matrix
    from sklearn.svm import LinearSVC

    candidate = candidates("linear")[0]
    trials = OnShards(Stages([path], folder), candidate, Settings())
    counted = trials.count(candidate, "train")
    labels, features = counted.counts.labels, len(counted.counts.features)
    scale = feature_weights.scale(counted.counts, candidate.weights, candidate.shares)

    def read(split: str) -> Labelled:
        lines = bags.read([trials.encode(counted, split)], features=features)
        return Labelled(lines.bags, bags.numbered(lines.labels, labels))

    records, held_out = read("train"), read("validation")
    run = Run(candidate=candidate, records=records, labels=labels, size=features, scale=scale)
    (model,) = fit_linear.fit(replace(run, candidate=replace(candidate, epochs=1))).model.parts

    def matrix(records: Labelled) -> tuple[Any, Any]:
        documents, y = records
        ends = np.concatenate([[0], documents.ends])
        return csr_matrix((model.values(documents), documents.ids, ends), shape=(len(documents), features + 2)), y

    (x, y), (test_x, test_y) = matrix(records), matrix(held_out)
    ours, theirs = compare(
        f"fit, {len(y)} documents, {len(labels)} labels, LinearSVC",
        rounds,
        lambda: fit_linear.fit(run).model,
        lambda: LinearSVC(random_state=0).fit(x, y),
    )
    accuracies = (ours.logits(held_out.bags).argmax(axis=1) == test_y).mean(), (theirs.predict(test_x) == test_y).mean()
    print("    accuracy on the validation split: {:.4f} and {:.4f}".format(*accuracies))


def answering(path: Path, folder: Path, rounds: int) -> None:
    """From raw texts to labels, beside scikit-learn's pipeline and beside the exported graph."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    pairs = inputs.labelled([str(path)])
    texts = [text.decode("utf-8", "replace") for _, text in pairs]
    many = list(islice(cycle(texts), TEXTS))
    train.train([path], folder / "model", settings=Settings(candidates=("igm",)))
    model, graph = models.load(folder / "model"), LoadedModel(folder / "model")
    peer = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC(random_state=0))
    peer.fit(texts, [label.decode() for label, _ in pairs])
    found, other = compare(
        f"predict, {TEXTS} texts, TF-IDF and LinearSVC", rounds, lambda: model.predict(many), lambda: peer.predict(many)
    )
    assert len(found) == len(other) == TEXTS
    found, other = compare(
        f"predict, {TEXTS} texts, the exported graph", rounds, lambda: model(many), lambda: graph(many)
    )
    np.testing.assert_allclose(found, other, atol=1e-5)
    some = many[:SINGLE]
    found, other = compare(
        f"predict, {SINGLE} texts one by one, the graph",
        rounds,
        lambda: [model([text]) for text in some],
        lambda: [graph([text]) for text in some],
    )
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(other), atol=1e-5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures on one file of records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="labelled records")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # scikit-learn's, of defaults that will change
    print(f"{'':50s} {'ours':>11s} {'peer':>11s} {'ratio':>7s}")
    with tempfile.TemporaryDirectory() as folder:
        fitting(options.input, Path(folder) / "work", options.rounds)
        answering(options.input, Path(folder), options.rounds)


if __name__ == "__main__":
    sys.exit(main())

"""Training speed: seconds to the accuracy that stock Keras reaches, and images a second through the bridge.

With --input, a .tsv file of labelled texts: the TextCNN by Keras's own recipe (TextVectorization of a fixed length,
padded arrays in memory, layers of Keras alone, Adam, model.fit) for some epochs, and by ours (shards through the
bridge, batches of like length, hidden words, `MaxConvolution`, LazyAdam at a rate of its own, the loop of
`models.training.fit`) until its validation accuracy is at least the stock recipe's best. Same sizes, initial values,
vocabulary, batch size, split and number of words, and both give the same logits for the same weights; measuring on
validation is not timed. With --images, records of images: epochs of the cnn through the bridge and from arrays in
memory, by the same model.fit. Example:
  python tests/benchmarks/bench_training.py --input data/raw/mr.tsv --length 60 --rate 0.003 --fall 5
  python tests/benchmarks/bench_training.py --input data/raw/20ng-train.tsv --length 400
  python tests/benchmarks/bench_training.py --images data/raw/mnist-train.tsv
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.input import records
from mapreduce.input.files import blocks
from mapreduce.output import vocabulary
from models import dataset
from models.quiet import import_tensorflow

import_tensorflow()

import keras  # noqa: E402

from models.architectures.cnn import cnn  # noqa: E402
from models.architectures.textcnn import textcnn  # noqa: E402
from models.training import fit  # noqa: E402
from models.training.augment import augment  # noqa: E402
from models.training.candidates import candidates  # noqa: E402
from models.training.optimizer import LazyAdam  # noqa: E402
from models.training.validation import Measure  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH, WORDS = 50, 20_000


class Reached(Exception):
    """The accuracy that was to be reached is."""


class Clock(keras.callbacks.Callback):
    """Seconds and accuracy after each epoch, without the seconds of measuring; ends training at a target."""

    def __init__(self, measure: Callable[[], float], target: float = 2.0) -> None:
        super().__init__()
        self.measure, self.target = measure, target
        self.found: list[tuple[float, float]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        stopped = time.perf_counter()
        accuracy = self.measure()
        self.found.append((stopped - self.started, accuracy))
        self.started += time.perf_counter() - stopped
        if accuracy >= self.target:
            raise Reached

    def until(self, target: float) -> float:
        """Seconds to the end of the first epoch of that accuracy; infinite without one."""
        return next((seconds for seconds, accuracy in self.found if accuracy >= target), float("inf"))


def job(name: str, *arguments: object) -> None:
    """Runs one of the jobs."""
    subprocess.run(
        [sys.executable, str(ROOT / "jobs" / f"{name}.py"), "-q", "-r", "local", *map(str, arguments)], check=True
    )


def compiled(model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int = 1) -> keras.Model:
    """The model, with the loss of a classifier."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, steps_per_execution=steps)
    return model


def stock_textcnn(features: int, labels: int) -> keras.Model:
    """Kim's network as Keras's layers have it, padding unmasked; the same weights as those of our `textcnn`."""
    ids = keras.Input((None,), dtype="int32")
    uniform = keras.initializers.RandomUniform(-0.25, 0.25)
    x = keras.layers.Embedding(features + 2, 128, embeddings_initializer=uniform)(ids)
    found = [keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(100, w, activation="relu")(x)) for w in (3, 4, 5)]
    x = keras.layers.Dropout(0.5)(keras.layers.Concatenate()(found))
    return keras.Model(ids, keras.layers.Dense(labels)(x))


def check_logits(features: int, labels: int) -> None:
    """Both networks give the same logits for the same weights where padding is zeros, as it is for ours."""
    stock, ours = stock_textcnn(features, labels), textcnn(features, labels)
    weights = stock.get_weights()
    weights[0][0] = 0
    for network in (stock, ours):
        network.set_weights(weights)
    ids = np.random.default_rng(0).integers(2, features + 2, (8, 64))
    ids[:, -4:] = 0
    np.testing.assert_allclose(ours(ids), stock(ids), atol=1e-4)


def texts(options: argparse.Namespace) -> None:
    """Prints for every seed the seconds of both recipes, and the median ratio."""
    path, length, epochs = options.input, options.length, options.epochs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job("vocabulary", "--split", "train", "--top-k", WORDS, "--output-dir", folder / "v", path)
        for split in ("train", "validation"):
            job("encode", "--split", split, "--vocabulary", folder / "v", "--output-dir", folder / split, path)
        tokens, labels = vocabulary.read(folder / "v").tokens, dataset.labels(folder / "train")
        vectorize = keras.layers.TextVectorization(
            output_sequence_length=length, vocabulary=[token.decode("utf-8", "replace") for token in tokens]
        )
        padded = {}
        for split in ("train", "validation"):
            reader = records.RecordReader("tsv", rule=records.SplitRule(split))
            with open(path, "rb") as file:
                pairs = [pair for block in blocks(file) for pair in reader.read(block)]
            x = np.concatenate(
                [vectorize([t.decode() for _, t in pairs[i : i + 1000]]) for i in range(0, len(pairs), 1000)]
            )
            padded[split] = x, np.array([labels.index(label.decode()) for label, _ in pairs])
        check_logits(len(tokens), len(labels))
        ratios = []
        for seed in range(options.seeds):
            stock = _stock(padded, len(tokens), len(labels), seed, epochs)
            best = max(accuracy for _, accuracy in stock.found)
            ours = _ours(folder, len(tokens), labels, seed, best, options)
            ratios.append(ours.until(best) / stock.until(best))
            print(
                f"seed {seed}: stock {stock.until(best):6.1f} s to {best:.4f}, ours {ours.until(best):6.1f} s to "
                f"{max(accuracy for _, accuracy in ours.found):.4f}, ratio {ratios[-1]:.3f}",
                flush=True,
            )
        print(f"{Path(path).name}: median ratio {statistics.median(ratios):.3f} (at most 0.5)")


def _stock(padded: Any, features: int, labels: int, seed: int, epochs: int) -> Clock:
    keras.utils.set_random_seed(seed)
    model = compiled(stock_textcnn(features, labels), keras.optimizers.Adam())
    x, y = padded["validation"]
    clock = Clock(lambda: float((model.predict(x, batch_size=128, verbose=0).argmax(axis=1) == y).mean()))
    model.fit(*padded["train"], batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[clock])
    return clock


def _ours(
    folder: Path, features: int, labels: list[str], seed: int, target: float, options: argparse.Namespace
) -> Clock:
    keras.utils.set_random_seed(seed)
    epochs, rate = options.fall or options.epochs, options.rate
    train = folder / "train"
    batches = dataset.read(train, batch_size=BATCH, labels=labels, seed=seed, epochs=epochs, bucket=True)
    batches = augment(batches, replace(candidates("textcnn")[0], unknown=options.unknown), seed, 0)
    steps = -(-dataset.count(train) // BATCH)
    if options.fall:
        rate = keras.optimizers.schedules.PolynomialDecay(rate, steps * epochs, 0.0)
    model = compiled(textcnn(features, len(labels), longest=options.length), LazyAdam(rate))
    model.optimizer.build(model.trainable_variables)
    clock = Clock(Measure(model, folder / "validation", kind="ids", labels=labels).accuracy, target)
    with contextlib.suppress(Reached):
        fit.run(model, batches, steps, range(epochs), [clock])
    return clock


def images(path: str, rounds: int) -> None:
    """Prints images a second through the bridge and from memory, interleaved, and the median ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shards"
        job("encode", "--output-dir", folder, path)
        labels, shape = dataset.labels(folder), dataset.shape(folder)
        rows, y = dataset.to_numpy(folder, labels=labels)
        x = np.stack(rows)
        speeds: dict[str, list[float]] = {"bridge": [], "arrays": []}
        models = {name: compiled(cnn(shape, len(labels)), keras.optimizers.Adam(), fit.STEPS) for name in speeds}
        for epoch in range(rounds + 1):
            for name in ("bridge", "arrays") if epoch % 2 else ("arrays", "bridge"):
                started = time.perf_counter()
                if name == "bridge":
                    batches = dataset.read(folder, kind="pixels", batch_size=128, labels=labels, seed=0, epoch=epoch)
                    models[name].fit(batches, shuffle=False, verbose=0)
                else:
                    models[name].fit(x, y, batch_size=128, verbose=0)
                if epoch:  # the first one traces the graph
                    speeds[name].append(len(y) / (time.perf_counter() - started))
        ratio = statistics.median(a / b for a, b in zip(speeds["bridge"], speeds["arrays"]))
        for name, found in speeds.items():
            print(f"{name:8s} {statistics.median(found):10,.0f} images/s")
        print(f"{Path(path).name}: median ratio {ratio:.3f} (at least 0.97)")


def main() -> None:
    """Measures what it is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", help="labelled records of texts")
    parser.add_argument("--length", type=int, default=400, help="words of a text that are read (default: 400)")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8, help="(default: 8)")
    parser.add_argument("--rate", type=float, default=2e-3, help="of ours (default: 0.002; the stock one is 0.001)")
    parser.add_argument("--fall", type=int, default=0, metavar="EPOCHS", help="our rate falls to 0 in so many epochs")
    parser.add_argument("--unknown", type=float, default=0.2, help="share of words that ours hides (default: 0.2)")
    parser.add_argument("--images", help="records of images")
    parser.add_argument("--rounds", type=int, default=5, help="of images (default: 5)")
    options = parser.parse_args()
    if not (options.input or options.images):
        parser.error("name records of texts with --input, or of images with --images")
    if options.input:
        texts(options)
    if options.images:
        images(options.images, options.rounds)


if __name__ == "__main__":
    main()

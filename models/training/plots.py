"""Pictures as PNG: learning curves, by matplotlib, and images above what an autoencoder gives back for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mapreduce.output import atomic
from models.training.runs import History

if TYPE_CHECKING:
    import keras

IMAGES = 10


def curves(histories: dict[str, History], path: Path) -> None:
    """Draws the loss and, where it was measured, the validation score of every fit over its epochs.

    Needs matplotlib; `models.training.settings.Settings.check` says so before anything is trained.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, measured in zip(figure.subplots(1, 2), ("loss", "validation")):
        for name, history in histories.items():
            points = [(epoch, one[measured]) for epoch, one in enumerate(history, 1) if measured in one]
            if points:
                axes.plot(*zip(*points), marker=".", label=name)
        axes.set(xlabel="epoch", title=measured)
        if axes.lines:
            axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.whole_file(path) as file:
        FigureCanvasAgg(figure).print_png(file)


def reconstructions(model: keras.Model, directory: str | os.PathLike[str]) -> bytes:
    """A PNG of images from an output of jobs/encode.py above what the model gives back for them."""
    import tensorflow as tf

    from models import dataset

    batches = dataset.read(directory, kind="pixels", batch_size=IMAGES, labels=[""])
    images, _ = next(iter(batches))
    given = tf.cast(tf.round(255 * tf.sigmoid(model(images, training=False))), tf.uint8)
    rows = [tf.concat(tf.unstack(tf.pad(one, [[0, 0], [1, 1], [1, 1], [0, 0]])), axis=1) for one in (images, given)]
    whole = tf.concat(rows, axis=0)
    found: bytes = tf.io.encode_png(whole if whole.shape[-1] in (1, 2, 3, 4) else whole[..., :1]).numpy()
    return found

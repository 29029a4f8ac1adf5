"""A model of tables as it is served: from raw columns to probabilities, or to a number.

`models.serving.export` writes it, `models.load` reads it; nothing is trained here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from mapreduce.tables.encoding import NUMBER, Recipe
from models.layers.table_encoder import ColumnEncoder, encode


class TableModel:
    """A classifier of rows, or what gives a number for each.

    Its SavedModel's signature takes a tensor [batch] for each column, numbers as float64 with NaN for a missing one,
    all else as strings with "" for one, under the column's name as `argument_names` has it. It gives `probabilities`,
    float32 [batch, labels], softmax(scale * logits), and `labels`, strings [labels]; or `numbers`, float64 [batch]. A
    row with a value that is none of its column's type is answered with NaN. Its function `serve` takes a dict of
    columns by their own names, and `encode` gives the numbers that the network reads.

    Args:
        model: from the numbers of a row to logits, or to a number in deviations from the mean.
        recipe: what becomes of the columns.
        labels: names in the order of the logits; None where a number is learnt.
        scale: what the logits are multiplied with before the softmax.
    """

    entry = "by_name"
    arrays = None

    def __init__(self, model: keras.Model, recipe: Recipe, *, labels: Sequence[str] | None, scale: float = 1.0) -> None:
        self.model, self.recipe, self.labels, self.scale = model, recipe, labels, scale
        self.outputs = int(model.output_shape[-1])

    def prepare(self, scratch: Path) -> None:
        """Nothing is needed."""

    def module(self) -> tf.Module:
        """What the SavedModel holds."""
        return TableModule(self.model, self.recipe, self.labels, self.scale)

    def keras_model(self) -> keras.Model:
        """From a dict of columns, by their names in the signature, to probabilities, or to numbers."""
        plain = argument_names([one.name for one in self.recipe.inputs])
        inputs = {one.name: keras.Input((), dtype=one.dtype, name=plain[one.name]) for one in self.recipe.inputs}
        numbers = ColumnEncoder(self.recipe)(inputs)
        logits = _unanswered(numbers, self.model(numbers))
        columns = {plain[name]: column for name, column in inputs.items()}
        if self.labels is None:
            target = self.recipe.target
            layer = keras.layers.Rescaling(target.deviation, target.mean, dtype="float64", name="numbers")
            return keras.Model(columns, layer(logits), name="table")
        logits = keras.layers.Rescaling(self.scale, name="scale")(logits)
        return keras.Model(columns, keras.layers.Softmax(name="probabilities")(logits), name="table")

    def about(self) -> dict[str, Any]:
        """The recipe, and what is given."""
        output = NUMBER if self.labels is None else "labels"
        return {"model": {"input": "table", "output": output, "recipe": self.recipe.to_json()}}


class TableModule(tf.Module):
    """What the SavedModel holds: `serve`, `encode` and `by_name`."""

    def __init__(self, model: keras.Model, recipe: Recipe, labels: Sequence[str] | None, scale: float) -> None:
        super().__init__("table_model")
        # The variables only: the model's layers would add their own traces and metadata to the SavedModel.
        self.weights = [variable.value for variable in model.variables]
        names = tf.constant([name.encode("utf-8", "surrogateescape") for name in labels or ()], tf.string)
        mean, deviation = (tf.constant(one, tf.float64) for one in (recipe.target.mean, recipe.target.deviation))

        def answers(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            numbers = encode(recipe, columns)
            logits = _unanswered(numbers, model(numbers, training=False))
            if labels is None:
                return {"numbers": mean + deviation * tf.cast(logits[:, 0], tf.float64)}
            return {"probabilities": tf.nn.softmax(scale * logits), "labels": names}

        plain = argument_names([one.name for one in recipe.inputs])
        signature = {one.name: tf.TensorSpec([None], one.dtype, name=plain[one.name]) for one in recipe.inputs}
        self.serve = tf.function(answers, input_signature=[signature], autograph=False)
        self.encode = tf.function(lambda columns: encode(recipe, columns), input_signature=[signature], autograph=False)
        named = tf.function(
            lambda **given: answers({name: given[argument] for name, argument in plain.items()}), autograph=False
        )
        self.by_name = named.get_concrete_function(**{plain[name]: spec for name, spec in signature.items()})


def _unanswered(numbers: Any, logits: Any) -> Any:
    """NaN in place of the logits of rows with a NaN, which rectified units may lose."""
    return ops.where(ops.any(ops.isnan(numbers), axis=1, keepdims=True), float("nan"), logits)


def argument_names(columns: Sequence[str]) -> dict[str, str]:
    """Names for the columns in a signature, which takes ASCII letters, digits and _ alone, each once, and no keyword.

    Example:
        >>> argument_names(["age", "my age", "my-age", "1st", "class"])
        {'age': 'age', 'my age': 'my_age', 'my-age': 'my_age_1', '1st': 'c_1st', 'class': 'class_'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        base = re.sub(r"[^A-Za-z0-9_]", "_", column)
        base = base if re.match("[A-Za-z]", base) else f"c_{base}"
        base += "_" * iskeyword(base)
        name, number = base, 0
        while name.lower() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.lower())
        found[column] = name
    return found

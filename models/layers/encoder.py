"""From strings to a model's input inside the graph: the tokenizer, the vocabulary and the padding in one layer.

The ids are exactly those that jobs/encode.py writes. Nothing is learned or counted here; `models.serving.text_model`
joins the layer to a trained model.
"""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf

from mapreduce.errors import UserError
from mapreduce.output.vocabulary import FIRST, OOV
from mapreduce.tokens.hashing import KEY
from mapreduce.tokens.specification import Specification
from models.layers.bags import bag, pad
from models.layers.tokenizer import feature_parts, joined

ASSET = "vocabulary.txt"


def lookup_table(path: str) -> tf.lookup.StaticHashTable:
    """A table from a token to its line number (from 0), -1 for any other; the file becomes an asset."""
    source = tf.lookup.TextFileInitializer(
        path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    return tf.lookup.StaticHashTable(source, OOV - FIRST)


class Buckets:
    """Looks nothing up: hashes features to buckets, as jobs/encode.py does with --hash-buckets."""

    def __init__(self, buckets: int) -> None:
        self.buckets = buckets

    def lookup(self, tokens: tf.Tensor) -> tf.Tensor:
        """Buckets, int64 from 0, of tokens of any shape."""
        return tf.strings.to_hash_bucket_strong(tokens, self.buckets, KEY)


def encode(
    specification: Specification, table: tf.lookup.StaticHashTable | Buckets, texts: tf.Tensor, kind: str
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Texts [batch] as a model's input: int32 ids [batch, length], or the bag that `models.layers.bags.bag` makes.

    Token i of the vocabulary is i + 2, any other 1, padding 0; with `Buckets` a feature of bucket i is i + 2.
    """
    # Ids are joined, not features: a feature takes six times the memory of its id, and more.
    parts = feature_parts(specification, texts)
    ids = joined([part.with_values(tf.cast(table.lookup(part.values) + FIRST, tf.int32)) for part in parts])
    return bag(ids) if kind == "bag" else pad(ids)


@keras.saving.register_keras_serializable(package="featuremill")
class TextEncoder(keras.layers.Layer):
    """`encode` as a layer, so that a `.keras` file takes plain strings.

    Input shape:
        Strings [batch].

    Output shape:
        kind "ids": int32 [batch, length]. kind "bag": {"ids", "counts"}, each int32 [batch, unique].

    Args:
        specification: a `Specification`, or the data that its `to_json` gives.
        kind: "ids" or "bag".
        vocabulary: a number of buckets that features are hashed to. Without it the layer waits for `load_assets`, which
            is given the `.keras` file's own tokens. A path is refused: who makes a `.keras` file must not name a file
            of those who load it.

    Raises:
        UserError: kind is neither, or vocabulary no number.
    """

    def __init__(
        self,
        specification: Specification | dict[str, Any],
        kind: str = "ids",
        vocabulary: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"trainable": False, "dtype": "string", "name": "text_encoder", **kwargs})
        if kind not in ("ids", "bag"):
            raise UserError(f"TextEncoder: kind is ids or bag. Received: {kind!r:.60}")
        if vocabulary is not None and type(vocabulary) is not int:
            raise UserError(
                f"TextEncoder: vocabulary is a number of buckets, and tokens are an asset. Received: {vocabulary!r:.60}"
            )
        if isinstance(specification, dict):
            specification = Specification.from_json(specification)
        self.specification, self.kind = specification, kind
        self.supports_jit = False
        self._tokens: bytes | None = None
        self._table: tf.lookup.StaticHashTable | Buckets | None = None
        self._buckets = vocabulary
        if vocabulary is not None:
            self._table = Buckets(vocabulary)

    def call(self, texts: tf.Tensor) -> Any:
        if self._table is None:
            raise UserError("TextEncoder has no vocabulary yet; load the `.keras` file as a whole")
        return encode(self.specification, self._table, texts, self.kind)

    def compute_output_spec(self, texts: Any) -> Any:
        shape = (texts.shape[0], None)
        if self.kind == "ids":
            return keras.KerasTensor(shape, "int32")
        return {name: keras.KerasTensor(shape, "int32") for name in ("ids", "counts")}

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary into the `.keras` file."""
        os.makedirs(dir_path, exist_ok=True)
        with open(os.path.join(dir_path, ASSET), "wb") as file:
            file.write(self._tokens or b"")

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary from the folder of the `.keras` file, or where `TextModel.prepare` has put it."""
        if self._buckets is not None:
            return
        with open(os.path.join(dir_path, ASSET), "rb") as file:
            self._tokens = file.read()
        tokens = self._tokens.split(b"\n")[:-1]
        # From memory: a `.keras` file is unpacked into a folder that is gone once it is loaded.
        source = tf.lookup.KeyValueTensorInitializer(
            tf.constant(tokens, tf.string, [len(tokens)]), tf.range(len(tokens), dtype=tf.int64)
        )
        self._table = tf.lookup.StaticHashTable(source, OOV - FIRST)

    def get_config(self) -> dict[str, Any]:
        own = {"specification": self.specification.to_json(), "kind": self.kind, "vocabulary": self._buckets}
        return {**super().get_config(), **own}


# Keras finds the layer by its registered name, and names it by this one where that fails: the remedy reaches a user
# whose process has never heard of this project.
TextEncoder.__name__ = "TextEncoder (install featuremill and call models.load_keras(MODEL_DIR), or load saved_model)"

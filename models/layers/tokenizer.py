"""The tokenizer inside a TensorFlow graph: the features of `mapreduce.tokens.tokenizer`, from tf.strings operations.

A specification is data, so the layer needs nothing but core TensorFlow: what it exports runs wherever a
SavedModel runs. It looks nothing up; `models.layers.encoder` turns features into ids.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mapreduce.tokens.specification import Specification
from mapreduce.tokens.tokenizer import ACROSS, CHARACTER_NGRAM, HEAD, HEAD_PAIR, PREFIX, SKIP
from models.layers.bags import owners

_BYTES = tf.constant([bytes([value]) for value in range(256)]).numpy()


@keras.saving.register_keras_serializable(package="featuremill")
class Tokenizer(keras.layers.Layer):
    """Turns strings into features, exactly as `mapreduce.tokens.tokenizer.Tokenizer(specification).features` does.

    Input shape:
        A string tensor or RaggedTensor of any shape whose rank is known.

    Output shape:
        The input's shape and one ragged dimension more, of features (bytes); for a scalar a tensor [features].

    Args:
        specification: a `mapreduce.tokens.specification.Specification`, or the data that its `to_json` gives.

    Raises:
        ValueError: the rank of the input is not known.

    Example:
        >>> from mapreduce.tokens.specification import preset
        >>> Tokenizer(preset("keras", ngrams=2))(["It's a cat."])
        <tf.RaggedTensor [[b'its', b'a', b'cat', b'its a', b'a cat']]>
    """

    def __init__(self, specification: Specification | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**{"trainable": False, "dtype": "string", **kwargs})
        if isinstance(specification, dict):
            specification = Specification.from_json(specification)
        self.specification = specification
        self.supports_jit = False
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True

    def call(self, texts: Any) -> Any:
        if not isinstance(texts, (tf.Tensor, tf.RaggedTensor)):
            texts = tf.convert_to_tensor(texts, tf.string)
        if isinstance(texts, tf.RaggedTensor):
            return texts.with_flat_values(self.call(texts.flat_values))
        rank = texts.shape.rank
        if rank is None:
            raise ValueError(f"Tokenizer needs an input whose rank is known. Received: {texts}")
        if rank == 0:
            return features(self.specification, texts[tf.newaxis]).values
        found = features(self.specification, tf.reshape(texts, [-1]))
        sizes = tf.shape(texts, out_type=tf.int64)
        for axis in range(rank - 1, 0, -1):
            rows = tf.reduce_prod(sizes[:axis])
            found = tf.RaggedTensor.from_uniform_row_length(found, sizes[axis], nrows=rows)
        return found

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "specification": self.specification.to_json()}


def features(specification: Specification, texts: tf.Tensor) -> tf.RaggedTensor:
    """The features of texts [n] as a ragged string tensor [n, None], in the specification's order."""
    return joined(feature_parts(specification, texts))


def feature_parts(specification: Specification, texts: tf.Tensor) -> list[tf.RaggedTensor]:
    """The same by kind of feature, not `joined` yet: each is a ragged string tensor [n, None]."""
    found = words(specification, texts)
    parts = [word_ngrams(found, width) for width in specification.ngrams]
    if specification.character_ngrams:
        padded = found.with_values(tf.strings.join([" ", found.values, " "]))
        units = characters(padded.values)
        parts += [character_ngrams(padded, units, width) for width in specification.character_ngrams]
    if specification.head:
        parts.append(_marked(HEAD, found[:, : specification.head]))
    if specification.skips:
        parts.append(skips(found))
    if specification.head_pairs:
        parts.append(_marked(HEAD_PAIR, word_ngrams(found[:, : specification.head_pairs + 1], 2)))
    if specification.prefixes:
        parts.append(prefixes(found[:, : specification.prefixes]))
    if specification.characters_across:
        units = characters(tf.where(found.row_lengths() > 0, tf.strings.join([" ", _lines(found), " "]), ""))
        runs = (tf.strings.ngrams(units, width, separator="") for width in specification.characters_across)
        parts += [_marked(ACROSS, run) for run in runs]
    return parts


def joined(parts: list[tf.RaggedTensor]) -> tf.RaggedTensor:
    """Row by row, one part after the other."""
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)


def words(specification: Specification, texts: tf.Tensor) -> tf.RaggedTensor:
    """The words of texts [n] as a ragged string tensor [n, None]."""
    found = tf.strings.split(normalize(specification, texts))
    if specification.split == "whitespace":
        return found
    units = characters(found.values)
    return tf.RaggedTensor.from_row_splits(units.values, tf.gather(units.row_splits, found.row_splits))


def word_ngrams(found: tf.RaggedTensor, width: int) -> tf.RaggedTensor:
    """All runs of `width` words of each row, joined with one space."""
    return found if width == 1 else tf.strings.ngrams(found, width, separator=" ")


def character_ngrams(padded: tf.RaggedTensor, units: tf.RaggedTensor, width: int) -> tf.RaggedTensor:
    """All runs of `width` characters within each word, under the prefix that marks them.

    `units` holds the characters of each of `padded.values`; joining them is linear in a word's length, where
    tf.strings.substr at every position would be quadratic and a text of one long word would not fit.
    """
    runs = tf.strings.ngrams(units, width, separator="")
    values = tf.strings.join([CHARACTER_NGRAM, runs.values])
    return tf.RaggedTensor.from_row_splits(values, tf.gather(runs.row_splits, padded.row_splits))


def skips(found: tf.RaggedTensor) -> tf.RaggedTensor:
    """All pairs of a word and the word after next of each row."""
    first, third = found[:, :-2], found[:, 2:]
    return first.with_values(tf.strings.join([SKIP, first.values, " ", third.values]))


def prefixes(first: tf.RaggedTensor) -> tf.RaggedTensor:
    """What each row begins with: its first word, its first two joined with one space, ... all of it.

    Each is cut out of the joined row, as joining each anew would need every word as often as the row has words.
    """
    rows = owners(first.row_splits[1:])
    ends = tf.concat([[0], tf.cumsum(tf.cast(tf.strings.length(first.values), tf.int64) + 1)], 0)
    before = tf.gather(ends, tf.gather(first.row_splits, rows))
    sizes = ends[1:] - before - 1 + len(PREFIX)
    lines = tf.strings.join([PREFIX, _lines(first)])
    return first.with_values(tf.strings.substr(tf.gather(lines, rows), tf.zeros_like(sizes), sizes))


def _lines(found: tf.RaggedTensor) -> tf.Tensor:
    """The words of each row joined with one space, strings [n]."""
    return tf.strings.unsorted_segment_join(found.values, owners(found.row_splits[1:]), found.nrows(), separator=" ")


def _marked(mark: bytes, found: tf.RaggedTensor) -> tf.RaggedTensor:
    return found.with_values(tf.strings.join([mark, found.values]))


def characters(strings: tf.Tensor) -> tf.RaggedTensor:
    """The characters of strings [n] as [n, None]: each one byte and the continuation bytes behind it.

    Any bytes will do; the first byte of a string always begins a character.
    """
    sizes = tf.strings.length(strings)
    ends = tf.cumsum(sizes)
    row_of_byte = owners(ends)
    raw = tf.io.decode_raw(tf.strings.reduce_join(strings), tf.uint8)
    first = tf.range(tf.size(raw)) == tf.gather(ends - sizes, row_of_byte)
    begins = first | (tf.bitwise.bitwise_and(raw, np.uint8(0xC0)) != 0x80)
    number = tf.cumsum(tf.cast(begins, tf.int32))
    values = tf.strings.unsorted_segment_join(
        tf.gather(_BYTES, tf.cast(raw, tf.int32)), number - 1, tf.reduce_sum(tf.cast(begins, tf.int32))
    )
    splits = tf.gather(tf.concat([[0], number], 0), tf.concat([[0], ends], 0))
    return tf.RaggedTensor.from_row_splits(values, tf.cast(splits, tf.int64))


def normalize(specification: Specification, texts: tf.Tensor) -> tf.Tensor:
    """Texts [n] after the character table; at code point level invalid UTF-8 becomes U+FFFD first."""
    if specification.level == "codepoint":
        return _replace_codepoints(dict(specification.table), texts)
    table = dict(specification.table)
    if not _is_plain(table):
        return _replace_bytes(table, texts)
    # Deletions come first and the lower case last, so that no step sees what another one has written.
    deleted = [unit for unit, text in table.items() if text == ""]
    kept = [unit for unit, text in table.items() if text == f" {chr(unit)} "]
    spaces = [unit for unit, text in table.items() if text == " "]
    for units, rewrite in ((deleted, ""), (kept, r" \0 "), (spaces, " ")):
        if units:
            pattern = "[" + "".join(f"\\x{unit:02x}" for unit in units) + "]"
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
    return tf.strings.lower(texts) if table.get(ord("A")) == "a" else texts


def _is_plain(table: dict[int, str]) -> bool:
    """Whether the table only deletes, sets apart and spaces, and lower-cases all of A to Z or none."""
    folded = {unit: chr(unit + 32) for unit in range(65, 91)}
    rest = {unit: text for unit, text in table.items() if text not in ("", " ", f" {chr(unit)} ")}
    return rest in ({}, folded)


def _replace_bytes(table: dict[int, str], texts: tf.Tensor) -> tf.Tensor:
    """Any table, byte by byte."""
    pieces = [table.get(unit, "").encode() if unit in table else bytes([unit]) for unit in range(256)]
    raw = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    rows = owners(tf.cumsum(tf.strings.length(texts)))
    return tf.strings.unsorted_segment_join(
        tf.gather(tf.constant(pieces), tf.cast(raw, tf.int32)), rows, tf.size(texts)
    )


def _replace_codepoints(table: dict[int, str], texts: tf.Tensor) -> tf.Tensor:
    """Any table, code point by code point, as integers: each becomes none, one or several others."""
    if not table:
        return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    units = sorted(table)
    sizes = np.array([len(table[unit]) for unit in units], np.int32)
    starts = (np.cumsum(sizes) - sizes).astype(np.int32)
    written = np.array([ord(c) for unit in units for c in table[unit]] or [0], np.int32)
    decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    found = decoded.values
    at = tf.minimum(tf.searchsorted(units, found), len(units) - 1)
    hit = tf.gather(np.array(units, np.int32), at) == found
    counts = tf.where(hit, tf.gather(sizes, at), 1)
    source = owners(tf.cumsum(counts))
    within = tf.range(tf.size(source)) - tf.gather(tf.cumsum(counts, exclusive=True), source)
    position = tf.minimum(tf.gather(tf.gather(starts, at), source) + within, len(written) - 1)
    values = tf.where(tf.gather(hit, source), tf.gather(written, position), tf.gather(found, source))
    ends = tf.concat([[0], tf.cumsum(counts)], 0)
    splits = tf.cast(tf.gather(ends, decoded.row_splits), tf.int64)
    return tf.strings.unicode_encode(tf.RaggedTensor.from_row_splits(values, splits), "UTF-8")

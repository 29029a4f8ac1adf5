"""The layer of tables: raw columns to the numbers that jobs/encodetable.py makes of them, by the same recipe.

`mapreduce.tables.encoding` is the rule. All is computed in double and rounded once. A value that the job would reject,
as a date that is none, makes every number of its row NaN: a batch has no other place to say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import keras
import tensorflow as tf

from mapreduce.tables import encoding, types
from mapreduce.tables.encoding import HASHED, LIMIT, NUMBER, TIME, WORDS, Input, Recipe
from mapreduce.tokens.hashing import KEY
from models.layers.tokenizer import feature_parts, joined

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = _DATE + r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?"
_FIRST, _LAST = (datetime(*day).toordinal() - datetime(1970, 1, 1).toordinal() for day in ((1, 1, 1), (9999, 12, 31)))


def encode(recipe: Recipe, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The numbers of rows, float32 [batch, numbers]; NaN where a value is none of its column's type.

    Args:
        columns: by name, each [batch], of its `Input.dtype`.
    """
    found: list[tf.Tensor] = []
    fits = tf.ones_like(columns[recipe.inputs[0].name], tf.bool)
    for column in recipe.inputs:
        value = columns[column.name]
        if column.kind == NUMBER:
            missing, numbers, fit = tf.math.is_nan(value), _scaled(value, column.center, column.factor)[:, None], None
        else:
            missing = tf.equal(value, "")
            for null in recipe.nulls:
                missing |= tf.equal(value, null)
            numbers, fit = _strings(column, value)
        found.append(tf.where(missing[:, None], tf.zeros([], tf.float64), numbers))
        if column.missing:
            found.append(tf.cast(missing, tf.float64)[:, None])
        if fit is not None:
            fits &= fit | missing
    numbers = tf.cast(tf.concat(found, axis=1), tf.float32)
    return tf.where(fits[:, None], numbers, tf.constant(float("nan"), tf.float32))


def _scaled(value: tf.Tensor, center: float, factor: float) -> tf.Tensor:
    double = tf.float64
    moved = (value - tf.constant(center, double)) * tf.constant(factor, double)
    return tf.minimum(tf.maximum(moved, tf.constant(-LIMIT, double)), tf.constant(LIMIT, double))


def _strings(column: Input, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The numbers of a column of strings, float64 [batch, numbers], and where its values are of its type; None:
    everywhere."""
    if column.kind == TIME:
        parts, fit = _time_parts(column, value)
        scaled = [_scaled(parts[part], center, factor) for part, center, factor in column.parts]
        return tf.stack(scaled, axis=1), fit
    if column.kind == WORDS:
        return _words(column, value), None
    fit = None
    if column.type == types.BOOLEAN:
        value = tf.strings.lower(value)
        fit = tf.equal(value, "true") | tf.equal(value, "false")
    if column.kind == HASHED:
        return tf.one_hot(_buckets(column, value), column.buckets, dtype=tf.float64), fit
    names = [name.encode() for name in column.values]
    known = tf.cast(tf.equal(value[:, None], tf.constant(names, tf.string, [len(names)])), tf.float64)
    return tf.concat([known, 1 - tf.reduce_sum(known, axis=1, keepdims=True)], axis=1), fit


def _buckets(column: Input, value: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_strong(value, column.buckets, KEY)


def _words(column: Input, value: tf.Tensor) -> tf.Tensor:
    """1 where a word is of the bucket, else 0: float64 [batch, buckets]."""
    words = joined(feature_parts(encoding.WORD, value))
    places = tf.stack([words.value_rowids(), _buckets(column, words.values)], axis=1)
    shape = tf.stack([tf.shape(value, tf.int64)[0], column.buckets])
    return tf.minimum(tf.scatter_nd(places, tf.ones_like(places[:, 0], tf.float64), shape), 1)


def _time_parts(column: Input, value: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The parts of times as float64 [batch], and which are times."""
    has_time = tf.strings.regex_full_match(value, _TIME)
    fit = tf.strings.regex_full_match(value, _DATE)
    if column.type == types.TIMESTAMP:
        fit |= has_time
    value = tf.where(fit, value, "1970-01-01")
    has_time &= fit

    def digits(at: int, size: int, there: tf.Tensor | None = None) -> tf.Tensor:
        text = value if there is None else tf.where(there, value, "0" * 40)
        return tf.strings.to_number(tf.strings.substr(text, at, size), tf.int64)

    year, month, day = digits(0, 4), digits(5, 2), digits(8, 2)
    is_leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = tf.constant([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], tf.int64)
    length = tf.gather(lengths, tf.clip_by_value(month - 1, 0, 11)) + tf.cast(is_leap & tf.equal(month, 2), tf.int64)
    fit &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    hour, minute = digits(11, 2, has_time), digits(14, 2, has_time)
    second = digits(17, 2, has_time & tf.strings.regex_full_match(value, ".{16}:.*"))
    has_zone = has_time & tf.strings.regex_full_match(value, ".*[+-][0-9]{2}(?::?[0-9]{2})?")
    zone = tf.strings.regex_replace(value, "^.*([+-])([0-9]{2}):?([0-9]{2})?$", r"\1\2\3")
    zone = tf.where(has_zone, zone, "+") + "0000"  # minutes may be left out
    sign = tf.where(tf.equal(tf.strings.substr(zone, 0, 1), "-"), tf.constant(-1, tf.int64), tf.constant(1, tf.int64))
    hours, minutes = (tf.strings.to_number(tf.strings.substr(zone, at, 2), tf.int64) for at in (1, 3))
    fit &= (hour <= 23) & (minute <= 59) & (second <= 59) & (hours * 60 + minutes <= 18 * 60) & (minutes <= 59)
    total = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - sign * (hours * 3600 + minutes * 60)
    days, seconds = total // 86400, total % 86400
    fit &= (days >= _FIRST) & (days <= _LAST)
    found = {encoding.DAYS: days, encoding.WEEKDAY: (days + 3) % 7 + 1, encoding.SECONDS: seconds}
    found[encoding.MONTH], found[encoding.DAY] = _month_and_day(days)
    return {name: tf.cast(part, tf.float64) for name, part in found.items()}, fit


def _days(year: tf.Tensor, month: tf.Tensor, day: tf.Tensor) -> tf.Tensor:
    """Days since 1970, in years that begin with March, so that a leap day is the last of one."""
    year -= tf.cast(month <= 2, tf.int64)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def _month_and_day(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The same the other way round."""
    days += 719468
    of_era = days % 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    return (month + 2) % 12 + 1, of_year - (153 * month + 2) // 5 + 1


@keras.saving.register_keras_serializable(package="featuremill")
class ColumnEncoder(keras.layers.Layer):
    """`encode` as a layer, so that a `.keras` file takes raw columns.

    Input shape:
        A dict of columns, each [batch], of its `Input.dtype`.

    Output shape:
        float32 [batch, numbers].

    Args:
        recipe: a `Recipe`, or the data that its `to_json` gives.
    """

    def __init__(self, recipe: Recipe | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**{"trainable": False, "name": "column_encoder", "autocast": False, **kwargs})
        self.recipe = Recipe.from_json(recipe, "ColumnEncoder") if isinstance(recipe, dict) else recipe
        self.supports_jit = False

    def call(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        return encode(self.recipe, columns)

    def compute_output_spec(self, columns: Any) -> Any:
        return keras.KerasTensor((None, len(self.recipe.places)), "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "recipe": self.recipe.to_json()}


# As models.layers.encoder has it: where the layer is not known, Keras's error names this.
ColumnEncoder.__name__ = (
    "ColumnEncoder (install featuremill and call models.load_keras(MODEL_DIR), or load saved_model)"
)

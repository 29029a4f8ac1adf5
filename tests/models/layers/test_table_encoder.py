"""The layer of tables gives the numbers of the job, bit for bit, whatever is in the columns; NaN where that rejects."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapreduce.tables import types
from mapreduce.tables.encoding import CATEGORY, HASHED, NUMBER, TIME, WORDS, Input, Recipe, TableEncoder, Target
from mapreduce.tables.misfits import Misfit
from models.layers import table_encoder
from models.layers.table_encoder import ColumnEncoder

PARTS = (("days", 100.5, 1 / 777.3), ("month", 6.5, 0.28), ("day", 16.0, 0.11), ("weekday", 4.0, 0.49))
SECONDS = ("seconds", 43200.0, 1 / 24941.5)
RECIPE = Recipe(
    Target("y", "double", NUMBER),
    (
        Input("number", "double", NUMBER, 1.37, 0.731, missing=True),
        Input("whole", "int", NUMBER, -3.0, 1e-3),
        Input("city", "text", CATEGORY, values=("x", "é", "long value"), missing=True),
        Input("yes", "boolean", CATEGORY, values=("true", "false")),
        Input("code", "text", HASHED, buckets=7, missing=True),
        Input("title", "text", WORDS, buckets=11),
        Input("on", "date", TIME, parts=PARTS),
        Input("at", "timestamp", TIME, parts=(*PARTS, SECONDS), missing=True),
    ),
    nulls=("NA",),
)
NUMBERS = "NaN Infinity -Infinity 1e308 -1e308 0 -0.0 5e-324 007 .5 1e400 abc 0x1 1_000".split()
TEXTS = ["x", "é", "long value", "X", " x", "\0", "a\0b", "日本", "true", "x\ty", "x\n"]
DATES = ["2020-02-29", "1900-02-29", "2000-02-29", "0001-01-01", "9999-12-31", "0000-01-01", "2020-13-01", "1970-01-00"]
ZONES = [
    "",
    "",
    "",
    "Z",
    "+02:00",
    "-18:59",
    "+19:00",
    "+05:60",
    "-00:00",
    "+18:00",
    "+02",
    "-0530",
    " UTC",
    " Z",
    " +01",
    "+18:01",
]


def row(generator: random.Random) -> list[bytes]:
    """Values of the columns: most of them such as the columns are for, some that are missing, odd, or none of these."""

    def pick(usual: str, odd: list[str]) -> str:
        return generator.choice([usual] * 6 + ["", "NA", generator.choice(odd)])

    day = (datetime(1, 1, 1) + timedelta(generator.randrange(3_652_058))).date().isoformat()
    clock = f"{generator.randrange(25):02d}:{generator.randrange(61):02d}"
    clock += generator.choice(["", f":{generator.randrange(61):02d}", ":59.9999999", ":7"])
    time = generator.choice([day, *DATES]) + generator.choice(" T") + clock + generator.choice(ZONES)
    values = [
        pick(repr(generator.gauss(0, 3)), NUMBERS),
        pick(str(generator.randrange(-(10**20), 10**20)), NUMBERS),
        pick(generator.choice(TEXTS), TEXTS),
        pick(generator.choice(["true", "FALSE", "True"]), ["yes", "1", "true "]),
        pick(generator.choice(TEXTS), TEXTS),
        pick(" ".join(generator.choices([*TEXTS, "A,b", "Don't", "ÀB"], k=generator.randrange(1, 6))), TEXTS),
        pick(day, [*DATES, "20-01-01", "2020-01-01 10:00", "2020-01-01\n"]),
        pick(time, [*DATES, day, "now", time + "Z", time + "\n", "2020-01-01 1:00"]),
    ]
    return [value.encode() if generator.random() < 0.99 else value.encode() + b"\xff" for value in values]


def given(rows: list[list[bytes]]) -> dict[str, tf.Tensor]:
    """The columns of rows as the layer takes them; what is no number is missing there."""
    read = types.reader(types.DOUBLE)

    def number(value: bytes) -> float:
        try:
            return read(value)  # type: ignore[no-any-return]
        except ValueError:
            return float("nan")

    columns = zip(RECIPE.inputs, zip(*rows))
    return {
        one.name: tf.constant([number(v) for v in values] if one.kind == NUMBER else values, one.dtype)
        for one, values in columns
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_graph_gives_the_numbers_of_the_job(seed: int) -> None:
    generator = random.Random(seed)
    rows = [row(generator) for _ in range(4000)]
    encoder = TableEncoder(RECIPE, range(len(RECIPE.inputs)))
    found = tf.function(lambda columns: table_encoder.encode(RECIPE, columns))(given(rows)).numpy()
    rejected, compared = 0, 0
    for fields, numbers in zip(rows, found):
        try:
            wanted = np.array(encoder.numbers(fields), np.float32)
        except Misfit as cause:
            if "double" not in str(cause) and "int" not in str(cause):  # a number is none before it comes here
                assert np.isnan(numbers).all(), fields
                rejected += 1
            continue
        np.testing.assert_array_equal(numbers, wanted, err_msg=str(fields))
        compared += 1
    assert compared > 400 and rejected > 400


def test_every_day_of_four_centuries() -> None:
    days = [datetime(1799, 12, 25) + timedelta(number) for number in range(146_100)]
    column = Input(
        "on", "date", TIME, parts=tuple((part, 0.0, 1e-6 if part == "days" else 0.1) for part, _, _ in PARTS)
    )
    recipe = Recipe(RECIPE.target, (column,))
    found = table_encoder.encode(recipe, {"on": tf.constant([f"{day:%Y-%m-%d}" for day in days])}).numpy()
    wanted = [
        [(day - datetime(1970, 1, 1)).days * 1e-6, day.month * 0.1, day.day * 0.1, day.isoweekday() * 0.1]
        for day in days
    ]
    np.testing.assert_array_equal(found, np.array(wanted).astype(np.float32))


def test_the_layer_is_kept_in_a_keras_file(tmp_path: Path) -> None:
    inputs = {one.name: keras.Input((), dtype=one.dtype, name=one.name) for one in RECIPE.inputs}
    model = keras.Model(inputs, ColumnEncoder(RECIPE)(inputs))
    assert model.output_shape == (None, len(RECIPE.places))
    model.save(tmp_path / "model.keras")
    columns = given([row(random.Random(seed)) for seed in range(50)])
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(columns), table_encoder.encode(RECIPE, columns))

"""Rows to numbers: the recipe that figures make, its numbers against those of pandas and scikit-learn, and the job."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.preprocessing import StandardScaler

from mapreduce.errors import UserError
from mapreduce.input import rows as row_lines
from mapreduce.input.formats import Layout
from mapreduce.input.records import EVERY, RecordReader, SplitRule
from mapreduce.native import library as native
from mapreduce.output import manifest
from mapreduce.tables import encoding
from mapreduce.tables.columns import Column
from mapreduce.tables.counting import count_columns
from mapreduce.tables.encoding import CATEGORY, HASHED, NUMBER, TIME, WORDS, Input, Recipe, TableEncoder, Target
from mapreduce.tables.misfits import Misfit
from mapreduce.tables.schema import Column as Named
from mapreduce.tables.schema import Schema, of_names
from mapreduce.tokens.hashing import bucket
from tests.conftest import Run

TARGET = Target("y", "double", NUMBER)


def figures(columns: dict[str, list[str]], nulls: tuple[str, ...] = ()) -> tuple[dict[str, Any], Schema]:
    """What jobs/schema.py finds in columns of values, and their schema."""
    found = {}
    for name, values in columns.items():
        state = Column(None, (null.encode() for null in nulls))
        for value in values:
            state.add(value.encode())
        found[name] = state.figures(encoding.LISTED)
    return found, Schema(tuple(Named(name, one["type"]) for name, one in found.items()), nulls)


def made(columns: dict[str, list[str]], target: str, **more: Any) -> Recipe:
    return encoding.make(*figures(columns), target, **more)


COUNT = 60
TABLE = {
    "price": [f"{i * 1.5:.2f}" for i in range(COUNT)],
    "area": ["" if i % 10 == 0 else str(i * i) for i in range(COUNT)],
    "city": ["Oslo" if i % 3 else "Rome" for i in range(COUNT - 1)] + ["Bonn"],
    "code": [f"c{i % 25}" for i in range(COUNT)],
    "on": [f"2020-{i % 12 + 1:02d}-01" for i in range(COUNT)],
    "at": [f"2020-01-01 {i % 24:02d}:30" for i in range(COUNT)],
    "sold": ["TRUE" if i % 2 else "false" for i in range(COUNT)],
    "user_id": [str(1000 + i) for i in range(COUNT)],
    "note": [f"note {i}" for i in range(COUNT)],
    "same": ["x"] * COUNT,
    "empty": [""] * COUNT,
}


def test_a_column_becomes_what_its_figures_say() -> None:
    recipe = made(TABLE, "price", categories=10, buckets=8)
    kinds = {one.name: one.kind for one in recipe.inputs}
    assert kinds == {"area": NUMBER, "city": CATEGORY, "code": HASHED, "on": TIME, "at": TIME, "sold": CATEGORY}
    assert dict(recipe.left_out) == {
        "user_id": "an id: 60 values in 60 rows",
        "note": "an id, or free text, which --words reads: 60 values in 60 rows",
        "same": "one value only",
        "empty": "no value",
    }
    area, city, code, on, at, sold = recipe.inputs
    assert area.missing and not city.missing
    assert city.values == ("Oslo", "Rome")  # Bonn is there once: what it weighs is learnt as that of another
    assert code.buckets == 8 and set(sold.values) == {"false", "true"}
    assert [len(one.parts) for one in (on, at)] == [4, 5]
    assert recipe.target == Target("price", "double", NUMBER, *map(float, _mean_and_deviation(TABLE["price"])))
    assert len(set(recipe.places)) == len(recipe.places) == 2 + 3 + 8 + 4 + 5 + 3


def _mean_and_deviation(values: list[str]) -> tuple[float, float]:
    series = pandas.Series(values, dtype=float)
    return series.mean(), series.std()


def test_words_of_a_text_have_places_by_their_hash() -> None:
    recipe = made(TABLE, "price", words=["note"], buckets=64)
    (note,) = (one for one in recipe.inputs if one.name == "note")
    assert (note.kind, note.buckets, note.missing) == (WORDS, 64, False)
    encode = encoding.column_encoder(note)
    found = encode(b"A good, good NOTE")
    assert {place for place, one in enumerate(found) if one} == {bucket(word, 64) for word in (b"a", b"good", b"note")}
    assert set(found) == {0.0, 1.0} and encode(b"...") == encode(None) == [0.0] * 64
    with pytest.raises(UserError, match="--words: no column 'notes'; perhaps note"):
        made(TABLE, "price", words=["notes"])


def test_a_recipe_is_data() -> None:
    recipe = made(TABLE, "price", words=["note"])
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json())), "x") == recipe
    for damaged in (
        None,
        [],
        {"inputs": [{"name": "a", "type": "int", "kind": "none"}]},
        {**recipe.to_json(), "target": {}},
    ):
        with pytest.raises(UserError, match="no recipe of a table"):
            Recipe.from_json(damaged, "x")


@pytest.mark.parametrize(
    ("target", "task", "wanted"),
    [
        ("price", None, NUMBER),
        ("city", None, "classes"),
        ("sold", None, "classes"),
        ("area", None, NUMBER),
        ("user_id", None, NUMBER),
    ],
)
def test_what_a_target_is_its_values_say(target: str, task: str | None, wanted: str) -> None:
    assert made(TABLE, target, task=task).target.task == wanted


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        ("prise", {}, "--target: no column 'prise'; perhaps price"),
        ("same", {}, "--target same: 1 value in 60 training rows"),
        ("note", {}, "--target note: 60 values in 60 rows are no classes; give another column"),
        ("price", {"task": "classes"}, "--target price: 60 values in 60 rows are no classes; give --task number"),
        ("city", {"task": "number"}, "--target city: --task number, and it is text, such as Bonn"),
    ],
)
def test_a_target_that_cannot_be_learnt_is_one_line(target: str, more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        made(TABLE, target, **more)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(UserError, match=r"no column to learn it from \(same: one value only\)"):
        made({"price": TABLE["price"], "same": TABLE["same"]}, "price")


def test_numbers_are_those_of_pandas_and_scikit_learn() -> None:
    recipe = made(TABLE, "price")
    encoder = TableEncoder(recipe, [list(TABLE).index(one.name) for one in recipe.inputs])
    rows = [[value.encode() for value in row] for row in zip(*TABLE.values())]
    found = pandas.DataFrame([encoder.numbers(row) for row in rows], columns=recipe.places)
    table = pandas.DataFrame(TABLE)
    area = pandas.to_numeric(table["area"])
    scaler = StandardScaler().fit(area.to_frame())
    deviation = np.sqrt(scaler.var_[0] * area.count() / (area.count() - 1))  # that of a sample
    np.testing.assert_allclose(found["area"], ((area - scaler.mean_[0]) / deviation).fillna(0))
    np.testing.assert_array_equal(found["area: missing"], area.isna())
    known = table["city"].where(table["city"] != "Bonn", ": another")
    for name in ("city = Oslo", "city = Rome", "city: another"):
        np.testing.assert_array_equal(
            found[name], known == name.replace("city = ", "").replace("city: another", ": another")
        )
    on = pandas.to_datetime(table["on"])
    parts = {"month": on.dt.month, "day": on.dt.day, "weekday": on.dt.strftime("%u").astype(int)}
    for part, center, factor in next(one for one in recipe.inputs if one.name == "on").parts:
        if part in parts:
            np.testing.assert_allclose(found[f"on: {part}"], (parts[part] - center) * factor)
    assert found["on: days"].abs().max() == pytest.approx(np.sqrt(12) / 2)  # the ends of a flat distribution


def test_a_range_is_from_0_to_1() -> None:
    recipe = made(TABLE, "price", numbers="range")
    (area,) = (one for one in recipe.inputs if one.name == "area")
    encode = encoding.column_encoder(area)
    assert [encode(value)[0] for value in (b"1", b"3481", b"1741")] == [0.0, 1.0, 0.5]


def test_what_is_far_outside_is_cut_and_infinities_leave_a_scale() -> None:
    recipe = made(
        {"y": TABLE["price"], "x": [*("1 2 3 4 5".split() * 11), "1e308", "Infinity", "-Infinity", "NaN", "9"]}, "y"
    )
    (x,) = recipe.inputs
    assert np.isfinite([x.center, x.factor]).all()
    encode = encoding.column_encoder(x)
    assert [encode(value)[0] for value in (b"Infinity", b"-Infinity", b"1e308", b"NaN")] == [10.0, -10.0, 10.0, 0.0]


def test_a_number_may_be_written_in_any_way() -> None:
    encode = encoding.column_encoder(Input("x", "int", NUMBER))
    assert [encode(value) for value in (b"3", b"3.0", b"+3", b" 3e0 ")] == [[3.0]] * 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([b"abc", b"", b"1"], "no double in column 1"),
        ([b"1", b"2020-02-30", b"1"], "no date in column 2"),
        ([b"1", b"", b""], "no target"),
        ([b"1", b"", b"NA"], "no target"),
        ([b"1", b"", b"x"], "the target is no number"),
        ([b"1", b"", b"Infinity"], "the target is no finite number"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(fields: list[bytes], said: str) -> None:
    columns = Input("x", "double", NUMBER), Input("on", "date", TIME, parts=(("days", 0.0, 1.0),))
    with pytest.raises(Misfit, match=f"^{said}$"):
        TableEncoder(Recipe(TARGET, columns, ("NA",)), range(3)).line(b"row", fields)


def write(path: Path, seed: int = 0, number: int = 400) -> list[list[str]]:
    """A table with all kinds of columns, and rows that cannot be used."""
    generator = random.Random(seed)
    rows = []
    for i in range(number):
        city, size = generator.choice(["Oslo", "Rome", "São Paulo, SP", ""]), round(generator.gauss(50, 9), 2)
        rows.append([city, str(size), f"2021-{i % 12 + 1:02d}-{i % 28 + 1:02d}", f"{size * 2 + len(city):.3f}"])
    rows[7][3] = ""
    pandas.DataFrame(rows, columns=["city", "size", "on", "price"]).to_csv(path, index=False)
    return rows


def parts(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("part-*"))]


def test_the_job_writes_the_same_bytes_everywhere_and_the_right_ones(tmp_path: Path, run_job: Run) -> None:
    rows = write(tmp_path / "a.csv")
    run_job("schema", "--top", 1000, "--split", "train", "--output-dir", tmp_path / "figures", tmp_path / "a.csv")
    flags = ["--figures", tmp_path / "figures", "--target", "price", "--split", "train", "--shards", "2"]
    for runner, seed, maps in (("inline", "1", "1"), ("local", "2", "3")):
        more = ["--jobconf", f"mapreduce.job.maps={maps}", "--output-dir", tmp_path / runner]
        done = run_job("encodetable", "-r", runner, *flags, *more, tmp_path / "a.csv", env={"PYTHONHASHSEED": seed})
        assert b"price: a number, from 1 category, 1 number, 1 time: 10 places" in done.stderr
        assert b"no target (1)" in done.stderr
    assert parts(tmp_path / "inline") == parts(tmp_path / "local")
    found = manifest.read(tmp_path / "local", "encode")
    recipe = Recipe.from_json(found["recipe"], "x")
    assert (found["dtype"], found["shape"]) == ("float32", [10]) == ("float32", [len(recipe.places)])
    rule = SplitRule("train")
    used = [row for row in rows if row[3] and "\t".join(row).encode() in rule]
    lines = b"".join(parts(tmp_path / "local")).splitlines()
    assert len(lines) == len(used) == found["records"]["used"]
    assert sorted(float(line.split(b"\t")[1]) for line in lines) == sorted(float(row[3]) for row in used)
    encoder = TableEncoder(recipe, [0, 1, 2, 3])
    wanted = {np.array(encoder.numbers([one.encode() for one in row]), "<f4").tobytes() for row in used}
    assert {base64.urlsafe_b64decode(line.split(b"\t")[2]) for line in lines} == wanted


def test_validation_rows_change_nothing_of_the_recipe(tmp_path: Path, run_job: Run) -> None:
    rows, rule = write(tmp_path / "a.csv"), SplitRule("train")
    kept = [row for row in rows if "\t".join(row).encode() in rule]
    assert len(kept) < len(rows)
    pandas.DataFrame(kept, columns=["city", "size", "on", "price"]).to_csv(tmp_path / "b.csv", index=False)
    shown = [
        run_job("schema", "--split", split, tmp_path / name).stdout
        for name, split in (("a.csv", "train"), ("b.csv", "all"))
    ]
    assert shown[0] == shown[1]


def test_another_table_is_encoded_by_the_recipe_of_the_first(tmp_path: Path, run_job: Run) -> None:
    write(tmp_path / "a.csv")
    run_job("schema", "--top", 1000, "--output-dir", tmp_path / "figures", tmp_path / "a.csv")
    run_job(
        "encodetable",
        "--figures",
        tmp_path / "figures",
        "--target",
        "price",
        "--output-dir",
        tmp_path / "1",
        tmp_path / "a.csv",
    )
    table = pandas.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    table.insert(0, "more", "x")
    table[["more", "price", "on", "city", "size"]].to_csv(tmp_path / "b.csv", index=False)
    run_job("encodetable", "--recipe", tmp_path / "1", "--output-dir", tmp_path / "2", tmp_path / "b.csv")
    without_hash = [sorted(line[16:] for line in parts(tmp_path / name)[0].splitlines()) for name in ("1", "2")]
    assert without_hash[0] == without_hash[1]
    table.drop(columns="size").to_csv(tmp_path / "c.csv", index=False)
    done = run_job("encodetable", "--recipe", tmp_path / "1", tmp_path / "c.csv", code=2)
    assert done.stderr.decode().count("\n") == 1 and "no column 'size'" in done.stderr.decode()


def test_train_validation_and_test_rows_are_all_rows(tmp_path: Path, run_job: Run) -> None:
    rows = write(tmp_path / "a.csv")
    shares = ["--validation", "0.2", "--test-share", "0.3"]
    counts = []
    for split in ("train", "validation", "test", "all"):
        out = run_job("groupcount", "--split", split, *shares, tmp_path / "a.csv").stdout
        counts.append(int(out))
    assert sum(counts[:3]) == counts[3] == len(rows)
    assert counts[1] == pytest.approx(80, abs=25) and counts[2] == pytest.approx(120, abs=30)
    run_job("groupcount", "--validation", "0.8", "--test-share", "0.3", tmp_path / "a.csv", code=2)


@pytest.mark.parametrize("library", [True, False])
def test_what_is_known_of_a_split_is_that_of_its_rows_alone(
    library: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not library:
        monkeypatch.setattr(native, "load", lambda: None)
    generator = random.Random(5)
    odd = ["plain", 'a "quoted" one', "two\nlines", "a,b", "tab\there", "back\\slash", "", "é", "1"]
    table = [[generator.choice(odd), str(generator.randrange(10**6)), repr(generator.random())] for _ in range(3000)]
    rule = SplitRule("train", 0.3)

    def figures(rows: list[list[str]], taken: SplitRule) -> list[bytes]:
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerows([["a", "b", "c"], *rows])
        layout = Layout(labelled=False, keeps_all=True, names=("a", "b", "c"), header=True)
        reader = RecordReader("csv", layout=layout, rule=taken, begins=True)
        data = file.getvalue().encode()
        blocks = [(reader, data[at : at + 20_000]) for at in range(0, len(data), 20_000)]
        columns = count_columns(iter(blocks), of_names(("a", "b", "c")))
        reader.finish()
        assert reader.used + reader.left_out == len(rows)
        return [json.dumps(column.figures()).encode() for column in columns]

    kept = [row for row in table if row_lines.join(field.encode() for field in row) in rule]
    assert 1900 < len(kept) < 2300
    assert figures(table, rule) == figures(kept, EVERY)

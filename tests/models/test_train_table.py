"""Training on a table of our own: a column from the others, what is exported, and what it answers to raw columns."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.metrics import f1_score, mean_absolute_error, r2_score, root_mean_squared_error

import models
from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.output import manifest
from models import dataset, evaluate, predict, train
from models.serving.loaded_tables import LoadedTable
from models.training import baselines
from tests.conftest import Run

HEADER = ["id", "size", "city", "built on", "heated", "price", "class"]


def table(number: int, seed: int) -> pandas.DataFrame:
    """Homes, whose price and class follow from the others; some values are missing."""
    generator = random.Random(seed)
    rows: list[list[Any]] = []
    for i in range(number):
        size, city, year = (
            round(generator.gauss(80, 25), 1),
            generator.choice(["Oslo", "Rome", "São Paulo"]),
            1950 + i % 70,
        )
        heated = generator.choice(["true", "False", ""])
        price = round(size * (3 if city == "Oslo" else 1) + year - 1950 + 20 * (heated == "true"), 2)
        shown = "" if generator.random() < 0.05 else str(size)
        rows.append([i, shown, city, f"{year}-06-{i % 28 + 1:02d}", heated, price, "high" if price > 180 else "low"])
    return pandas.DataFrame(rows, columns=HEADER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.csv and test.csv."""
    made = tmp_path_factory.mktemp("table")
    table(300, 0).to_csv(made / "train.csv", index=False)
    table(200, 1).to_csv(made / "test.csv", index=False)
    return made


def run(folder: Path, target: str, *more: str, output: str = "", test: bool = True) -> int:
    files = ["--train", str(folder / "train.csv"), *(["--test", str(folder / "test.csv")] if test else [])]
    return train.main(
        [*files, "--target", target, "--output", str(folder / (output or target)), "--model", "mlp", *more]
    )


@pytest.fixture(scope="module", autouse=True)
def few_baselines() -> Iterator[None]:
    """Trees take a while where other programs run; one test asks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "installed", lambda package: False)
        yield


@pytest.fixture(scope="module")
def number(folder: Path) -> Path:
    """A model of the price."""
    assert run(folder, "price", "--epochs", "6", "--nulls", "NA") == 0
    return folder / "price"


@pytest.fixture(scope="module")
def classes(folder: Path) -> Path:
    """A model of the class, tested on rows of the training file."""
    assert run(folder, "class", "--epochs", "3", test=False) == 0
    return folder / "class"


@pytest.mark.slow
def test_a_number_is_learnt_and_stands_beside_the_baselines(
    folder: Path, number: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "installed", command.installed)
    assert run(folder, "price", "--epochs", "6", "--nulls", "NA") == 0
    out, words = capfd.readouterr()
    assert "up to date" in words
    truth = pandas.read_csv(folder / "test.csv")
    answers = models.load(number)(truth)
    scores = root_mean_squared_error(truth["price"], answers), mean_absolute_error(truth["price"], answers)
    lines = out.splitlines()
    assert lines[0] == "model\tRMSE\tMAE\tR2"
    assert lines[1] == "mlp\t{:.4f}\t{:.4f}\t{:.4f}".format(*scores, r2_score(truth["price"], answers))
    assert [line.split("\t")[0] for line in lines[2:4]] == ["mean", "HistGradientBoosting"]
    assert lines[4] == f"RMSE {scores[0]:.4f}"
    rmse = {line.split("\t")[0]: float(line.split("\t")[1]) for line in lines[1:4]}
    assert rmse["mlp"] < rmse["mean"] / 2


def test_classes_are_learnt_and_tested_on_rows_that_were_held_out(
    folder: Path, classes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "class", "--epochs", "3", test=False) == 0
    out, words = capfd.readouterr()
    assert "up to date" in words
    model = models.load(classes)
    assert model.labels == ["high", "low"]
    splits = model.manifest["results"]["splits"]
    held_out = 300 - splits["train"] - splits["validation"]
    assert 15 < held_out < 50 and 15 < splits["validation"] < 50
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[0] for line in lines] == [
        "model",
        "mlp",
        "majority",
        f"accuracy {lines[1][1]}",
    ]
    assert float(lines[1][1]) > float(lines[2][1])
    assert round(float(lines[1][1]) * held_out, 2) == pytest.approx(round(float(lines[1][1]) * held_out), abs=0.02)


def test_the_manifest_says_what_became_of_the_columns(number: Path) -> None:
    about = manifest.read(number, "model")["model"]
    assert [one["name"] for one in about["recipe"]["inputs"]] == ["size", "city", "built on", "heated", "class"]
    assert about["recipe"]["left_out"] == {"id": about["recipe"]["left_out"]["id"]}
    assert (about["input"], about["output"], about["recipe"]["nulls"]) == ("table", "number", ["NA"])
    assert 'target = "price"' in (number / "train.toml").read_text()


def test_no_test_row_reaches_the_jobs(number: Path) -> None:
    for output in number.with_name("price.work").glob("*/"):
        assert [Path(one["path"]).name for one in manifest.read(output)["inputs"]] == ["train.csv"]


def test_shards_as_arrays_and_as_batches(number: Path) -> None:
    (shards,) = number.with_name("price.work").glob("train-*-rows")
    rows, y = dataset.to_numpy(shards, labels=None)
    batches = list(dataset.read(shards, kind="table", batch_size=100, labels=None))
    np.testing.assert_array_equal(np.concatenate([x.numpy() for x, _ in batches]), np.stack(rows))
    np.testing.assert_array_equal(np.concatenate([t.numpy() for _, t in batches]), y)
    assert y.dtype == np.float64 and rows[0].dtype == np.float32
    with pytest.raises(UserError, match=r"holds float32 \[\d+\], not int32 \[null\]; encode texts first"):
        dataset.read(shards, kind="ids", batch_size=1, labels=[])


def test_predict_answers_every_row_whatever_the_order_of_the_columns(
    folder: Path, number: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    rows = table(6, 2).astype(object)
    rows.loc[1, "size"] = "huge"
    rows.loc[2, "built on"] = "2020-02-30"
    rows.loc[3, "city"] = "Atlantis"
    rows.loc[4, ["size", "city", "built on", "heated", "class"]] = ""
    shuffled = rows[["city", "class", "heated", "built on", "size", "id"]]
    shuffled.insert(2, "more", "x")
    shuffled.to_csv(tmp_path / "new.csv", index=False)
    with open(tmp_path / "new.csv", "a") as file:
        file.write("too,few\n")
    assert predict.main([str(number), str(tmp_path / "new.csv"), "--id-field", "id"]) == 0
    out, words = capfdbinary.readouterr()
    lines = [line.split("\t") for line in out.decode().splitlines()]
    assert len(lines) == 7
    assert lines[1] == ["1", "", "no number in column size: 'huge'"]
    assert lines[2] == ["2", "", "no date in column built on: '2020-02-30'"]
    assert lines[6] == ["", "", "wrong number of fields"]
    there = [0, 3, 4, 5]
    answers = models.load(number)(rows.loc[there])
    np.testing.assert_allclose([float(lines[i][1]) for i in there], answers, rtol=1e-6)
    assert b"2 of 7 records have no answer" in words
    assert predict.main([str(number), str(tmp_path / "new.csv"), "--output-format", "jsonl"]) == 0
    first = json.loads(capfdbinary.readouterr().out.splitlines()[0])
    assert first == {"prediction": pytest.approx(answers[0], rel=1e-6)}


def test_predict_gives_labels_and_probabilities(
    folder: Path, classes: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert predict.main([str(classes), str(folder / "test.csv"), "--all"]) == 0
    lines = [line.split("\t") for line in capfdbinary.readouterr().out.decode().splitlines()]
    probabilities = models.load(classes)(pandas.read_csv(folder / "test.csv"))
    assert probabilities.shape == (200, 2) and probabilities.dtype == np.float32
    for line, row in zip(lines, probabilities):
        assert {line[0], line[2]} == {"high", "low"}
        assert float(line[1]) == pytest.approx(row.max(), abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "said"),
    [([], "no column 'size'; there are city, heated"), (["--top-k", "2"], "--all, --top-k and --threshold: of labels")],
)
def test_predict_refuses_in_one_line(
    flags: list[str], said: str, number: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("city,heated\nOslo,true\n")
    assert predict.main([str(number), str(tmp_path / "a.csv"), *flags]) == 2
    out, words = capfd.readouterr()
    assert out == "" and words.count("\n") == 1 and said in words


def test_evaluate_reads_tables(folder: Path, number: Path, classes: Path, capfd: pytest.CaptureFixture[str]) -> None:
    truth = pandas.read_csv(folder / "test.csv")
    assert evaluate.main([str(number), str(folder / "test.csv")]) == 0
    answers = models.load(number)(truth)
    assert capfd.readouterr().out.splitlines()[0] == f"RMSE {root_mean_squared_error(truth['price'], answers):.4f}"
    assert evaluate.main([str(classes), str(folder / "test.csv")]) == 0
    lines = capfd.readouterr().out.splitlines()
    labels = models.load(classes).predict(truth)
    assert lines[0] == f"accuracy {np.mean(truth['class'] == labels):.4f}"
    assert lines[1] == f"macro F1 {f1_score(truth['class'], labels, average='macro'):.4f}"


def test_what_a_table_job_has_written_is_a_table(
    folder: Path, number: Path, tmp_path: Path, run_job: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    run_job("clean", "--where", "size > 60", "--output-dir", tmp_path / "clean", folder / "test.csv")
    rows = pandas.read_csv(folder / "test.csv")
    rows[rows["size"] > 60].to_csv(tmp_path / "same.csv", index=False)
    reports = []
    for name in ("clean", "same.csv"):
        assert evaluate.main([str(number), str(tmp_path / name)]) == 0
        reports.append(capfd.readouterr().out)
    assert reports[0] == reports[1] and f"rows {(rows['size'] > 60).sum()}" in reports[0]
    assert predict.main([str(number), str(tmp_path / "clean"), "--keep-columns", "city,id"]) == 0
    lines = [line.split("\t") for line in capfd.readouterr().out.splitlines()]
    assert {int(line[1]): line[0] for line in lines} == dict(rows[rows["size"] > 60].set_index("id")["city"])


def test_a_model_takes_what_python_has(number: Path) -> None:
    model = models.load(number)
    assert isinstance(model, LoadedTable)
    strings = {"size": ["80.5", "", "NA"], "city": ["Oslo", "", "Rome"], "built on": ["1999-06-03", "", "1960-06-01"]}
    strings.update({"heated": ["true", "", "FALSE"], "class": ["high", "", "low"]})
    found = model(strings)
    objects = pandas.DataFrame(
        {
            "size": [80.5, None, float("nan")],
            "city": ["Oslo", None, "Rome"],
            "built on": pandas.Series(
                [pandas.Timestamp("1999-06-03"), pandas.NaT, pandas.Timestamp("1960-06-01")]
            ).dt.date,
            "heated": [True, None, False],
            "class": ["high", None, "low"],
        }
    )
    np.testing.assert_array_equal(model(objects), found)
    assert found.dtype == np.float64 and model.predict(strings) == found.tolist()
    for wrong, said in (
        ({**strings, "size": ["1", "2", "x"]}, r"rows\[2\]: no number in column size: 'x'"),
        ({**strings, "built on": ["", "now", ""]}, r"rows\[1\]: no date in column built on: 'now'"),
        ({**strings, "size": ["1"]}, "columns have one length"),
        ({"size": ["1"]}, "no column city, built on, heated, class"),
        (["a row"], "a model of a table takes a dict of columns"),
        ({**strings, "city": [object()] * 3}, "column city, row 0: a number, a string, a date or nothing"),
    ):
        with pytest.raises(UserError, match=said):
            model(wrong)


def test_the_saved_model_and_the_keras_file_need_no_code_of_ours_and_answer_the_same(classes: Path) -> None:
    import tensorflow as tf

    rows = table(50, 3)
    wanted = models.load(classes)(rows)
    columns = {
        "size": tf.constant(pandas.to_numeric(rows["size"]), tf.float64),
        "price": tf.constant(rows["price"], tf.float64),
        **{name.replace(" ", "_"): tf.constant(rows[name].tolist()) for name in ("city", "built on", "heated")},
    }
    served = tf.saved_model.load(str(classes / "saved_model")).signatures["serving_default"](**columns)
    np.testing.assert_array_equal(served["probabilities"], wanted)
    np.testing.assert_allclose(models.load_keras(classes)(columns), wanted, atol=1e-6)


def test_what_training_has_not_shown_weighs_nothing(number: Path) -> None:
    rows = {"size": [70.0], "built on": ["1999-06-03"], "heated": ["true"], "class": ["high"]}
    model = models.load(number)
    atlantis, another = (model({**rows, "city": [name]}) for name in ("Atlantis", "Paris"))
    assert atlantis == another
    layer = next(layer for layer in models.load_keras(number).layers if layer.name == "columns").layers[1]
    place = model.recipe.places.index("city: another")
    assert not layer.kernel.numpy()[place].any() and layer.kernel.numpy()[place - 1].any()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--target", "prise"], "no column 'prise'; perhaps price"),
        (["--target", "price", "--select", "macro-f1"], "--select: of classes, and --target price is a number"),
        (["--target", "price", "--label-field", "x"], "--text-field, --label-field: of texts; a table has --target"),
        (["--target", "price", "--model", "cnn"], "no model 'cnn' of tables; there are mlp, linear"),
        (["--target", "price", "--group-field", "city"], "--group-field: not for tables yet"),
        (["--task", "number"], "--task: of a table; name the column to learn with --target"),
        (["--target", "price", "--ngrams", "2"], "--ngrams: columns reads tables and has no vocabulary"),
        (["--target", "price", "--effort", "best"], "not for tables; leave them out"),
    ],
)
def test_flags_that_do_not_go_together_are_one_line(
    more: list[str], said: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ["--train", str(folder / "train.csv"), "--output", str(tmp_path / "model"), "--model", "mlp", *more]
    try:
        code = train.main(given)
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, words = capfd.readouterr()
    assert code == 2 and out == "" and said in words
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_the_same_command_gives_the_same_bits_and_so_does_train_toml(folder: Path, number: Path) -> None:
    rows = table(100, 4)
    assert run(folder, "price", "--epochs", "6", "--nulls", "NA", output="again") == 0
    assert train.main(["--config", str(number / "train.toml"), "--output", str(folder / "once more")]) == 0
    wanted = models.load(number)(rows)
    for name in ("again", "once more"):
        np.testing.assert_array_equal(models.load(folder / name)(rows), wanted)
    assert run(folder, "price", "--epochs", "6", "--nulls", "NA", "--seed", "1", output="other") == 0
    assert (models.load(folder / "other")(rows) != wanted).any()


@pytest.mark.slow
def test_a_linear_model_of_few_rows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table(8, 0).to_csv(tmp_path / "train.csv", index=False)
    table(20, 1).to_csv(tmp_path / "test.csv", index=False)
    assert run(tmp_path, "class", "--model", "linear", "--validation", "0.001") == 0
    out, words = capfd.readouterr()
    assert "too few rows for a validation split" in words and "linear\t" in out

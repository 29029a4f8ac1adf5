"""The three formulas of inverse document frequency, against the libraries that they are named for."""

import math
from pathlib import Path

import numpy as np
import pytest

from mapreduce.errors import UserError
from models import weights
from tests.conftest import Run

TEXTS = ["a b b c", "a c d", "a e", "a b f f f", "g"]


@pytest.fixture
def counts(tmp_path: Path, run_job: Run) -> weights.FeatureCounts:
    records = tmp_path / "records.tsv"
    records.write_text("".join(f"{'xy'[i % 2]}\t{text}\n" for i, text in enumerate(TEXTS)))
    for job in ("featurecount", "labelcount"):
        run_job(job, "--output-dir", tmp_path / job, records)
    return weights.load(tmp_path / "featurecount", tmp_path / "labelcount")


def test_keras(counts: weights.FeatureCounts) -> None:
    import keras

    layer = keras.layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(TEXTS)
    found = {token: layer(token).numpy()[i] for i, token in enumerate(layer.get_vocabulary()) if token != "[UNK]"}
    ours = dict(zip([f.decode() for f in counts.features], weights.idf(counts, "keras"), strict=True))
    assert ours.keys() == found.keys()
    for token, value in found.items():
        assert ours[token] == pytest.approx(value, rel=1e-6)


def test_tensorflow_transform_and_spark_as_published(counts: weights.FeatureCounts) -> None:
    df = {"a": 4, "b": 2, "c": 2, "d": 1, "e": 1, "f": 1, "g": 1}
    assert [f.decode() for f in counts.features] == list(df)
    plain = [math.log((5 + 1) / (n + 1)) for n in df.values()]
    np.testing.assert_allclose(weights.idf(counts, "spark"), plain)
    np.testing.assert_allclose(weights.idf(counts, "tensorflow_transform"), np.array(plain) + 1)
    # Computed by pyspark.ml.feature.IDF (Spark 3.5) from CountVectorizer on these texts.
    spark = [0.1823215567939546, 0.6931471805599453, 0.6931471805599453, *[1.0986122886681098] * 4]
    np.testing.assert_allclose(weights.idf(counts, "spark"), spark, rtol=1e-12)


@pytest.mark.slow
def test_spark_itself(counts: weights.FeatureCounts) -> None:
    pyspark_sql = pytest.importorskip("pyspark.sql", reason="the extra `spark` is not installed")
    from pyspark.ml.feature import IDF, CountVectorizer

    spark = pyspark_sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = spark.createDataFrame([(text.split(),) for text in TEXTS], ["words"])
        vectorizer = CountVectorizer(inputCol="words", outputCol="tf").fit(frame)
        model = IDF(inputCol="tf", outputCol="x").fit(vectorizer.transform(frame))
        found = dict(zip(vectorizer.vocabulary, model.idf.toArray().tolist(), strict=True))
    finally:
        spark.stop()
    ours = dict(zip([f.decode() for f in counts.features], weights.idf(counts, "spark"), strict=True))
    assert ours == pytest.approx(found, rel=1e-12)


def test_an_unknown_formula(counts: weights.FeatureCounts) -> None:
    with pytest.raises(UserError, match="keras"):
        weights.idf(counts, "bm25")

"""Weights against scikit-learn, published formulas and counts made by hand; counts read from the jobs' outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapreduce.errors import UserError
from models.counts import feature_counts, feature_weights

TEXTS = {"a": ["good good film", "great film"], "b": ["bad film", "bad bad plot", "a plot"]}
LINES = "".join(f"{label}\t{text}\n" for label, texts in TEXTS.items() for text in texts)


@pytest.fixture
def counts(tmp_path: Path, run_job: Any) -> feature_counts.FeatureCounts:
    train = tmp_path / "train.tsv"
    train.write_text(LINES)
    run_job("featurecount", "--ngrams", "2", "--head", "1", "--output-dir", tmp_path / "f", train)
    run_job("labelcount", "--output-dir", tmp_path / "l", train)
    return feature_counts.load(tmp_path / "f", tmp_path / "l")


def row(counts: feature_counts.FeatureCounts, values: Any, feature: bytes) -> Any:
    return values[counts.features.index(feature)]


def test_counts_are_those_of_the_documents(counts: feature_counts.FeatureCounts) -> None:
    assert counts.labels == ["a", "b"] and counts.documents.tolist() == [2, 3]
    tf, df = counts.dense(counts.tf), counts.dense(counts.df)
    assert row(counts, tf, b"good").tolist() == [2, 0] and row(counts, df, b"good").tolist() == [1, 0]
    assert row(counts, tf, b"film").tolist() == [2, 1] and row(counts, tf, b"bad").tolist() == [0, 3]
    assert row(counts, df, b"good film").tolist() == [1, 0] and row(counts, df, b" ^bad").tolist() == [0, 2]
    assert row(counts, counts.document_frequency, b"film") == 3 and row(counts, counts.term_frequency, b"bad") == 3


def test_labels_are_counted(counts: feature_counts.FeatureCounts, tmp_path: Path) -> None:
    assert feature_counts.label_documents(tmp_path / "l") == {"a": 2, "b": 3}
    assert feature_counts.mean_length(tmp_path / "l") == 12 / 5


def test_select_takes_features_in_the_order_given(counts: feature_counts.FeatureCounts) -> None:
    order = np.array([counts.features.index(feature) for feature in (b"plot", b"film", b"bad")])
    chosen = counts.select(order)
    assert chosen.features == [b"plot", b"film", b"bad"]
    assert chosen.dense(chosen.tf).tolist() == counts.dense(counts.tf)[order].tolist()


def test_idf_is_that_of_scikit_learn(counts: feature_counts.FeatureCounts) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    model = text.TfidfVectorizer(token_pattern=r"\S+").fit([t for texts in TEXTS.values() for t in texts])
    for feature, column in model.vocabulary_.items():
        assert row(counts, feature_weights.idf(counts), feature.encode()) == pytest.approx(
            model.idf_[column], rel=1e-12
        )


def test_naive_bayes_ratio_is_that_of_the_paper(counts: feature_counts.FeatureCounts) -> None:
    p, q = (1 + counts.dense(counts.df)[:, i] for i in (1, 0))
    expected = np.log((p / np.abs(p).sum()) / (q / np.abs(q).sum()))
    np.testing.assert_allclose(feature_weights.naive_bayes_ratio(counts), expected, rtol=1e-12)
    assert row(counts, expected, b"bad") > 0 > row(counts, expected, b"good")


def test_igm_is_that_of_the_paper() -> None:
    # Three labels; document frequencies 5 2 1, 4 4 4 and 0 0 3 in this order of features.
    df = np.array([5, 2, 1, 4, 4, 4, 3])
    feature, label = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([2, 0, 1, 0, 1, 2, 2])
    found = feature_counts.FeatureCounts(
        [b"x", b"y", b"z"], ["a", "b", "c"], feature, label, df, df, np.array([9, 9, 9])
    )
    moments = np.array([5 / (5 + 2 * 2 + 3 * 1), 4 / (4 + 2 * 4 + 3 * 4), 1.0])
    np.testing.assert_allclose(feature_weights.igm(found, 7.0), 1 + 7 * moments)
    np.testing.assert_allclose(
        feature_weights.igm_idf(found, 3.0), (1 + 3 * moments) * np.sqrt(feature_weights.idf(found))
    )


def test_naive_bayes_ratio_refuses_three_labels() -> None:
    none = np.zeros(0, np.int64)
    with pytest.raises(UserError, match="two labels"):
        feature_weights.naive_bayes_ratio(
            feature_counts.FeatureCounts([], ["a", "b", "c"], none, none, none, none, np.ones(3))
        )


def test_kinds_of_features() -> None:
    features = [b"word", b"two words", b" ~wor", b" ~ wo", b" ^word"]
    features += [b" _a word", b" &two words", b" <two", b" <two words", b" = wo", b" =o w"]
    found = feature_weights.kinds(features)
    assert found.tolist() == [
        feature_weights.WORD,
        feature_weights.NGRAM,
        feature_weights.CHARACTERS,
        feature_weights.CHARACTERS,
        feature_weights.HEAD,
        feature_weights.SKIP,
        feature_weights.PAIR,
        *[feature_weights.PREFIX] * 2,
        *[feature_weights.ACROSS] * 2,
    ]


def test_shares_of_the_last_kinds_are_one_unless_given() -> None:
    features = [b"a", b"a b", b" ~a", b" ^a", b" _a c", b" &a b", b" <a", b" =a b"]
    ones = np.ones(8, np.int64)
    found = feature_counts.FeatureCounts(features, ["x"], np.arange(8), 0 * ones, ones, ones, np.array([3]))
    for shares in ((1.0, 0.5), (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)):
        scale = feature_weights.scale(found, "idf", shares)
        assert scale is not None
        np.testing.assert_allclose(scale / scale[0], [*shares, *[1.0] * (8 - len(shares))])


def test_counts_of_other_records_are_refused(tmp_path: Path, run_job: Any) -> None:
    (tmp_path / "one.tsv").write_text(LINES)
    (tmp_path / "two.tsv").write_text("a\tgood\n")
    run_job("featurecount", "--output-dir", tmp_path / "f", tmp_path / "one.tsv")
    run_job("labelcount", "--output-dir", tmp_path / "l", tmp_path / "two.tsv")
    with pytest.raises(UserError, match="count both from the same records"):
        feature_counts.load(tmp_path / "f", tmp_path / "l")

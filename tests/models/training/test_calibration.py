"""Candidates are few, features are kept in an order that nothing but counts decides, and scales calibrate."""

from __future__ import annotations

import numpy as np
import pytest

from mapreduce.errors import UserError
from models.counts import feature_counts, feature_weights
from models.counts.feature_counts import FeatureCounts
from models.training import calibration, candidates


def counted(df: list[int], tf: list[int], features: list[bytes]) -> FeatureCounts:
    n = np.arange(len(features))
    return FeatureCounts(features, ["a", "b"], n, n % 2, np.array(tf), np.array(df), np.array([9, 9]))


@pytest.mark.parametrize("model", candidates.TEXT_MODELS)
@pytest.mark.parametrize("labels", [2, 20])
@pytest.mark.parametrize("effort", candidates.EFFORTS)
def test_there_are_one_to_eight_candidates_of_different_names(model: str, labels: int, effort: str) -> None:
    found = candidates.candidates(model, labels, effort=effort)
    assert 1 <= len(found) <= 8 and len({one.name for one in found}) == len(found)
    assert all(one.model == model and one.features <= 500_000 for one in found)


def test_naive_bayes_is_for_two_labels_alone() -> None:
    assert any(one.weights == "naive_bayes" for one in candidates.candidates("linear", 2))
    assert not any(one.weights == "naive_bayes" for one in candidates.candidates("linear", 3))


def test_parts_of_words_are_for_short_texts_alone() -> None:
    short, long = (candidates.candidates("linear", 2, length) for length in (20.0, 250.0))
    assert any(one.specification.character_ngrams for one in short)
    assert long and not any(one.specification.character_ngrams for one in long)


def test_what_a_sum_needs_is_for_the_best_effort_or_by_name() -> None:
    for labels, length, several in ((2, 20.0, 7), (2, 250.0, 4), (6, 10.0, 8), (20, 300.0, 5)):
        normal = candidates.candidates("linear", labels, length)
        best = candidates.candidates("linear", labels, length, effort="best")
        assert len(best) == several > len(normal) and all("normal" in one.efforts for one in normal)
        assert [one for one in best if one in normal] == normal
        (quick,) = candidates.candidates("linear", labels, length, effort="quick")
        assert quick.name == ("naive bayes, pairs" if labels == 2 else "igm")
    assert [one.name for one in candidates.candidates("linear", 20, 300.0, ["igm", "order"])] == ["igm, order"]


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UserError, match="there are linear"):
        candidates.candidates("quadratic", 2)


def test_features_are_kept_by_df_then_tf_then_bytes() -> None:
    found = counted([2, 3, 2, 1, 2], [5, 3, 9, 7, 5], [b"d", b"a", b"c", b"e", b"b"])
    assert feature_counts.keep(found).features == [b"a", b"c", b"b", b"d", b"e"]
    assert feature_counts.keep(found, minimum_df=2, most=3).features == [b"a", b"c", b"b"]
    order = np.array([4, 2, 0, 3, 1])
    assert feature_counts.keep(found.select(order)).features == [b"a", b"c", b"b", b"d", b"e"]


def test_no_feature_left_is_an_error() -> None:
    with pytest.raises(UserError, match="no token is left"):
        feature_counts.keep(counted([1], [1], [b"a"]), minimum_df=2)


def test_shares_multiply_kinds_of_features() -> None:
    candidate = candidates.candidates("linear", names=("tf-idf", "start"))[0]
    found = counted([1] * 8, [1] * 8, [b"x", b"x y", b" ~xyz", b" ^x", b" _x z", b" &x y", b" <x", b" =xyz"])
    scale = feature_weights.scale(found, candidate.weights, candidate.shares)
    assert scale is not None
    np.testing.assert_allclose(scale / scale[0], candidate.shares)


def test_calibration_finds_the_scale_of_the_labels() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 3))
    truth = np.exp(3.0 * logits)
    truth /= truth.sum(axis=1, keepdims=True)
    y = np.array([generator.choice(3, p=row) for row in truth])
    assert 2.4 < calibration.calibrate(logits, y) < 3.7
    assert calibration.calibrate(logits, np.full(4000, -1)) == 1.0


def test_the_calibration_error_by_hand() -> None:
    # In bins of a fifteenth: 0.9, right, and 0.92, wrong; 0.5, wrong; and 1, right.
    found = calibration.error(np.array([0.9, 0.92, 0.5, 1.0]), np.array([True, False, False, True]))
    assert found == pytest.approx(((0.9 + 0.92 - 1) + 0.5) / 4)
    assert calibration.error(np.zeros(0), np.zeros(0, bool)) == 0.0

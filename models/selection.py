"""Choosing: the candidates of each model as data, which features they keep, and what the validation split decides.

A candidate is a tokenizer specification, the weights of its features and hyper-parameters. All candidates are counted
and fitted on the train split alone; the validation split only ranks them. No test split is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.specification import Specification, preset
from models import weights
from models.weights import Array, FeatureCounts

FEATURES = 500_000
"""The most features a model has: more make it slow to load and hardly better."""


@dataclass(frozen=True)
class Candidate:
    """One way to make a model.

    Attributes:
        name: for the eyes.
        model: name of the architecture.
        specification: what a feature is.
        minimum_df: features of fewer documents are not counted.
        features: the most features that are kept.
        weights: a name in `models.weights.WEIGHTS`, or None where the model weighs nothing.
        shares: what the weights of words, word n-grams, character n-grams and head words are multiplied with.
        architecture: further arguments of the architecture.
        optimizer: "sgd" or "adam" (`models.optimizer.LazyAdam`).
        loss: "squared hinge" (summed over labels, one against the rest) or "cross-entropy".
        rate: learning rate; it falls linearly to 0.
        epochs, batch_size: of training.
        labels: the only number of labels it is for; None for any.
        longest: the mean number of words in a document above which it is left out; None for any.
    """

    name: str
    model: str
    specification: Specification
    minimum_df: int = 1
    features: int = FEATURES
    weights: str | None = None
    shares: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    architecture: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "sgd"
    loss: str = "squared hinge"
    rate: float = 1.0
    epochs: int = 15
    batch_size: int = 16
    labels: int | None = None
    longest: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The candidate as JSON-ready data."""
        return {**asdict(self), "specification": self.specification.to_json(), "shares": list(self.shares)}


def _linear() -> list[Candidate]:
    topics = preset("sentences", ngrams=2, head=8)
    words = preset("words", ngrams=3)
    spelling = preset("words", ngrams=3, character_ngrams=(3, 4, 5))
    halves = (1.0, 0.5, 0.5, 1.0)
    # Topics: the words that open a text name its topic; pairs of words weigh half of what words do.
    igm = Candidate("igm", "linear", topics, weights="igm_idf", shares=halves, architecture={"term_frequency": "sqrt"})
    igm = replace(igm, rate=8.0, epochs=8)
    idf = replace(igm, name="tf-idf", weights="idf", architecture={"term_frequency": "sublinear"}, rate=4.0, epochs=12)
    # Sentiment: the ratio of two labels. Rare n-grams of long texts are left out.
    ratio = Candidate("naive bayes", "linear", words, weights="naive_bayes", labels=2, minimum_df=2)
    ratio = replace(ratio, architecture={"term_frequency": "binary"}, rate=3.0, epochs=4)
    return [
        igm,
        idf,
        replace(idf, name="tf-idf, words first", shares=(1.0, 0.1, 0.1, 1.0)),
        ratio,
        # Parts of words say more where words are few.
        replace(
            ratio, name="naive bayes, spelling", specification=spelling, shares=halves, minimum_df=1, longest=100.0
        ),
    ]


def _textcnn() -> list[Candidate]:
    base = Candidate("words", "textcnn", preset("words"), minimum_df=2, features=30_000, optimizer="adam")
    base = replace(base, loss="cross-entropy", rate=1e-3, epochs=6, batch_size=50)
    return [
        base,
        replace(base, name="words, longer", epochs=16),
        replace(base, name="sentences", specification=preset("sentences"), minimum_df=1, epochs=16, longest=100.0),
    ]


_CANDIDATES = {"linear": _linear, "textcnn": _textcnn}
MODELS = tuple(_CANDIDATES)


def candidates(model: str, labels: int | None = None, length: float | None = None) -> list[Candidate]:
    """The candidates of a model, at most eight.

    Args:
        labels: the number of labels; None takes the candidates for any number.
        length: the mean number of words in a document; None takes the candidates for any length.

    Nothing else about the data decides what is tried.

    Raises:
        UserError: there is no such model.
    """
    if model not in _CANDIDATES:
        raise UserError(f"no model {model!r}; there are {', '.join(MODELS)}")
    return [
        found
        for found in _CANDIDATES[model]()
        if (labels is None or found.labels in (None, labels))
        and (length is None or found.longest is None or length <= found.longest)
    ]


def keep(counts: FeatureCounts, minimum_df: int = 1, most: int = FEATURES) -> FeatureCounts:
    """The features of the most documents, in the order of their ids.

    Descending document frequency, then term frequency, then ascending bytes: the number of parts that the counts came
    in does not matter.

    Raises:
        UserError: no feature is left.
    """
    df, tf = counts.document_frequency, counts.term_frequency
    by_bytes = np.array(sorted(range(len(df)), key=counts.features.__getitem__), np.int64)
    order = by_bytes[np.lexsort((-tf[by_bytes], -df[by_bytes]))]
    order = order[df[order] >= minimum_df][:most]
    if not len(order):
        raise UserError(
            f"no token is left in the vocabulary (of {len(df)} features none is in {minimum_df} documents); "
            "give more text, or check that the text column is the right one"
        )
    return counts.select(order)


def scale(candidate: Candidate, counts: FeatureCounts) -> Array | None:
    """What each feature's weight is multiplied with, float64 [features]; None for a model without weights."""
    if candidate.weights is None:
        return None
    share = np.array(candidate.shares)[weights.kinds(counts.features)]
    found: Array = weights.WEIGHTS[candidate.weights](counts) * share
    return found


def best(scores: Sequence[float]) -> int:
    """The index of the highest score, the first of several."""
    return int(np.argmax(scores))


def calibrate(logits: Array, y: Array) -> float:
    """The scale under which softmax(scale * logits) has the least log loss: a temperature, and no answer changes.

    Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks". Of 61 scales from 0.1 to 100.

    Args:
        logits: float [documents, labels], of documents that were not trained on.
        y: int [documents], -1 for a label that is not among them.
    """
    known = np.flatnonzero(y >= 0)
    scales = np.geomspace(0.1, 100.0, 61)
    if not len(known):
        return 1.0
    losses = []
    for one in scales:
        z = one * logits[known]
        z = z - z.max(axis=1, keepdims=True)
        losses.append(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(known)), y[known]]))
    return float(scales[int(np.argmin(losses))])

"""What features weigh: IDF, Naive Bayes ratios and inverse gravity moments, each a function of the counts alone.

So what the counts did not see no weight has seen. How the count of a feature in a document counts is told by
`models.layers.weighted_bag`. A further weight is one function like `igm` and a line in WEIGHTS.
Nothing is trained here; which features are kept `models.counts.feature_counts.keep` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mapreduce.errors import UserError
from mapreduce.tokens import tokenizer
from mapreduce.tokens.specification import FEATURES
from models.counts.feature_counts import Array, FeatureCounts

KINDS = WORD, NGRAM, CHARACTERS, HEAD, SKIP, PAIR, PREFIX, ACROSS = range(8)
"""Kinds of features, as `kinds` tells them."""
FIELDS = ("ngrams", *FEATURES)
"""What makes each kind, a field of `mapreduce.tokens.specification.Specification`."""
_BY_MARK = np.full(256, CHARACTERS)
_MARKS = (tokenizer.HEAD, tokenizer.SKIP, tokenizer.HEAD_PAIR, tokenizer.PREFIX, tokenizer.ACROSS)
_BY_MARK[[mark[1] for mark in _MARKS]] = KINDS[HEAD:]


def idf(counts: FeatureCounts) -> Array:
    """Inverse document frequency, ln((n + 1) / (df + 1)) + 1, float64 [features].

    n counts documents, df those that hold the feature. The idea is that of Sparck Jones (1972), "A statistical
    interpretation of term specificity and its application in retrieval". The formulas in use differ; this is that of
    TensorFlow Transform and of scikit-learn's TfidfTransformer. (TextVectorization has ln(1 + n / (1 + df)), Spark
    ln((n + 1) / (df + 1)).)
    """
    found: Array = np.log((counts.documents.sum() + 1) / (counts.document_frequency + 1)) + 1
    return found


def igm(counts: FeatureCounts, factor: float = 7.0) -> Array:
    """Inverse gravity moment, 1 + factor * f1 / sum(r * fr), float64 [features].

    f1 >= f2 >= ... are the feature's document frequencies in the labels, in descending order, and r their ranks: a
    feature of one label has 1 + factor, one spread evenly over L labels 1 + factor * 2 / (L * (L + 1)). Chen, Zhang,
    Long and Zhang (2016), "Turning from TF-IDF to TF-IGM for term weighting in text classification", where factor is
    between 5 and 9.
    """
    order = np.lexsort((-counts.df, counts.feature))
    feature, df = counts.feature[order], counts.df[order]
    first = np.searchsorted(feature, np.arange(len(counts.features)))
    rank = np.arange(len(feature)) - first[feature] + 1
    moment = np.bincount(feature, rank * df, len(counts.features))
    found: Array = 1 + factor * df[first] / moment
    return found


def igm_idf(counts: FeatureCounts, factor: float = 3.0) -> Array:
    """`igm` times the square root of `idf`, float64 [features].

    IGM alone gives words that are everywhere, but in no label in particular, 1; the square root of IDF tells them from
    rare ones. Chosen by cross-validation within training splits (R8, R52, 20 Newsgroups).
    """
    return igm(counts, factor) * np.sqrt(idf(counts))


def steep_igm_idf(counts: FeatureCounts) -> Array:
    """`igm_idf` with twice the factor, float64 [features]: for features of many kinds, most of which tell nothing.

    Chosen by cross-validation within training splits (20 Newsgroups).
    """
    return igm_idf(counts, 6.0)


def naive_bayes_ratio(counts: FeatureCounts, smoothing: float = 1.0) -> Array:
    """The log-count ratio of two labels, ln((p / |p|) / (q / |q|)), float64 [features].

    p and q are `smoothing` plus the document frequencies in the second and in the first label, |.| their sums over all
    features. Wang and Manning (2012), "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification".

    Raises:
        UserError: there are not exactly two labels.
    """
    if len(counts.labels) != 2:
        raise UserError(f"naive_bayes_ratio: needs two labels. Received: {len(counts.labels)}")
    q, p = (counts.dense(counts.df) + smoothing).T
    ratio: Array = np.log(p / p.sum()) - np.log(q / q.sum())
    return ratio


WEIGHTS: dict[str, Callable[[FeatureCounts], Array]] = {
    "idf": idf,
    "igm": igm,
    "igm_idf": igm_idf,
    "steep_igm_idf": steep_igm_idf,
    "naive_bayes": naive_bayes_ratio,
}


def scale(
    counts: FeatureCounts, weights: str | None, shares: Sequence[float], known: Array | None = None
) -> Array | None:
    """What each feature's count in a document is multiplied with, float64 [features]; None where nothing weighs.

    Args:
        weights: a name in WEIGHTS, or None.
        shares: what the weights of KINDS are multiplied with; 1 for kinds behind the last.
        known: the features' kinds, where they are known already.
    """
    if weights is None:
        return None
    factors = np.ones(len(KINDS))
    factors[: len(shares)] = shares
    found: Array = WEIGHTS[weights](counts) * factors[kinds(counts.features) if known is None else known]
    return found


def kinds(features: Sequence[bytes]) -> Array:
    """What each feature is: WORD, NGRAM (words joined by a space) or another one of KINDS; int8 [features]."""
    data, begins, spaces = _laid_out(features)
    marked = (data[begins] == ord(" ")) & (spaces > 0)
    found = np.where(spaces > 0, NGRAM, WORD)
    found[marked] = _BY_MARK[data[begins[marked] + 1]]
    return found.astype(np.int8)


def widths(features: Sequence[bytes]) -> Array:
    """How many words each feature has that is a word or an n-gram of words; int64 [features]."""
    found: Array = _laid_out(features)[2] + 1
    return found


def _laid_out(features: Sequence[bytes]) -> tuple[Array, Array, Array]:
    """Features one behind the other, uint8; where each one begins; and how many spaces it has."""
    sizes = np.fromiter(map(len, features), np.int64, len(features))
    data = np.frombuffer(b"".join([*features, bytes(2)]), np.uint8)
    before = np.concatenate([[0], np.cumsum(data == ord(" "))])
    ends = np.cumsum(sizes)
    begins = ends - sizes
    return data, begins, before[ends] - before[begins]

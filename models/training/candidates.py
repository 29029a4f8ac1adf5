"""The candidates of each model as data: what it reads, how it is built and how it is trained.

Hyper-parameters of training stand here and nowhere else; what an architecture has by default stands with it.
`models.train` tries the candidates of a model and lets the validation split decide; nothing is fitted here, and no data
but a number of labels and a mean length are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from mapreduce.errors import UserError
from mapreduce.tokens.specification import Specification, override, preset

FEATURES = 500_000
"""The most features a model has: more make it slow to load and hardly better."""
QUICK, NORMAL, BEST = EFFORTS = ("quick", "normal", "best")
"""How much is tried: one candidate; a few on one validation split; all by cross-validation, and the best ones' sum."""
LONG = 100.0
"""Texts of more words than that, in the mean, are long."""
_HALVES = (1.0, 0.5, 0.5, 1.0)
_ALL_HALVES = (*_HALVES, 0.5, 0.5, 0.5, 0.5)
STEPS = 32
"""Of an epoch over a table, about, at least."""
RUN = 3
"""The longest run of characters that is a feature, where texts have no spaces between words."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to make a model of images, or of rows.

    Attributes:
        name: for the eyes.
        model: name of the architecture.
        architecture: further arguments of the architecture.
        optimizer: "sgd", "adam" (`models.training.optimizer.LazyAdam`) or "adadelta".
        loss: "squared hinge" (summed over labels, one against the rest), "cross-entropy" of the true label, or
            "pixels", the cross-entropy of every pixel, or "squared error" of a number.
        rate: learning rate.
        falls: whether it falls linearly to 0, or stays.
        epochs, batch_size: of training.
        shift: images are moved by up to so many pixels in training, each by its own.
    """

    name: str
    model: str
    architecture: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "adam"
    loss: str = "cross-entropy"
    rate: float = 1e-3
    falls: bool = True
    epochs: int = 12
    batch_size: int = 128
    shift: int = 0

    def to_json(self) -> dict[str, Any]:
        """The candidate as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class TextCandidate(Candidate):
    """One way to make a model of texts: further, what a feature is and what it weighs.

    Attributes:
        specification: what a feature is.
        minimum_df: features of fewer documents are not counted.
        features: the most features that are kept.
        weights: a name in `models.counts.feature_weights.WEIGHTS`, or None where the model weighs nothing.
        shares: what the weights of kinds of features are multiplied with, in the order of
            `models.counts.feature_weights.KINDS`; 1.0 for kinds behind the last.
        unknown: the share of words that are OOV in training, others in each epoch; for models of ids.
        labels: the only number of labels it is for; None for any.
        fewest: the least number of labels with which it is tried, unless it is named.
        longest: the mean number of words in a document above which it is left out; None for any.
        efforts: those of EFFORTS that try it; where it is named, all do.
    """

    specification: Specification
    minimum_df: int = 1
    features: int = FEATURES
    weights: str | None = None
    shares: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    unknown: float = 0.0
    labels: int | None = None
    fewest: int = 2
    longest: float | None = None
    efforts: tuple[str, ...] = EFFORTS

    def suits(self, labels: int | None, length: float | None) -> bool:
        """Whether it is tried, unnamed, with so many labels and words in a document; None is any number."""
        return (labels or self.fewest) >= self.fewest and (length or 0) <= (self.longest or math.inf)

    def to_json(self) -> dict[str, Any]:
        """The candidate as JSON-ready data."""
        found = {**asdict(self), "specification": self.specification.to_json(), "shares": list(self.shares)}
        return {name: value for name, value in found.items() if name not in ("fewest", "efforts")}  # when it is tried


@dataclass(frozen=True, kw_only=True)
class TableCandidate(Candidate):
    """One way to make a model of rows.

    Attributes:
        mean, deviation: of the number that is to be learnt, which the model learns in deviations from the mean.
    """

    mean: float = 0.0
    deviation: float = 1.0


def _linear() -> list[TextCandidate]:
    base = TextCandidate(
        name="igm", model="linear", specification=preset("words"), optimizer="sgd", loss="squared hinge", batch_size=16
    )
    return [*_topics(base), *_sentiment(base)]


def _topics(base: TextCandidate) -> list[TextCandidate]:
    """The words that open a text name its topic; pairs of words weigh half of what words do."""
    topics = preset("sentences", ngrams=2, head=8)
    base = replace(base, specification=topics, shares=_HALVES, fewest=3)
    igm = replace(base, weights="igm_idf", architecture={"term_frequency": "sqrt"}, rate=8.0, epochs=8)
    idf = replace(base, weights="idf", architecture={"term_frequency": "sublinear"}, rate=4.0, epochs=12)
    # For a sum, what sees other things: parts of words, their order, how short texts begin.
    steep = replace(igm, weights="steep_igm_idf", shares=_ALL_HALVES, efforts=(BEST,))
    start = override(topics, ngrams=3, head_pairs=4, prefixes=5)
    characters = override(start, characters_across=(3, 4, 5, 6))
    spelling = replace(
        steep,
        name="igm, spelling",
        specification=override(topics, character_ngrams=(3, 4, 5)),
        shares=(1.0, 0.5, 0.4, 1.0),
        epochs=5,
    )
    short = replace(idf, name="tf-idf, start", specification=start, shares=_ALL_HALVES, longest=LONG, efforts=(BEST,))
    return [
        igm,
        replace(idf, name="tf-idf"),
        replace(idf, name="tf-idf, words first", shares=(1.0, 0.1, 0.1, 1.0)),
        spelling,
        replace(steep, name="igm, order", specification=override(start, skips=True)),
        short,
        replace(short, name="tf-idf, characters", specification=characters),
        replace(steep, name="igm, characters", specification=characters, longest=LONG),
    ]


def _sentiment(base: TextCandidate) -> list[TextCandidate]:
    """The ratio of two labels. Rare n-grams of long texts are left out; parts of words say more where words are few."""
    words = preset("words", ngrams=3)
    ratio = replace(base, name="naive bayes", specification=words, weights="naive_bayes", labels=2, minimum_df=2)
    ratio = replace(ratio, architecture={"term_frequency": "binary"}, rate=3.0, epochs=4)
    short = replace(ratio, minimum_df=1, longest=LONG)
    spelling = override(words, character_ngrams=(3, 4, 5))
    characters = override(words, ngrams=(), characters_across=(3, 4, 5, 6))
    order = replace(ratio, name="naive bayes, order", specification=override(words, skips=True), shares=_ALL_HALVES)
    topics = replace(ratio, weights="igm_idf", shares=_HALVES, architecture={"term_frequency": "sqrt"}, minimum_df=1)
    topics = replace(topics, name="igm, two labels", specification=override(words, ngrams=2, head=8), longest=LONG)
    igm = replace(
        topics, name="igm, order, two labels", specification=order.specification, longest=None, shares=_ALL_HALVES
    )
    sublinear = replace(ratio, name="naive bayes, sublinear", architecture={"term_frequency": "sublinear"})
    pairs = replace(sublinear, name="naive bayes, pairs", specification=override(words, ngrams=2), efforts=(QUICK,))
    return [
        pairs,  # of long texts a third of the features, and the accuracy of triples
        ratio,
        sublinear,
        replace(short, name="naive bayes, spelling", specification=spelling, shares=_HALVES),
        replace(short, name="naive bayes, characters", specification=characters, efforts=(BEST,)),
        replace(order, efforts=(BEST,)),
        replace(topics, rate=8.0, epochs=8),
        replace(igm, rate=4.0, epochs=6, minimum_df=2, efforts=(BEST,)),
    ]


def _without_spaces(found: list[TextCandidate]) -> list[TextCandidate]:
    """Those candidates as they are for texts without spaces between words; some come to the same and are left out.

    Characters are the tokens, and runs of them stand for words: they weigh as much as single ones, and the first
    characters name no topic, so there is no head. A network reads single characters.
    """
    characters = preset("unspaced")
    changed = []
    for one in found:
        if one.weights is None:
            changed.append(replace(one, specification=characters))
        elif one.name in ("igm", "tf-idf", "naive bayes"):
            runs = override(characters, ngrams=RUN)
            one = replace(one, specification=runs, shares=(1.0, 1.0, 1.0, 1.0), minimum_df=1, fewest=2)
            # Most runs are no words: half of the steps, and half as long ones, learn fewer of them by heart.
            shorter = replace(one, name=f"{one.name}, shorter", rate=one.rate / 2, epochs=one.epochs // 2)
            changed += [shorter, one]
    return changed


def _words(model: str) -> TextCandidate:
    """Words, the 30,000 that most documents hold."""
    base = TextCandidate(name="words", model=model, specification=preset("words"), minimum_df=2, features=30_000)
    return replace(base, epochs=6, batch_size=50)


def _sentences(base: TextCandidate, **more: Any) -> TextCandidate:
    """For short texts: with punctuation and case, and the words of one document alone.

    As every word of the training texts is known, OOV's vector is learned where words are hidden and nowhere else.
    """
    sentences = preset("sentences")
    return replace(base, name="sentences", specification=sentences, minimum_df=1, longest=LONG, **more)


def _textcnn() -> list[TextCandidate]:
    base = _words("textcnn")
    return [replace(base, rate=3e-3, unknown=0.2), _sentences(base, rate=3e-3, epochs=8)]


def _lstm() -> list[TextCandidate]:
    base = _words("lstm")
    maximum = {"bidirectional": True, "pooling": "max"}
    long = replace(base, architecture=maximum, rate=5e-3, unknown=0.1)
    return [long, _sentences(base, architecture={**maximum, "spread": 0.25}, rate=4e-3, epochs=16, unknown=0.1)]


def _attention() -> list[TextCandidate]:
    base = _words("attention")
    # Where texts are long, which words there are says more than their order, and an LSTM would take long.
    words = replace(base, rate=3e-3, epochs=3)
    # Sentiment is learned in few epochs, and many topics are not.
    longer = replace(base, name="words, longer", rate=1e-2, epochs=12)
    both_ways = {"units": 64, "spread": 0.25}
    return [words, longer, _sentences(base, architecture=both_ways, rate=4e-3, epochs=12, unknown=0.1)]


def _transformer() -> list[TextCandidate]:
    base = _words("transformer")
    # Every word looks at all others: the time grows with the square of the words that are read.
    long = replace(base, architecture={"longest": 300}, epochs=4, unknown=0.3)
    return [long, _sentences(base, architecture={"dropout": 0.2}, rate=1.5e-3)]


def _cnn_dropout() -> list[Candidate]:
    return [Candidate(name="cnn_dropout", model="cnn_dropout", optimizer="adadelta", rate=1.0, falls=False)]


def _resnet() -> list[Candidate]:
    return [Candidate(name="resnet", model="resnet", rate=3e-3, epochs=10, shift=2)]


def _autoencoder(convolutional: bool = False) -> list[Candidate]:
    name = "convolutional autoencoder" if convolutional else "autoencoder"
    architecture = {"convolutional": convolutional}
    return [Candidate(name=name, model="autoencoder", architecture=architecture, loss="pixels", epochs=10)]


_TEXTS: dict[str, Callable[[], list[TextCandidate]]] = {
    "linear": _linear,
    "textcnn": _textcnn,
    "attention": _attention,
    "lstm": _lstm,
    "transformer": _transformer,
}
_IMAGES: dict[str, Callable[[], list[Candidate]]] = {
    "mlp": lambda: [Candidate(name="mlp", model="mlp", epochs=5, batch_size=32)],
    "cnn": lambda: [Candidate(name="cnn", model="cnn", epochs=8)],
    "cnn_dropout": _cnn_dropout,
    "lenet5": lambda: [Candidate(name="lenet5", model="lenet5", rate=2e-3, epochs=15, shift=1)],
    "resnet": _resnet,
    "autoencoder": _autoencoder,
    "convolutional_autoencoder": lambda: _autoencoder(True),
}
_TABLES: dict[str, Callable[[], TableCandidate]] = {
    "mlp": lambda: TableCandidate(
        name="mlp", model="columns", architecture={"hidden": [256, 128], "dropout": 0.1}, epochs=30
    ),
    "linear": lambda: TableCandidate(name="linear", model="columns", rate=1e-2, epochs=20),
}
TEXT_MODELS, IMAGE_MODELS, TABLE_MODELS = tuple(_TEXTS), tuple(_IMAGES), tuple(_TABLES)
MODELS = (*TEXT_MODELS, *IMAGE_MODELS)
AUTO = "auto"
"""Compares all models of texts, in the order of _TEXTS: those that take longer come later."""


def split_models(model: str) -> tuple[str, ...]:
    """The models that a name stands for: itself, those between its commas, or all of texts.

    Raises:
        UserError: there is no such model, or several that are not all of texts and different.
    """
    names = TEXT_MODELS if model == AUTO else tuple(model.split(","))
    for name in names:
        known = TEXT_MODELS if len(names) > 1 else MODELS
        if name not in known or names.count(name) > 1:
            several = f" (several are models of texts, each once: {', '.join(TEXT_MODELS)})" if len(names) > 1 else ""
            raise UserError(f"no model {name!r}{several}; there are {', '.join((*MODELS, AUTO))}")
    return names


def candidates(
    model: str,
    labels: int | None = None,
    length: float | None = None,
    names: Sequence[str] = (),
    *,
    unspaced: bool = False,
    effort: str = NORMAL,
) -> list[TextCandidate]:
    """The candidates of a model of texts, at most eight.

    Args:
        labels: the number of labels; None takes the candidates for any number.
        length: the mean number of words in a document; None takes the candidates for any length.
        names: those that are wanted, of whatever length, as `--candidates` splits them at commas; all without.
        unspaced: whether the texts have no spaces between words; a word then is a character.
        effort: one of EFFORTS: which of those without a name are tried.

    Nothing else about the data decides what is tried.

    Raises:
        UserError: there is no such model or candidate, or none of those that are named is for so many labels.
    """
    if model not in _TEXTS:
        raise UserError(f"no model {model!r} of texts; there are {', '.join(TEXT_MODELS)}")
    every = _without_spaces(_TEXTS[model]()) if unspaced else _TEXTS[model]()
    named = [one for one in _named(every, names) if labels is None or one.labels in (None, labels)]
    found = [one for one in named if names or (one.suits(labels, length) and effort in one.efforts)]
    if effort == QUICK and labels is not None and not names:
        # One alone: what is for just this number of labels is the better one.
        found = sorted(found, key=lambda one: one.labels is None)[:1]
    if not found:
        raise UserError(f"--candidates: none of {', '.join(names)} is for {labels} labels; name others")
    return found


Some = TypeVar("Some", bound=Candidate)


def _named(found: list[Some], parts: Sequence[str]) -> list[Some]:
    """Those that are named, in their own order; a name that holds a comma is two parts."""
    known = [one.name for one in found]
    wanted: list[str] = []
    rest = list(parts)
    while rest:
        n = next((n for n in range(len(rest), 0, -1) if ", ".join(rest[:n]) in known), 0)
        if not n:
            raise UserError(f"--candidates: {found[0].model} has no {rest[0]!r}; it has {'; '.join(known)}")
        wanted.append(", ".join(rest[:n]))
        rest = rest[n:]
    return [one for one in found if one.name in wanted or not wanted]


def image_candidate(model: str, names: Sequence[str] = ()) -> Candidate:
    """The one candidate of a model of images: the validation split decides how long it is trained.

    Raises:
        UserError: there is no such model or candidate.
    """
    if model not in _IMAGES:
        raise UserError(f"no model {model!r} of images; there are {', '.join(IMAGE_MODELS)}")
    (found,) = _named(_IMAGES[model](), names)
    return found


def table_candidate(model: str, names: Sequence[str] = (), rows: int = 1 << 20) -> TableCandidate:
    """The one candidate of a model of tables: the validation split decides how long it is trained.

    Args:
        rows: that it is trained on; of few there are few in a step, as an epoch takes STEPS of them, or more.

    Raises:
        UserError: there is no such model or candidate.
    """
    if model not in _TABLES:
        raise UserError(f"no model {model!r} of tables; there are {', '.join(TABLE_MODELS)}")
    (found,) = _named([_TABLES[model]()], names)
    return replace(found, batch_size=max(8, min(256, 1 << (rows // STEPS).bit_length() >> 1)))

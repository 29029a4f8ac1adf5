"""Candidates that are fitted natively: all of them on records that are counted and encoded once, and held in memory.

`models.training.on_shards` does the same for models that TensorFlow fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from models.counts import feature_counts, feature_weights
from models.counts.bags import Labelled
from models.counts.feature_counts import Array, FeatureCounts
from models.counts.linear import Sum
from models.training import calibration, fit_linear
from models.training.candidates import TextCandidate
from models.training.checks import check_labels
from models.training.pool import FOLDS, Pool, families
from models.training.runs import Fitted, Run
from models.training.scores import Scores, measure
from models.training.settings import Settings
from models.training.stages import Stages
from models.training.tried import Counted, Tried


@dataclass(frozen=True)
class Selected(Counted):
    """Counts, and which of a pool's features they are of."""

    kept: Array


class InMemory:
    """Tries candidates out.

    Args:
        candidates: all that may be tried.
        every: the documents of each label, by sorted name.
    """

    def __init__(
        self,
        stages: Stages,
        candidates: Sequence[TextCandidate],
        every: Mapping[str, int],
        settings: Settings,
    ) -> None:
        self._stages, self._settings, self._every = stages, settings, every
        self._pools: dict[str, Pool] = {}
        self.families: list[list[TextCandidate]] = []
        for specification, members in families(candidates):
            pool = Pool(stages, specification, members, list(every))
            self._pools.update(dict.fromkeys((one.name for one in members), pool))
            self.families.append(members)
        self._begin(0, None)

    def _begin(self, draw: int, fold: int | None) -> None:
        self.draw, self._fold = draw, fold
        self._counts: dict[int, FeatureCounts] = {}
        self._last: tuple[Selected, Labelled] | None = None

    def redraw(self, number: int) -> InMemory:
        """The same with another validation split."""
        return self._with(number, None)

    def folds(self, draw: int | None = None) -> Iterator[InMemory]:
        """The same with a fold as the validation split, for each fold; as it is, where a file is that split.

        One by one, as each holds the bags of its train split.

        Args:
            draw: what draws the folds; None takes those with the most even labels.
        """
        if self._stages.held_out:
            yield self
            return
        if draw is None:
            draw = next(iter(self._pools.values())).evenest
        for fold in range(FOLDS):
            yield self._with(draw, fold)

    def _with(self, draw: int, fold: int | None) -> InMemory:
        other = object.__new__(InMemory)
        other.__dict__.update(self.__dict__)
        other._begin(draw, fold)
        return other

    @property
    def _sides(self) -> tuple[Array, Array]:
        """The numbers of the documents of the train and of the validation split."""
        pool = next(iter(self._pools.values()))
        held_out = pool.validation(self.draw) if self._fold is None else pool.folds(self.draw) == self._fold
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    def documents(self) -> dict[str, int]:
        y = next(iter(self._pools.values())).documents.y[self._sides[0]]
        return dict(zip(self._every, np.bincount(y, minlength=len(self._every)).tolist()))

    def try_out(self, candidate: TextCandidate) -> Tried:
        stages, pool = self._stages, self._pools[candidate.name]
        train, validation = self._sides
        counted, bags = self._train(candidate, train)
        key = stages.key(candidate, self._settings, pool.outputs, fit="native", draw=self.draw)
        if (kept := stages.score(key)) is not None:
            scores = Scores(kept["accuracy"], kept["macro_f1"], kept["log_loss"])
            return Tried(candidate, scores, kept["scale"], kept["history"], counted=counted)
        file = stages.checkpoint("train", key)
        measured = self._labelled(counted, validation) if self._settings.measures else None
        fitted = self._fit(counted, bags, checkpoint=file, key=key, validation=measured)
        tried = self._measured(counted, fitted)
        stages.keep_score({"key": key, **asdict(tried.scores), "scale": tried.scale, "history": fitted.history})
        file.unlink(missing_ok=True)
        return tried

    @property
    def size(self) -> tuple[int, int]:
        """How many documents and labels there are."""
        return sum(self._every.values()), len(self._every)

    @property
    def truth(self) -> Array:
        """The labels of the validation split, by their numbers among all."""
        return next(iter(self._pools.values())).documents.y[self._sides[1]]

    def logits(self, candidate: TextCandidate) -> Array:
        """Those of the validation split, float32 [documents, all labels], by a fit on the train split."""
        train, validation = self._sides
        counted, bags = self._train(candidate, train)
        part = "" if self._fold is None else f", fold {self._fold + 1}"
        fitted = self._fit(counted, bags, title=f"{candidate.name}{part}")
        found = np.full((len(validation), len(self._every)), -1, np.float32)  # a label that was not seen is none
        known = [number for number, name in enumerate(self._every) if name in set(counted.counts.labels)]
        found[:, known] = fitted.model.logits(self._labelled(counted, validation).bags)
        return found

    def measured(self, candidate: TextCandidate, fitted: Fitted) -> Tried:
        return self._measured(self._train(candidate, self._sides[0])[0], fitted)

    def _measured(self, counted: Selected, fitted: Fitted) -> Tried:
        bags, y = self._labelled(counted, self._sides[1])
        logits = fitted.model.logits(bags)
        scale = calibration.calibrate(logits, y)
        return Tried(counted.candidate, measure(logits, y, scale), scale, fitted.history, fitted, counted)

    def count_all(self, candidate: TextCandidate) -> Selected:
        every = np.arange(len(self._pools[candidate.name].documents.y))
        return self._select(candidate, self._pools[candidate.name].count(every, list(self._every)), "all")

    def fit_all(self, counted: Counted) -> Fitted:
        assert isinstance(counted, Selected)
        candidate, pool = counted.candidate, self._pools[counted.candidate.name]
        key = self._stages.key(candidate, self._settings, pool.outputs, fit="native")
        bags = self._labelled(counted, np.arange(len(pool.documents.y)))
        file, title = self._stages.checkpoint("all", key), f"{candidate.name} on all"
        return self._fit(counted, bags, checkpoint=file, key=key, title=title)

    def fit_sum(self, parts: Sequence[TextCandidate]) -> tuple[Fitted, Counted]:
        """Counts and fits candidates on all records, and adds them up to one model of the features of all of them."""
        pool = self._pools[parts[0].name]
        every = [self.count_all(one) for one in parts]
        _, first = np.unique(together := np.concatenate([one.kept for one in every]), return_index=True)
        kept = together[np.sort(first)]
        place = np.zeros(len(pool.tokens), np.int64)
        place[kept] = np.arange(len(kept))
        models, epochs = [], 0
        for counted in every:
            fitted = self.fit_all(counted)
            (model,) = fitted.model.parts
            models.append(model.moved(place[counted.kept], len(kept)))
            epochs = max(epochs, fitted.epoch)
        counts = pool.count(np.arange(len(pool.documents.y)), list(self._every)).select(kept)
        ((specification, _),) = families(parts)
        joined = replace(parts[0], name=" + ".join(one.name for one in parts), specification=specification)
        return Fitted(Sum(models), epochs, []), Selected(joined, counts, kept)

    def unknown(self, tried: Tried) -> float | None:
        train, validation = self._sides
        counted = tried.counted or self._train(tried.candidate, train)[0]
        assert isinstance(counted, Selected)
        return self._pools[tried.candidate.name].unknown(validation, counted.kept)

    def _train(self, candidate: TextCandidate, selected: Array) -> tuple[Selected, Labelled]:
        """The counts and the bags of the train split; what the candidate before had is taken where it serves."""
        pool = self._pools[candidate.name]
        if self._last is not None and self._last[0].serves(candidate):
            counted, bags = self._last
            return Selected(candidate, counted.counts, counted.kept), bags
        self._last = None  # before there is another one
        if id(pool) not in self._counts:
            self._counts = {id(pool): pool.count(selected, list(self._every))}
        counted = self._select(candidate, self._counts[id(pool)], "train")
        self._last = counted, self._labelled(counted, selected)
        return self._last

    def _select(self, candidate: TextCandidate, counts: FeatureCounts, split: str) -> Selected:
        """The features of a candidate, of the labels that there are."""
        pool = self._pools[candidate.name]
        there = np.flatnonzero(counts.documents)
        if len(there) < len(counts.labels):
            labels, documents = [counts.labels[i] for i in there], counts.documents[there]
            counts = replace(counts, labels=labels, label=_numbers(there)[counts.label], documents=documents)
        among = pool.features(candidate)
        enough = np.zeros(len(pool.tokens), bool)
        enough[among] = counts.document_frequency[among] >= max(candidate.minimum_df, 1)
        seen = set(np.unique(counts.label[enough[counts.feature]]).tolist())
        check_labels(counts.labels, seen, f"{self._stages.paths[0]}, {split} split", candidate)
        kept = feature_counts.ranked(counts, among, candidate.minimum_df, candidate.features)
        return Selected(candidate, counts.select(kept), kept)

    def _labelled(self, counted: Selected, selected: Array) -> Labelled:
        """Documents as the counted features and labels number them."""
        bags, y = self._pools[counted.candidate.name].select(selected, counted.kept)
        numbers = {name: i for i, name in enumerate(counted.counts.labels)}
        return Labelled(bags, np.array([numbers.get(name, -1) for name in self._every], np.int32)[y])

    def _fit(self, counted: Selected, bags: Labelled, **more: Any) -> Fitted:
        """Fits a candidate to documents; `more` are further fields of the run."""
        candidate = counted.candidate
        kinds = self._pools[candidate.name].kinds[counted.kept]
        run = Run(
            candidate=candidate,
            records=bags,
            labels=counted.counts.labels,
            size=len(counted.kept),
            scale=feature_weights.scale(counted.counts, candidate.weights, candidate.shares, kinds),
            settings=self._settings,
            **more,
        )
        return fit_linear.fit(run)


def _numbers(there: Array) -> Array:
    """The place of each of these numbers among them."""
    found = np.zeros(int(there.max(initial=0)) + 1, np.int64)
    found[there] = np.arange(len(there))
    return found

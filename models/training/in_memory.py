"""Candidates that are fitted natively: all of them on records that are counted and encoded once, and held in memory.

`models.training.on_shards` does the same for models that TensorFlow fits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mapreduce.local import machine
from models.counts import feature_counts, feature_weights
from models.counts.bags import Labelled
from models.counts.feature_counts import Array, FeatureCounts, places
from models.counts.linear import Sum
from models.training import fit_linear
from models.training.candidates import TextCandidate
from models.training.checks import check_labels
from models.training.pool import FOLDS, Pool, families, summed
from models.training.runs import Fitted, Interrupted, Run
from models.training.settings import Settings
from models.training.stages import Stages
from models.training.tried import Counted, Tried, among_all, of_logits, once


@dataclass(frozen=True)
class Selected(Counted):
    """Counts, and which of a pool's features and labels they are of, by their numbers."""

    kept: Array
    known: Array


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
        self._any = pool  # all of them hold the same documents, in the same order
        self._begin(0, None)

    def _begin(self, draw: int, fold: int | None) -> None:
        self.draw, self._fold = draw, fold
        held_out = self._any.validation(draw) if fold is None else self._any.folds(draw) == fold
        self._train_split, self._validation = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        self._counts: dict[int, FeatureCounts] = {}
        self._last: tuple[Selected, Labelled] | None = None
        self._one, self._stop = threading.Lock(), threading.Event()

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
            draw = self._any.evenest
        for fold in range(FOLDS):
            yield self._with(draw, fold)

    def _with(self, draw: int, fold: int | None) -> InMemory:
        other = object.__new__(InMemory)
        other.__dict__.update(self.__dict__)
        other._begin(draw, fold)
        return other

    def documents(self) -> dict[str, int]:
        y = self._any.documents.y[self._train_split]
        return dict(zip(self._every, np.bincount(y, minlength=len(self._every)).tolist()))

    def try_out(self, candidate: TextCandidate) -> Tried:
        pool = self._pools[candidate.name]
        counted, bags = self._train(candidate)
        key = self._stages.key(candidate, self._settings, pool.outputs, fit="native", draw=self.draw)

        def work(file: Path) -> Tried:
            measured = self._labelled(counted, self._validation) if self._settings.measures else None
            return self._measured(counted, self._fit(counted, bags, checkpoint=file, key=key, validation=measured))

        return once(self._stages, key, counted, work)

    @contextmanager
    def tries(self, candidates: Sequence[TextCandidate]) -> Iterator[list[Callable[[], Tried]]]:
        """As many at a time as there are cores: the native library lets other threads run."""
        with ThreadPoolExecutor(machine.cores()) as threads:
            begun = [threads.submit(self.try_out, candidate) for candidate in candidates]
            try:
                yield [partial(self._result, one) for one in begun]
            finally:
                if not all(one.done() for one in begun):  # nobody waits for them
                    threads.shutdown(wait=False, cancel_futures=True)
                    self._stop.set()

    def _result(self, begun: Future[Tried]) -> Tried:
        try:
            return begun.result()
        except KeyboardInterrupt:  # which came to this thread
            self._stop.set()
            tried = begun.result()
        raise Interrupted(tried.fitted) if tried.fitted is not None else KeyboardInterrupt

    @property
    def size(self) -> tuple[int, int]:
        """How many documents and labels there are."""
        return sum(self._every.values()), len(self._every)

    @property
    def truth(self) -> Array:
        """The labels of the validation split, by their numbers among all."""
        found: Array = self._any.documents.y[self._validation]
        return found

    def logits(self, candidate: TextCandidate) -> Array:
        """Those of the validation split, float32 [documents, all labels], by a fit on the train split."""
        counted, bags = self._train(candidate)
        part = "" if self._fold is None else f", fold {self._fold + 1}"
        return self._answers(counted, self._fit(counted, bags, title=f"{candidate.name}{part}"))

    def _answers(self, counted: Selected, fitted: Fitted) -> Array:
        logits = fitted.model.logits(self._labelled(counted, self._validation).bags)
        return among_all(logits, counted.known, len(self._every))

    def answers(self, tried: Tried) -> tuple[Array, Array]:
        counted, bags = self._train(tried.candidate)
        return self._answers(counted, tried.fitted or self._fit(counted, bags)), self.truth

    def measured(self, candidate: TextCandidate, fitted: Fitted) -> Tried:
        return self._measured(self._train(candidate)[0], fitted)

    def _measured(self, counted: Selected, fitted: Fitted) -> Tried:
        bags, y = self._labelled(counted, self._validation)
        return of_logits(counted, fitted, fitted.model.logits(bags), y)

    def count_all(self, candidate: TextCandidate) -> Selected:
        pool = self._pools[candidate.name]
        return self._select(candidate, pool.count(pool.every), "all")

    def fit_all(self, counted: Counted) -> Fitted:
        assert isinstance(counted, Selected)
        candidate, pool = counted.candidate, self._pools[counted.candidate.name]
        key = self._stages.key(candidate, self._settings, pool.outputs, fit="native")
        bags = self._labelled(counted, pool.every)
        file, title = self._stages.checkpoint("all", key), f"{candidate.name} on all"
        return self._fit(counted, bags, checkpoint=file, key=key, title=title)

    def fit_sum(self, parts: Sequence[TextCandidate]) -> tuple[Fitted, Counted]:
        """Counts and fits candidates on all records, and adds them up to one model of the features of all of them."""
        pool = self._pools[parts[0].name]
        counts = pool.count(pool.every)
        every = [self._select(one, counts, "all") for one in parts]
        _, first = np.unique(together := np.concatenate([one.kept for one in every]), return_index=True)
        kept = together[np.sort(first)]
        place = places(kept, len(pool.tokens))
        models, epochs = [], 0
        for counted in every:
            fitted = self.fit_all(counted)
            (model,) = fitted.model.parts
            models.append(model.moved(place[counted.kept], len(kept)))
            epochs = max(epochs, fitted.epoch)
        joined = Selected(summed(parts), counts.select(kept), kept, every[0].known)
        return Fitted(Sum(models), epochs, []), joined

    def unknown(self, tried: Tried) -> float | None:
        counted = tried.counted or self._train(tried.candidate)[0]
        assert isinstance(counted, Selected)
        return self._pools[tried.candidate.name].unknown(self._validation, counted.kept)

    def _train(self, candidate: TextCandidate) -> tuple[Selected, Labelled]:
        """The counts and the bags of the train split; what the candidate before had is taken where it serves."""
        with self._one:
            return self._of_train(candidate)

    def _of_train(self, candidate: TextCandidate) -> tuple[Selected, Labelled]:
        pool = self._pools[candidate.name]
        if self._last is not None and self._last[0].serves(candidate):
            counted, bags = self._last
            return replace(counted, candidate=candidate), bags
        self._last = None  # before there is another one
        if id(pool) not in self._counts:
            self._counts = {id(pool): pool.count(self._train_split)}
        counted = self._select(candidate, self._counts[id(pool)], "train")
        self._last = counted, self._labelled(counted, self._train_split)
        return self._last

    def _select(self, candidate: TextCandidate, counts: FeatureCounts, split: str) -> Selected:
        """The features of a candidate, of the labels that there are."""
        pool = self._pools[candidate.name]
        known = np.flatnonzero(counts.documents)
        if len(known) < len(counts.labels):
            label = places(known, len(counts.labels))[counts.label]
            labels, documents = [counts.labels[i] for i in known], counts.documents[known]
            counts = replace(counts, labels=labels, label=label, documents=documents)
        among = pool.features(candidate)
        enough = np.zeros(len(pool.tokens), bool)
        enough[among] = counts.document_frequency[among] >= max(candidate.minimum_df, 1)
        seen = set(np.unique(counts.label[enough[counts.feature]]).tolist())
        check_labels(counts.labels, seen, f"{self._stages.paths[0]}, {split} split", candidate)
        kept = feature_counts.ranked(counts, among, candidate.minimum_df, candidate.features)
        return Selected(candidate, counts.select(kept), kept, known)

    def _labelled(self, counted: Selected, selected: Array) -> Labelled:
        """Documents as the counted features and labels number them."""
        bags, y = self._pools[counted.candidate.name].select(selected, counted.kept)
        return Labelled(bags, places(counted.known, len(self._every)).astype(np.int32)[y])

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
            stop=self._stop,
            **more,
        )
        try:
            return fit_linear.fit(run)
        except KeyboardInterrupt:
            self._stop.set()
            raise

"""Candidates that TensorFlow fits: each split is counted and encoded by jobs of its own, and read from its shards.

So a split may be larger than memory. `models.training.in_memory` does the same for models that are fitted natively.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from mapreduce.output import manifest, vocabulary
from models.counts import feature_counts, feature_weights
from models.counts.feature_counts import Array
from models.quiet import import_tensorflow
from models.training import coverage
from models.training.candidates import TextCandidate
from models.training.checks import check_labels
from models.training.runs import Fitted, Run
from models.training.settings import Settings
from models.training.stages import Stages
from models.training.tried import Counted, Tried, among_all, of_logits, once


@dataclass(frozen=True)
class OnDisk(Counted):
    """Counts, and where they and the vocabulary of their features are."""

    vocabulary: Path
    fingerprint: str
    features: Path


class OnShards:
    """Tries candidates out on the outputs of jobs.

    Args:
        first: a candidate, whose specification labels are counted with.
        stop: ends a fit as Ctrl-C does once it is set; None where nothing sets it.
    """

    def __init__(self, stages: Stages, first: TextCandidate, settings: Settings, stop: Event | None = None) -> None:
        self._stages, self._first, self._settings, self._stop = stages, first, settings, stop
        self._last: dict[str, OnDisk] = {}

    def documents(self) -> dict[str, int]:
        return feature_counts.label_documents(self._stages.labelcount(self._first.specification, "train"))

    def count(self, candidate: TextCandidate, split: str) -> OnDisk:
        """Counts a candidate's features on a split and writes the vocabulary that they make; what the candidate before
        had is taken where it serves.

        Raises:
            UserError: there is one label only, or a label has no token.
            Unfit: a label has no token that is frequent enough.
        """
        if (last := self._last.get(split)) is not None and last.serves(candidate):
            return replace(last, candidate=candidate)
        stages = self._stages
        labels = stages.labelcount(candidate.specification, split)
        features = stages.featurecount(candidate.specification, split, candidate.minimum_df)
        found = feature_counts.load(features, labels)
        check_labels(found.labels, set(found.label.tolist()), f"{stages.paths[0]}, {split} split", candidate)
        kept = feature_counts.keep(found, candidate.minimum_df, candidate.features)
        name = vocabulary.fingerprint(kept.features)
        # Two specifications may come to the same tokens.
        folder = stages.folder / f"{split}-{candidate.specification.fingerprint}-{name}-vocabulary"
        if not (folder / manifest.SUCCESS).exists():
            tf, df = kept.term_frequency.tolist(), kept.document_frequency.tolist()
            vocabulary.write(folder, kept.features, tf, df, candidate.specification, stages.inputs)
        self._last = {split: OnDisk(candidate, kept, folder, name, features)}
        return self._last[split]

    def encode(self, counted: OnDisk, split: str) -> Path:
        """A split, encoded with what was counted."""
        return self._stages.encode(counted.candidate.specification, split, counted.vocabulary, counted.fingerprint)

    def try_out(self, candidate: TextCandidate) -> Tried:
        counted = self.count(candidate, "train")
        train, validation = (self.encode(counted, split) for split in ("train", "validation"))
        key = self._stages.key(candidate, self._settings, (counted.features, train, validation))

        def work(file: Path) -> Tried:
            measured = validation if self._settings.measures else None
            fitted = self._fit(counted, train, checkpoint=file, key=key, validation=measured)
            return self._measured(counted, fitted)

        return once(self._stages, key, counted, work)

    def tries(self, candidates: Sequence[TextCandidate]) -> nullcontext[list[Callable[[], Tried]]]:
        return nullcontext([partial(self.try_out, candidate) for candidate in candidates])

    def measured(self, candidate: TextCandidate, fitted: Fitted) -> Tried:
        return self._measured(self.count(candidate, "train"), fitted)

    def _measured(self, counted: OnDisk, fitted: Fitted) -> Tried:
        from models.training import build
        from models.training.validation import Measure

        kind, validation = build.input_kind(counted.candidate), self.encode(counted, "validation")
        found = Measure(fitted.model, validation, kind=kind, labels=counted.counts.labels)
        return of_logits(counted, fitted, *found.logits())

    def answers(self, tried: Tried) -> tuple[Array, Array]:
        from models.training import build
        from models.training.validation import Measure

        counted = self.count(tried.candidate, "train")
        fitted = tried.fitted or self._fit(counted, self.encode(counted, "train"))
        kind, validation = build.input_kind(counted.candidate), self.encode(counted, "validation")
        labels = counted.counts.labels
        logits, y = Measure(fitted.model, validation, kind=kind, labels=labels, bucket=False).logits()
        every = sorted(feature_counts.label_documents(self._stages.labelcount(self._first.specification, "all")))
        known = np.array([every.index(label) for label in labels])
        return among_all(logits, known, len(every)), np.where(y < 0, -1, known[y])

    def count_all(self, candidate: TextCandidate) -> OnDisk:
        return self.count(candidate, "all")

    def fit_all(self, counted: Counted) -> Fitted:
        assert isinstance(counted, OnDisk)
        candidate, shards = counted.candidate, self.encode(counted, "all")
        key = self._stages.key(candidate, self._settings, (counted.features, shards))
        file, title = self._stages.checkpoint("all", key), f"{candidate.name} on all"
        return self._fit(counted, shards, checkpoint=file, key=key, title=title)

    def _fit(self, counted: Counted, shards: Path, **more: Any) -> Fitted:
        """Fits the candidate to shards; `more` are further fields of the run."""
        import_tensorflow()
        from models.training import fit

        candidate = counted.candidate
        run = Run(
            candidate=candidate,
            records=shards,
            labels=counted.counts.labels,
            size=len(counted.counts.features),
            scale=feature_weights.scale(counted.counts, candidate.weights, candidate.shares),
            settings=self._settings,
            stop=self._stop,
            **more,
        )
        return fit.fit(run)

    def unknown(self, tried: Tried) -> float | None:
        if tried.counted is None:
            return None
        assert isinstance(tried.counted, OnDisk)
        return coverage.unknown(self.encode(tried.counted, "validation"))

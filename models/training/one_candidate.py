"""The fit of models of images and of tables: one candidate, on the train split, and of its epochs the best one.

The validation split says which one that is; without, it is the last one. What is exported of it is made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models import dataset
from models.training.candidates import Candidate
from models.training.runs import Fitted, Interrupted, Run
from models.training.settings import Settings
from models.training.stages import Stages


def fitted(
    stages: Stages,
    candidate: Candidate,
    settings: Settings,
    labels: Sequence[str],
    size: tuple[int, ...],
    train: Path,
    validation: Path | None,
) -> tuple[Fitted, str, dict[str, Any]]:
    """Fits the candidate to shards; Ctrl-C takes the best epoch so far.

    Returns:
        The fit; why it is not what it would have become, "" where it is; and results for the manifest.
    """
    from models.training import fit

    key = stages.key(candidate, settings, [path for path in (train, validation) if path])
    run = Run(
        candidate=candidate,
        records=train,
        labels=labels,
        size=size,
        settings=settings,
        validation=validation,
        best=validation is not None,
        checkpoint=stages.checkpoint("train", key),
        key=key,
    )
    interrupted = ""
    try:
        found = fit.fit(run)
    except Interrupted as stop:
        found, interrupted = stop.fitted, f"after epoch {len(stop.fitted.history)} of {candidate.epochs}"
    results = {
        "candidate": candidate.to_json(),
        "epoch": found.epoch,
        "parameters": found.model.count_params(),
        "splits": {"train": dataset.count(train), "validation": dataset.count(validation) if validation else 0},
    }
    return found, interrupted, results

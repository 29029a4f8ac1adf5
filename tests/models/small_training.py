"""A training of seconds that tests interrupt, resume, watch and compare; its shards are a fixture of conftest.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models import train
from models.training import fit
from models.training.candidates import Candidate
from models.training.runs import Fitted, Run
from models.training.settings import DEFAULT, Settings
from tests.models.test_train_images import LABELS

NETWORK = {"hidden": 8, "dropout": 0.5}
CANDIDATE = Candidate(name="small", model="mlp", architecture=NETWORK, epochs=4, batch_size=16, shift=1)


def trained(shards: tuple[Path, Path], settings: Settings = DEFAULT, **more: Any) -> Fitted:
    """What becomes of CANDIDATE on the train and validation splits; `more` are fields of the run."""
    given = {"candidate": CANDIDATE, "labels": LABELS, "size": (8, 8, 1), "settings": settings}
    return fit.fit(Run(**given, records=shards[0], validation=shards[1], **more))  # type: ignore[arg-type]


def same(one: Fitted, other: Fitted) -> bool:
    """Whether all weights are equal, bit for bit."""
    return all(map(np.array_equal, one.model.get_weights(), other.model.get_weights()))


def run(folder: Path, model: str, *more: str, records: str = "train.tsv", output: str = "model") -> int:
    """Runs `models.train` on train.tsv and test.tsv in the folder; returns its exit code."""
    files = ["--train", str(folder / records), "--test", str(folder / "test.tsv")]
    return train.main([*files, "--model", model, "--output", str(folder / output), *more])

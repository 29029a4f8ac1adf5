"""From records of images to a model that can be exported: encode and fit, no vocabulary.

One candidate is fitted on the train split; the validation split decides after which epoch it was best, and that is the
model. The jobs run in `models.training.stages`, the fit in `models.training.fit`; `models.train` is the command.
"""

from __future__ import annotations

import functools
import sys

from mapreduce.input.records import SplitRule
from mapreduce.paths import is_remote
from models import dataset, inputs
from models.quiet import import_tensorflow
from models.training import calibration, one_candidate, plots, scores
from models.training.candidates import image_candidate
from models.training.checks import one_label
from models.training.runs import Fitted, Made
from models.training.settings import Settings
from models.training.stages import Stages

PICTURE = "reconstructions.png"


def make(stages: Stages, model: str, settings: Settings) -> Made:
    """Fits the model's candidate and takes its best epoch; Ctrl-C takes the best epoch so far.

    Raises:
        UserError: there is one label only.
    """
    (candidate,) = settings.change([image_candidate(model, settings.candidates)])
    validates = _has_validation(stages)
    train = stages.encode_images("train" if validates else "all")
    validation = stages.encode_images("validation") if validates else None
    labels, shape = dataset.labels(train), dataset.shape(train)
    if len(labels) < 2 and candidate.loss != "pixels":
        raise one_label(labels, stages.paths[0])
    if validation is None:
        print("too few records for a validation split: the last epoch is taken", file=sys.stderr)
    import_tensorflow()
    from models.serving.export import export
    from models.serving.pixel_model import PixelModel
    from models.training import build
    from models.training.validation import Measure

    fitted, interrupted, results = one_candidate.fitted(stages, candidate, settings, labels, shape, train, validation)
    files: dict[str, bytes] = {}
    said = _score(fitted)
    if said is not None:
        what = "reconstruction error" if build.gives_images(candidate) else f"validation {settings.select}"
        results["validation"] = {candidate.name: {what: said}}
        print(f"best epoch: {fitted.epoch} of {candidate.epochs}, {what} {said:.4f}", file=sys.stderr)
    if build.gives_images(candidate):
        files[PICTURE] = plots.reconstructions(fitted.model, validation or train)
        write = functools.partial(export, PixelModel(fitted.model, labels=None))
    else:
        scale = 1.0
        if validation is not None:
            logits, y = Measure(fitted.model, validation, kind="pixels", labels=labels).logits()
            scale = calibration.calibrate(logits, y)
            results["validation"] = {candidate.name: scores.measure(logits, y, scale).to_json()}
        write = functools.partial(export, PixelModel(fitted.model, labels=labels, scale=scale))
    return Made(write, results, {candidate.name: fitted.history}, interrupted, files)


def _score(fitted: Fitted) -> float | None:
    found = fitted.history[fitted.epoch - 1].get("validation")
    return None if found is None else abs(round(found, 4))


def _has_validation(stages: Stages) -> bool:
    """Whether a record is of the validation split; on a cluster, and where files hold it, it is taken for granted."""
    if stages.held_out or any(map(is_remote, stages.paths)):
        return True
    rule = SplitRule("validation", stages.validation, stages.salt.encode())
    found = inputs.read(stages.paths, **stages.fields)
    return any(text in rule for block in found for _, text in block)

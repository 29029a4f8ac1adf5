"""The linear model as TensorFlow has it, made of its arrays: in a process of its own where this one has no TensorFlow.

So a training that is native from raw text to its answers stays as small as it is. `models.serving.export` calls it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.output.vocabulary import FIRST
from mapreduce.tokens.specification import Specification
from models.quiet import import_tensorflow
from models.serving.exports import EXPORTS, arrays
from models.serving.served import Served

if TYPE_CHECKING:
    import keras

    from models.counts.linear import Sum
    from models.serving.text_model import TextModel


def apart(served: Served, kinds: Sequence[str]) -> list[str]:
    """Those kinds of files that `write` writes: of a linear model, while this process has no TensorFlow."""
    if served.arrays is None or arrays.NAME not in kinds or "tensorflow" in sys.modules:
        return []
    return [kind for kind in kinds if kind != arrays.NAME]


def write(folder: Path, scratch: Path, kinds: Sequence[str], about: dict[str, Any]) -> None:
    """Writes files into a model folder that holds arrays already, in another process.

    Args:
        scratch: a folder for what is needed until they are saved.
        about: what the folder's manifest will say.

    Raises:
        UserError: that process has failed; it has said why.
    """
    given = json.dumps({"folder": str(folder), "scratch": str(scratch), "kinds": list(kinds), "about": about})
    program = [sys.executable, "-m", "models.serving.linear_graph"]
    done = subprocess.run(program, input=given.encode("ascii"), env=command.environment(), stdout=subprocess.DEVNULL)
    if done.returncode == UserError.exit_code:
        raise SystemExit(done.returncode)  # it has said why
    if done.returncode:
        raise UserError(
            f"{', '.join(kinds)}: not written, exit code {done.returncode}; "
            "run the command again, or with --no-saved-model"
        )


def filled(given: Sum) -> keras.Model:
    """The same as a keras.Model, from bags to logits, with the weights of the arrays."""
    import keras

    from models.architectures.linear import linear

    parts = []
    for number, part in enumerate(given.parts, 1):
        rows, labels = part.rows.shape
        made = linear(rows - FIRST, labels, term_frequency=part.term_frequency, normalize=part.normalize)
        for name in ("scale", "rows", "bias"):
            getattr(made.get_layer("bag"), name).assign(getattr(part, name))
        if len(given.parts) > 1:
            made.name = f"part_{number}"
        parts.append(made)
    if len(parts) == 1:
        return parts[0]
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("ids", "counts")}
    return keras.Model(inputs, keras.layers.Add(name="sum")([part(inputs) for part in parts]), name="linear")


def text_model(
    given: tuple[Sum, Sequence[bytes]], specification: Specification, labels: Sequence[str], scale: float
) -> TextModel:
    """The model from raw strings on."""
    import_tensorflow()
    from models.serving.text_model import TextModel

    model, tokens = given
    return TextModel(filled(model), kind="bag", specification=specification, tokens=tokens, labels=labels, scale=scale)


def _work() -> None:
    given = json.load(sys.stdin)
    folder, about = Path(given["folder"]), given["about"]
    own = about["model"]
    found = arrays.read(folder, own[arrays.NAME], own["labels"])
    made = text_model(found, Specification.from_json(about["specification"]), own["labels"], own["scale"])
    made.prepare(Path(given["scratch"]))
    for kind in given["kinds"]:
        EXPORTS[kind](made, folder)


if __name__ == "__main__":
    sys.exit(command.run("train", _work, interrupted=""))

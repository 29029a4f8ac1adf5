"""The linear model as TensorFlow has it, made of its arrays: in a process of its own where this one has no TensorFlow.

So a training that is native from raw text to its answers stays as small as it is. `models.serving.export` calls it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.output.vocabulary import FIRST
from mapreduce.tokens.specification import Specification, preset
from models.counts import linear
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


_begun: list[subprocess.Popen[bytes]] = []


def begin() -> None:
    """Starts the process before there is anything to write: TensorFlow takes seconds to load.

    A `write` takes it; it ends with `at_hand`.
    """
    if "tensorflow" not in sys.modules and not _begun:
        _begun.append(_process())


@contextmanager
def at_hand() -> Iterator[None]:
    """What was begun within the block ends with it, where nothing was written."""
    try:
        yield
    finally:
        while _begun:
            with _begun.pop() as process:
                process.kill()


def _process() -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "models.serving.linear_graph"]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=command.environment())


def write(folder: Path, scratch: Path, kinds: Sequence[str], about: dict[str, Any]) -> None:
    """Writes files into a model folder that holds arrays already, in another process.

    Args:
        scratch: a folder for what is needed until they are saved.
        about: what the folder's manifest will say.

    Raises:
        UserError: that process has failed; it has said why.
    """
    given = json.dumps({"folder": str(folder), "scratch": str(scratch), "kinds": list(kinds), "about": about})
    begun = _begun.pop() if _begun else None
    with begun if begun is not None and begun.poll() is None else _process() as process:
        try:
            process.communicate(given.encode("ascii"))
        except BaseException:
            process.kill()
            raise
    if process.returncode == UserError.exit_code:
        raise SystemExit(process.returncode)  # it has said why
    if process.returncode:
        raise UserError(
            f"{', '.join(kinds)}: not written, exit code {process.returncode}; "
            "run the command again, or with --no-saved-model"
        )


def filled(given: Sum) -> keras.Model:
    """The same as a keras.Model, from bags to logits, with the weights of the arrays."""
    import keras

    from models.architectures import linear as architecture

    parts = []
    for number, part in enumerate(given.parts, 1):
        rows, labels = part.rows.shape
        made = architecture.linear(rows - FIRST, labels, term_frequency=part.term_frequency, normalize=part.normalize)
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


def _warm() -> None:
    """Writes a small model to nowhere: what comes after it need not import and build what is built once."""
    with tempfile.TemporaryDirectory() as scratch:
        small = linear.Sum([linear.empty(1, 2, scale=np.ones(1, np.float32))])
        made = text_model((small, [b"a"]), preset("keras"), ["a", "b"], 1.0)
        made.prepare(Path(scratch))
        for kind in EXPORTS:
            if kind != arrays.NAME:
                EXPORTS[kind](made, Path(scratch))


def _work() -> None:
    # Ctrl-C in the time before may leave a model that is to be written.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("matplotlib", "pandas", "sklearn"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Keras would take a second to import them
    _warm()
    words = sys.stdin.buffer.read()
    signal.signal(signal.SIGINT, handler)
    if not words:
        return  # there was none to write
    given = json.loads(words)
    folder, about = Path(given["folder"]), given["about"]
    own = about["model"]
    found = arrays.read(folder, own[arrays.NAME], own["labels"])
    made = text_model(found, Specification.from_json(about["specification"]), own["labels"], own["scale"])
    made.prepare(Path(given["scratch"]))
    for kind in given["kinds"]:
        EXPORTS[kind](made, folder)


if __name__ == "__main__":
    sys.exit(command.run("train", _work, interrupted=""))

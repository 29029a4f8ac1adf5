"""The linear model of a model folder as plain arrays: what answers without TensorFlow.

A folder of rows.npy, bias.npy and scale.npy, float32 in NumPy's own format, by the ids of features; and of
vocabulary.txt, a token a line, the first one that of id 2. `models.serving.loaded_linear` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mapreduce.errors import UserError
from mapreduce.output import vocabulary
from models.serving.served import Served

if TYPE_CHECKING:
    from models.counts.linear import Linear

NAME = "arrays"
TOKENS = "vocabulary.txt"


def write(served: Served, folder: Path) -> None:
    """Writes arrays/, of a linear model of texts.

    Raises:
        UserError: there is no space left, or a token cannot be written.
    """
    if served.arrays is None:
        return
    model, tokens = served.arrays
    import numpy as np

    place = folder / NAME
    place.mkdir()
    try:
        for name in ("rows", "bias", "scale"):
            np.save(place / f"{name}.npy", getattr(model, name))
        vocabulary.write_tokens(place / TOKENS, tokens)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"{place}: not written: {why}; make space, or write to another folder") from None


def read(folder: Path, about: dict[str, object], labels: Sequence[str]) -> tuple[Linear, list[bytes]]:
    """The model in a model folder, and its tokens in the order of their ids.

    Args:
        about: what the manifest says of the arrays.
        labels: of the model.

    Raises:
        UserError: a file is damaged, or the arrays do not go with each other.
    """
    import numpy as np

    from models.counts.linear import Linear

    place = folder / NAME
    try:
        rows, bias, scale = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("rows", "bias", "scale"))
        tokens = (place / TOKENS).read_bytes().split(b"\n")[:-1]
    except (OSError, ValueError, EOFError) as error:
        cause = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{place}: cannot be loaded ({cause}); export the model again") from None
    wanted = (len(tokens) + vocabulary.FIRST, len(labels))
    shapes = (*scale.shape, *bias.shape)
    if {one.dtype for one in (rows, bias, scale)} != {np.dtype(np.float32)} or not wanted == shapes == rows.shape:
        raise UserError(f"{place}: arrays of {rows.shape} and {shapes}, not {wanted}; export the model again")
    return Linear(rows, bias, scale, str(about["term_frequency"]), bool(about["normalize"])), tokens

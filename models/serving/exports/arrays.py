"""The linear model of a model folder as plain arrays: what answers without TensorFlow.

A folder of rows.npy [parts, features + 2, labels], bias.npy [parts, labels] and scale.npy [parts, features + 2],
float32 in NumPy's own format, by the ids of features; and of vocabulary.txt, a token a line, the first one that of id
2. The logits of the parts are added up; as a rule there is one. `models.serving.loaded_linear` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapreduce.errors import UserError
from mapreduce.output import vocabulary
from models.serving.served import Served

if TYPE_CHECKING:
    from models.counts.linear import Sum

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
            parts = [getattr(part, name) for part in model.parts]
            header = {"descr": "<f4", "fortran_order": False, "shape": (len(parts), *parts[0].shape)}
            with open(place / f"{name}.npy", "wb") as file:
                np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
                for part in parts:
                    part.astype("<f4", copy=False).tofile(file)
        vocabulary.write_tokens(place / TOKENS, tokens)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"{place}: not written: {why}; make space, or write to another folder") from None


def read(folder: Path, about: dict[str, Any], labels: Sequence[str]) -> tuple[Sum, list[bytes]]:
    """The model in a model folder, and its tokens in the order of their ids.

    Args:
        about: what the manifest says of the arrays.
        labels: of the model.

    Raises:
        UserError: a file is damaged, or the arrays do not go with each other.
    """
    import numpy as np

    from models.counts.linear import Linear, Sum

    place = folder / NAME
    try:
        rows, bias, scale = (np.load(place / f"{name}.npy", mmap_mode="r") for name in ("rows", "bias", "scale"))
        tokens = (place / TOKENS).read_bytes().split(b"\n")[:-1]
    except (OSError, ValueError, EOFError) as error:
        cause = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UserError(f"{place}: cannot be loaded ({cause}); export the model again") from None
    parts, ids = len(about["parts"]), len(tokens) + vocabulary.FIRST
    shapes = rows.shape, bias.shape, scale.shape
    wanted = (parts, ids, len(labels)), (parts, len(labels)), (parts, ids)
    if {one.dtype for one in (rows, bias, scale)} != {np.dtype(np.float32)} or shapes != wanted:
        raise UserError(f"{place}: arrays of {shapes}, not {wanted}; export the model again")
    found = [
        Linear(rows[i], bias[i], scale[i], str(own["term_frequency"]), bool(own["normalize"]))
        for i, own in enumerate(about["parts"])
    ]
    return Sum(found), tokens

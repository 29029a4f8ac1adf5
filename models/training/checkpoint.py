"""Checkpoints: all that training needs to go on after a whole epoch, in one file that is replaced as a whole.

It holds the model's weights, the optimizer's variables, what each epoch has measured, and the weights of the best one.
What an epoch draws is a function of (seed, epoch) and needs no place here. Arrays only (.npz): nothing is pickled.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mapreduce.errors import UserError
from mapreduce.output import atomic

if TYPE_CHECKING:
    import keras

Arrays = list[np.ndarray[Any, Any]]
# What zipfile, NumPy and json raise on damaged files.
DAMAGE = (
    *(OSError, EOFError, MemoryError, RuntimeError),
    *(AttributeError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error),
)


@dataclass
class State:
    """How far training is.

    Attributes:
        history: what each whole epoch has measured, by name.
        best: weights that are kept: those of the best epoch, or of the last one where none is better.
        best_epoch: which one, from 1; 0 before the first has ended.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: Arrays = field(default_factory=list)
    best_epoch: int = 0


def write(path: Path, model: keras.Model, key: str, state: State) -> None:
    """Writes the state of a compiled model after an epoch; an earlier file is replaced.

    Args:
        key: what is trained on what; `read` gives the state back for the same key alone.

    Raises:
        UserError: it cannot be written; the earlier one is still there.
    """
    write_arrays(path, _variables(model), key, state)


def write_arrays(path: Path, variables: Sequence[Any], key: str, state: State) -> None:
    """The same of arrays, or what NumPy makes some of."""
    arrays: dict[str, Any] = {f"variable {i}": np.asarray(variable) for i, variable in enumerate(variables)}
    if state.best_epoch != len(state.history):
        arrays.update({f"best {i}": array for i, array in enumerate(state.best)})
    about = {"key": key, "history": state.history, "best_epoch": state.best_epoch}
    try:
        with atomic.whole_file(path) as file:
            np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"{path}: the checkpoint is not written: {why}; make space, or give another --output") from None


def read(path: Path, model: keras.Model, key: str) -> State | None:
    """Sets the variables of a compiled model to those of a checkpoint; returns its state.

    None, and nothing is set, where there is no file or it is of another key.

    Raises:
        UserError: the file is damaged.
    """
    variables = _variables(model)
    found = read_arrays(path, variables, len(model.weights), key)
    if found is None:
        return None
    for variable, array in zip(variables, found[0]):
        variable.assign(array)
    return found[1]


def read_arrays(path: Path, variables: Sequence[Any], weights: int, key: str) -> tuple[Arrays, State] | None:
    """The same of arrays like `variables`, whose first ones are the weights."""
    if not path.exists():
        return None
    try:
        with open(path, "rb") as file, np.load(file) as found:
            about = json.loads(found["about"].tobytes())
            if about["key"] != key:
                return None
            arrays = [found[f"variable {i}"] for i in range(len(variables))]
            best = [found[f"best {i}"] for i in range(weights)] if "best 0" in found else None
            state = State(list(about["history"]), best or arrays[:weights], int(about["best_epoch"]))
            if not 0 < state.best_epoch <= len(state.history):
                raise ValueError(f"epoch {state.best_epoch} of {len(state.history)}")
            _check(arrays, variables)
            _check(state.best, variables)
    except DAMAGE as error:
        about = " ".join(str(error).split())[:80] or type(error).__name__
        raise UserError(f"{path}: damaged ({about}); remove it, or leave --resume out") from None
    return arrays, state


def _check(arrays: Arrays, variables: Sequence[Any]) -> None:
    for array, variable in zip(arrays, variables):
        if array.shape != tuple(variable.shape) or not np.can_cast(array.dtype, variable.dtype, "same_kind"):
            raise ValueError(f"{array.dtype} {array.shape} in place of {variable.dtype} {tuple(variable.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError("a weight that is no number")


def weights(model: keras.Model) -> Arrays:
    """A copy of the model's weights."""
    return [np.array(variable) for variable in model.weights]


def restore(model: keras.Model, kept: Arrays) -> None:
    """Sets the model's weights."""
    for variable, array in zip(model.weights, kept):
        variable.assign(array)


def _variables(model: keras.Model) -> list[Any]:
    """Weights, then the optimizer's variables: no metrics and no states of random seeds, which an epoch begins anew."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.weights, *model.optimizer.variables]


def seed_layers(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes what dropout draws in an epoch a function of (seed, epoch), and of the layer's place in the model."""
    held = {id(variable) for variable in model.weights}
    states = [v for v in model.variables if id(v) not in held and v.path.endswith("seed_generator_state")]
    for place, state in enumerate(states):
        state.assign(np.random.SeedSequence([seed, epoch, place]).generate_state(2, np.uint32).astype(state.dtype))

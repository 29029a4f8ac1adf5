"""The README's table of networks is what the code says: every file, its paper, input and number of parameters."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from models import architectures
from models.training import build, candidates

WORDS, LABELS, SHAPE = 10_000, 10, (28, 28, 1)
HEADER = ["| `MODEL=` | after | reads | parameters |", "|---|---|---|---|"]
READS = {"ids": "ids", "bag": "a bag of features", "pixels": "pixels", "table": "the numbers of a row"}
LAYERS = {"linear": ["models.layers.weighted_bag"], "textcnn": ["models.layers.max_convolution"]}
"""The networks that are not of Keras's layers alone, and the modules of theirs."""
FILES = sorted(module.name for module in pkgutil.iter_modules(architectures.__path__))


def paper(module: Any) -> str:
    """The first paper that the module's text names, as `Kim (2014)`."""
    found = re.search(r"([A-Z][\w-]+(?:,? (?:and )?[A-Z][\w-]+)*(?:\s+et\s+al\.)?)\s+\((\d{4})\)", module.__doc__)
    assert found, module.__name__
    names = re.split(r",? and |, ", found[1])
    short = names[0] if len(names) == 1 else f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{' '.join(short.split())} ({found[2]})"


def row(model: str) -> str:
    first: Any = (
        candidates.candidates(model)[0] if model in candidates.TEXT_MODELS else candidates.image_candidate(model)
    )
    module = build.architecture(first)
    size: Any = SHAPE if module.INPUT == "pixels" else WORDS
    parameters = build.build(first, size, LABELS).count_params()
    name = module.__name__.rsplit(".", 1)[1]
    link = f"[{model}](models/architectures/{name}.py)"
    return f"| {link} | {paper(module)} | {READS[module.INPUT]} | {parameters:,} |"


def test_the_table_agrees_with_the_code(root: Path) -> None:
    page = (root / "README.md").read_text()
    table = page.split("<!-- architectures -->\n")[1].split("<!-- /architectures -->")[0]
    assert table.splitlines() == [*HEADER, *map(row, candidates.MODELS)]


@pytest.mark.parametrize("name", FILES)
def test_files_have_one_shape(name: str, root: Path) -> None:
    source = (root / "models" / "architectures" / f"{name}.py").read_text()
    module = importlib.import_module(f"models.architectures.{name}")
    function = getattr(module, name)
    for heading in ("Input shape:", "Output shape:", "Args:", "Example:"):
        assert heading in function.__doc__, heading
    assert " parameters" in function.__doc__.split("\n\n")[0]
    assert module.INPUT in READS
    nodes = list(ast.walk(ast.parse(source)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    foreign = imported - {"__future__", "collections.abc", "math", "numpy", "typing"}
    assert foreign == {"keras", *LAYERS.get(name, ())}


def test_every_network_can_be_trained() -> None:
    known = {
        *(one.model for model in candidates.TEXT_MODELS for one in candidates.candidates(model)),
        *(candidates.image_candidate(model).model for model in candidates.IMAGE_MODELS),
        *(candidates.table_candidate(model).model for model in candidates.TABLE_MODELS),
    }
    assert known == set(FILES)


@pytest.mark.parametrize("model", candidates.MODELS)
def test_mixed_precision_keeps_logits_in_float32(model: str) -> None:
    import keras
    import numpy as np

    first: Any = (
        candidates.candidates(model)[0] if model in candidates.TEXT_MODELS else candidates.image_candidate(model)
    )
    module = build.architecture(first)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build.build(first, SHAPE if module.INPUT == "pixels" else 20, 3)
    finally:
        keras.config.set_dtype_policy(before)
    assert all(weight.dtype in ("float32", "int32") for weight in network.weights)
    ids = np.array([[2, 3, 4, 0]], np.int32)
    x: Any = {"ids": ids, "bag": {"ids": ids, "counts": np.sign(ids)}, "pixels": np.zeros((1, *SHAPE), np.uint8)}
    found = np.array(network(x[module.INPUT]))
    assert found.dtype == np.float32 and np.isfinite(found).all()

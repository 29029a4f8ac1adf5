"""jobs/vocabulary.py with the preset `keras` makes exactly the vocabulary that TextVectorization.adapt makes."""

import subprocess
import sys
from pathlib import Path

import pytest

from mapreduce.output import vocabulary
from tests.conftest import Run


def adapted(texts: list[bytes], top_k: int | None = None) -> list[bytes]:
    """The vocabulary of TextVectorization, without padding and OOV."""
    import keras
    import tensorflow as tf

    layer = keras.layers.TextVectorization(max_tokens=top_k and top_k + 2)
    layer.adapt(tf.data.Dataset.from_tensor_slices(texts).batch(1024))
    return [token.encode() for token in layer.get_vocabulary()[2:]]


def texts(path: Path) -> list[bytes]:
    return [line.split(b"\t", 1)[1] for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_small_text(tmp_path: Path, run_job: Run) -> None:
    lines = ["x\tThe cat, the bat; the RAT!", "y\tcat's é É ab aB b\u00a0c", "x\tzz zz a a"]
    (tmp_path / "x.tsv").write_text("\n".join(lines) + "\n")
    run_job("vocabulary", "--output-dir", tmp_path / "v", tmp_path / "x.tsv")
    assert vocabulary.read(tmp_path / "v").tokens == adapted(texts(tmp_path / "x.tsv"))


@pytest.mark.data
@pytest.mark.parametrize("top_k", [None, 5000])
@pytest.mark.parametrize("name", ["20ng", "r8", "trec", "imdb"])
def test_data_sets(name: str, top_k: int | None, tmp_path: Path, root: Path, run_job: Run) -> None:
    path = root / "data" / "raw" / f"{name}-train.tsv"
    if name in ("20ng", "r8"):
        subprocess.run([sys.executable, "data/fetch.py", name], cwd=root, check=True)
    elif not path.exists():
        pytest.skip(f"{path} is not here; data/README.md says how to make it")
    flags = [] if top_k is None else ["--top-k", top_k]
    run_job("vocabulary", "-r", "local", *flags, "--output-dir", tmp_path / "v", path)
    assert vocabulary.read(tmp_path / "v").tokens == adapted(texts(path), top_k)

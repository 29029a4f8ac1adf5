"""Makes what `tests/test_earlier.py` reads: files as one version wrote them, which later versions have to load.

written.tar.gz: outputs, kept steps, models and a checkpoint of version 0.1.0, from texts made here. For it this ran in
a checkout of commit 3041d1d, the last one with flat folders; the functions for it name its modules.

    git worktree add /tmp/flat 3041d1d && (here=$PWD/tests/earlier; cd /tmp/flat && python "$here/make.py" "$here")

models.tar.gz: models of manifest version 1 as they are written since then.

    python -m tests.earlier.make --models tests/earlier

An archive stays as it is for as long as its version's files are to load; a version that writes others gets a further
one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

HERE = Path.cwd()
TEXTS = ["the cat sat", "a dog ran far", "", "words, that nobody; knows!", "cat cat dog"]
NETWORKS: dict[str, dict[str, Any]] = {
    "textcnn": {"dimensions": 4, "filters": 3, "widths": (2, 3)},
    "lstm": {"dimensions": 4, "units": 4, "bidirectional": True, "pooling": "max"},
    "attention": {"dimensions": 4, "units": 4},
    "transformer": {"dimensions": 4, "heads": 2, "longest": 20},
}


def records() -> bytes:
    """Labelled texts: `label TAB text`, 160 of two labels."""
    draw = random.Random(3)
    words = {"cats": "cat kitten purr mouse sleep".split(), "dogs": "dog puppy bark bone run".split()}
    lines = []
    for number in range(160):
        label = ("cats", "dogs")[number % 2]
        lines.append(f"{label}\t{' '.join(draw.choices(words[label] + ['the', 'a', 'and'], k=6))} {number // 2}\n")
    return "".join(lines).encode()


def images() -> bytes:
    """Labelled images of 8 x 8 pixels: bright above, or bright below."""
    draw = random.Random(4)
    lines = []
    for number in range(80):
        pixels = bytes(draw.randrange(100) + (100 if (place < 32) == (number % 2 == 0) else 0) for place in range(64))
        lines.append(b"%s\t8x8x1:%s\n" % ((b"above", b"below")[number % 2], urlsafe_b64encode(pixels)))
    return b"".join(lines)


def job(name: str, *arguments: str) -> None:
    """Runs a job in the current folder."""
    subprocess.run([sys.executable, str(HERE / "jobs" / f"{name}.py"), "-q", *arguments], check=True)


def outputs() -> None:
    """An output of every kind, and the kept steps of a job."""
    Path("train.tsv").write_bytes(records())
    Path("images.tsv").write_bytes(images())
    job("wordcount", "--sha256", "--output-dir", "wordcount", "train.tsv")
    job("featurecount", "--ngrams", "2", "--output-dir", "featurecount", "train.tsv")
    job("labelcount", "--output-dir", "labelcount", "train.tsv")
    job("vocabulary", "--tokenizer", "words", "--output-dir", "vocabulary", "train.tsv")
    job("vocabulary", "--step-output-dir", os.path.abspath("steps"), "--output-dir", "whole", "train.tsv")
    job("encode", "--vocabulary", "vocabulary", "--output-dir", "encode", "train.tsv")
    job("encode", "--output-dir", "encode-images", "images.tsv")
    job("imagestats", "--output-dir", "imagestats", "images.tsv")
    job("duplicates", "--output-dir", "duplicates", "train.tsv")


def networks() -> dict[str, Any]:
    """Small networks that were exported; what they say of TEXTS."""
    import importlib

    import keras
    from mapreduce.specification import preset

    import models
    from mapreduce import manifest
    from models import export

    keras.utils.set_random_seed(5)
    tokens = [b"cat", b"dog", b"the", b"a", b"ran"]
    said = {}
    for name, arguments in NETWORKS.items():
        built = getattr(importlib.import_module(f"models.architectures.{name}"), name)(5, 2, **arguments)
        about = manifest.build("model", results={"candidate": {"model": name}})
        export.export(
            built, kind="ids", specification=preset("keras"), tokens=tokens, labels=["cats", "dogs"],
            scale=3.0, directory=name, manifest=about,
        )  # fmt: skip
        said[name] = models.load(name)(TEXTS).tolist()
    return said


def trained() -> dict[str, Any]:
    """Models as `models.train` makes them, and what they say; and a training that was cut off after two epochs."""
    from models.settings import Settings

    import models
    from models import train

    said = {}
    for name, file in (("linear", "train.tsv"), ("autoencoder", "images.tsv")):
        train.train([file], name, model=name)
    said["linear"] = models.load("linear")(TEXTS).tolist()
    pixels = [line.split(b"\t")[1] for line in Path("images.tsv").read_bytes().splitlines()[:3]]
    said["autoencoder"] = models.load("autoencoder")(pixels).tolist()
    subprocess.run([sys.executable, __file__, "--cut-off"], env={**os.environ, "PYTHONPATH": str(HERE)})
    train.train(["train.tsv"], "uninterrupted", model="linear", settings=Settings(seed=1))
    weights = {v.path: v.numpy().tolist() for v in models.load_keras("uninterrupted").weights}
    said["uninterrupted"] = {path.rpartition("/")[2]: value for path, value in weights.items()}
    return said


def cut_off() -> None:
    """Trains, and ends after two epochs as a machine that goes down does."""
    from models.settings import Settings

    from models import epochs, train

    ends = epochs.Epochs.on_epoch_end

    def stop(self: Any, epoch: int, logs: Any = None) -> None:
        ends(self, epoch, logs)
        if epoch == 1:
            os._exit(9)

    epochs.Epochs.on_epoch_end = stop
    train.train(["train.tsv"], "interrupted", model="linear", settings=Settings(seed=1))


def models_of_today() -> None:
    """Models of each kind of input, bags, ids and pixels, as they are written now, and what they say."""
    import keras
    import numpy as np

    import models
    from mapreduce.output import manifest
    from mapreduce.tokens.specification import preset
    from models import train
    from models.architectures.mlp import mlp
    from models.architectures.textcnn import textcnn
    from models.serving.export import export
    from models.serving.pixel_model import PixelModel
    from models.serving.text_model import TextModel

    Path("train.tsv").write_bytes(records())
    train.train(["train.tsv"], "linear")
    keras.utils.set_random_seed(5)
    labels, specification = ["cats", "dogs"], preset("keras")
    tokens = [b"cat", b"dog", b"the", b"a", b"ran"]
    network = textcnn(5, 2, **NETWORKS["textcnn"])
    words = TextModel(network, kind="ids", specification=specification, tokens=tokens, labels=labels, scale=3.0)
    for name, served in (("textcnn", words), ("mlp", PixelModel(mlp((4, 4, 1), 2, hidden=3), labels=labels))):
        about = manifest.build("model", results={"candidate": {"model": name}})
        export(served, directory=name, manifest=about)
    pixels = (np.arange(48) * 5).astype(np.uint8).reshape(3, 4, 4, 1)
    said = {name: models.load(name)(TEXTS).tolist() for name in ("linear", "textcnn")}
    said.update(texts=TEXTS, pixels=pixels.tolist(), mlp=models.load("mlp")(pixels).tolist())
    Path("said.json").write_text(json.dumps(said))


def main() -> None:
    """Writes the archive into the folder that the last argument names."""
    if sys.argv[1] == "--cut-off":
        cut_off()
    if sys.argv[1] == "--models":
        target = Path(sys.argv[2]).resolve() / "models.tar.gz"
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            models_of_today()
            with tarfile.open(target, "w:gz") as archive:
                for name in ("linear", "mlp", "said.json", "textcnn"):
                    archive.add(name)
            os.chdir(HERE)
        return
    sys.path.insert(0, str(HERE))
    target = Path(sys.argv[1]).resolve() / "written.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        outputs()
        said = {**trained(), **networks()}
        Path("said.json").write_text(json.dumps({"texts": TEXTS, **said}))
        for gone in ("linear.work", "autoencoder.work", "uninterrupted.work", "uninterrupted"):
            subprocess.run(["rm", "-r", gone], check=True)
        with tarfile.open(target, "w:gz") as archive:
            for name in sorted(os.listdir()):
                archive.add(name)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()

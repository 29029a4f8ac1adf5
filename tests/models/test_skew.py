"""No skew between training and service: what a job encoded and the bridge read is what the model makes of a string."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mapreduce.input.records import record_hash
from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import PRESETS
from models import dataset
from models.architectures.linear import linear
from models.architectures.textcnn import textcnn
from models.layers.encoder import encode, lookup_table
from tests.conftest import Run
from tests.models.conftest import export_texts

TEXTS = [
    *("It's the cat, the dog!", "A\u00a0cat\u2028sat\u0085down", "e\u0301 é ﬁ ＡＢ ½ ①", "中文,字 中", "NUL\0in it"),
    *(
        "\ufeffmark",
        "soft\u00adhyphen \u200bzero",
        "🙂 ☕\ufe0f",
        "a\x0bb\x0cc\x1cd",
        "x" * 300,
        "!!! ???",
        "the the the",
    ),
]
BAD = [b"bad \xff\xfe bytes", b"cut \xe4\xb8", b"\xed\xa0\x80 surrogate", b"cr\rinside"]
BYTES = [text.encode() for text in TEXTS] + [
    b"bad \xff\xfe bytes",
    b"cut \xe4\xb8",
    b"\xed\xa0\x80 surrogate",
    b"cr\rinside",
]


QUICK = (("keras", "ids"), ("keras", "bag"), ("unicode", "bag"), ("sentences", "bag"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=[pytest.mark.slow] * ((name, kind) not in QUICK))
        for name in PRESETS
        for kind in ("ids", "bag")
    ],
)
def test_job_bridge_and_exported_model_agree(name: str, kind: str, tmp_path: Path, run_job: Run) -> None:
    records = tmp_path / "records.tsv"
    records.write_bytes(b"".join(b"%s\t%s\n" % ((b"a", b"b")[i % 2], text) for i, text in enumerate(BYTES)))
    flags = ["--tokenizer", name]
    if kind == "bag":
        flags += ["--ngrams", "2", "--head", "2", "--skips", "--head-pairs", "2", "--prefixes", "3"]
        flags += ["--characters-across", "3"]
    run_job("vocabulary", *flags, "--top-k", 30, "--output-dir", tmp_path / "v", records)
    run_job("encode", "--vocabulary", tmp_path / "v", "--output-dir", tmp_path / "e", records)
    found = vocabulary.read(tmp_path / "v")
    assert found.specification is not None

    texts = sorted(BYTES, key=record_hash)  # the order of the shard
    batch, _ = next(iter(dataset.read(tmp_path / "e", kind=kind, batch_size=len(texts), labels=["a", "b"])))
    vocabulary.write_tokens(tmp_path / "tokens", found.tokens)
    made = encode(found.specification, lookup_table(str(tmp_path / "tokens")), tf.constant(texts), kind)
    tf.nest.map_structure(np.testing.assert_array_equal, batch, made)

    model = (textcnn if kind == "ids" else linear)(len(found.tokens), 2)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    np.testing.assert_array_equal(model(batch, training=False), model(made, training=False))
    settings = {"kind": kind, "specification": found.specification, "labels": ["a", "b"]}
    export_texts(model, tokens=found.tokens, directory=tmp_path / "m", manifest=manifest.build("model"), **settings)
    saved = tf.saved_model.load(str(tmp_path / "m" / "saved_model"))
    tf.nest.map_structure(np.testing.assert_array_equal, saved.encode(tf.constant(texts)), batch)

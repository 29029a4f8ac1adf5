"""What is exported takes strings, anywhere, and gives back the tokens and labels that went in."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from mapreduce.errors import UserError
from mapreduce.features.encoding import Encoder
from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import PRESETS, preset
from mapreduce.tokens.tokenizer import Tokenizer
from models.architectures.linear import linear
from models.layers.encoder import encode, lookup_table
from models.serving.loaded_texts import BATCH_BYTES, BATCH_NUMBERS, LoadedModel
from tests.conftest import ROOT
from tests.models.conftest import LABELS, SPECIFICATION, WORDS, core, export_texts, exported, memory_for

HOSTILE = [
    *(
        "a\x85b",
        "\u2028",
        "\u2029x",
        "\xa0",
        "\u3000",
        '"',
        "'",
        '"quoted"',
        "a,b",
        "#x",
        "\\n",
        "\\",
        "é",
        "中文",
        "😀",
    ),
    *("\0", "a\0b", "\x1c", "\x1d\x1e\x1f", "\ufeff", "[UNK]", "", "a b", " ~ab", " ^a"),
]
TOKENS = [text.encode() for text in HOSTILE if text] + [b"\xff", b"\xc3", b"\x80\xfe", b"\xed\xa0\x80"]
TEXTS = ["Rise!", "fall fall", "to the West", "", "east rise", "unknown", "RISE fall west east"]
WITHOUT = "import sys; sys.modules['models'] = sys.modules['mapreduce'] = None\n"


def run(program: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == code, done.stderr
    return done


def softmax(logits: list[float]) -> list[float]:
    powers = np.exp(2.0 * np.array(logits))
    return list(powers / powers.sum())


def test_loaded_model_takes_plain_strings(model_directory: Path) -> None:
    model = models.load(model_directory)
    assert model.labels == LABELS
    found = model(TEXTS)
    assert found.shape == (7, 3) and found.dtype == np.float32
    # Weights of rise, fall, west and "east rise": 1, 9/8, 10/8, and 11/8 for the first label again.
    logits = [[1, 0, 0], [0, 2.25, 0], [0, 0, 1.25], [0, 0, 0], [2.375, 0, 0], [0, 0, 0], [1, 1.125, 1.25]]
    np.testing.assert_allclose(found, [softmax(row) for row in logits], rtol=1e-6)
    assert model.predict(["rise", b"fall\xff fall"]) == ["up", "döwn"]
    assert model([]).shape == (0, 3)
    with pytest.raises(UserError, match="one text is a list of one"):
        model("rise")


def test_answers_do_not_depend_on_batch_mates(model_directory: Path) -> None:
    model = models.load(model_directory)
    texts = [f"rise {'x ' * n}fall" for n in (0, 3000, 1, 700_000)] + ["west"] * 600
    np.testing.assert_allclose(
        model(texts), np.concatenate([model([text]) for text in texts[:5]] + [model(texts[5:])]), atol=1e-5
    )


@pytest.mark.parametrize(
    "texts",
    [
        np.array(["rise", "fall"]),
        np.array([b"rise", b"fall"]),
        np.array(["rise", b"fall"], object),
        tf.constant(["rise", "fall"]),
        [tf.constant("rise"), np.str_("fall")],
        ("rise", b"fall"),
        (word for word in ("rise", "fall")),
    ],
    ids=range(7),
)
def test_texts_in_arrays_and_tensors(one_model: Path, texts: Any) -> None:
    assert models.load(one_model).predict(texts) == ["up", "döwn"]


def test_what_is_no_list_of_texts_is_one_line(one_model: Path) -> None:
    model = models.load(one_model)
    for given, match in (
        (["ok", None], r"texts\[1\]: a text is str or bytes\. Received: NoneType None"),
        (["ok", "ok", 1.5], r"texts\[2\]: .* Received: float 1\.5"),
        ([["ok"]], r"texts\[0\]: .* Received: list \['ok'\]"),
        (b"rise", "one text is a list of one"),
        (tf.constant("rise"), "one text is a list of one"),
        (tf.constant([["a"]]), r"Received: ndarray of shape \(1, 1\)"),
        (np.zeros(2), r"texts\[0\]: .* Received: float64"),
        ({"a": "rise"}, "Received: dict"),
        (None, "Received: NoneType"),
        (7, "Received: int"),
        (["a", b"x" * (model.longest + 1)], rf"texts\[1\]: longer than {model.longest} bytes"),
    ):
        for ask in (model, model.predict):
            with pytest.raises(UserError, match=match) as error:
                ask(given)
            assert "\n" not in str(error.value)


@pytest.mark.parametrize("labels", [3, 1000])
def test_batches_are_bounded_by_bytes_and_labels(labels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"tokens": WORDS, "labels": [str(n) for n in range(labels)], "manifest": manifest.build("model")}
    core_model = core("bag", len(WORDS), labels)
    export_texts(core_model, kind="bag", specification=SPECIFICATION, directory=tmp_path / "m", **settings)
    model, asked = models.load(tmp_path / "m"), []
    ask = model._classify

    def watched(texts: list[bytes]) -> Any:
        asked.append(texts)
        return ask(texts)

    monkeypatch.setattr(model, "_classify", watched)
    texts = [b"fall" + b" x" * (7 * n) for n in range(500)]
    assert set(model.predict(texts)) == {"1"}
    assert sorted(text for batch in asked for text in batch) == sorted(texts)
    for batch in asked:
        size = len(batch) * max(map(len, batch))
        assert len(batch) == 1 or (size <= BATCH_BYTES and size * labels <= BATCH_NUMBERS)
    assert max(map(len, asked)) > 10


@keras.saving.register_keras_serializable(package="tests")
class FewWords(keras.layers.Layer):
    """Fails on a batch with a text of five ids or more; of ten, for want of memory."""

    def call(self, ids: Any) -> Any:
        longest = tf.shape(ids)[1]
        huge = tf.cond(longest > 9, lambda: tf.reduce_sum(tf.zeros(tf.stack([longest, 1 << 22, 1 << 20]))), lambda: 0.0)
        few = tf.logical_or(longest < 5, longest > 9)
        with tf.control_dependencies([huge, tf.debugging.Assert(few, ["too many words"])]):
            return tf.identity(ids)


def few_words(folder: Path) -> LoadedModel:
    """A model that fails on some texts."""
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, core("ids", len(WORDS), len(LABELS))(FewWords()(ids)))
    settings = {"specification": SPECIFICATION, "tokens": WORDS, "labels": LABELS, "kind": "ids"}
    export_texts(model, directory=folder, manifest=manifest.build("model"), **settings)
    return models.load(folder)


def test_a_text_that_fails_costs_no_other_one_its_answer(tmp_path: Path) -> None:
    loaded = few_words(tmp_path / "m")
    loaded.longest = 1000
    texts = ["rise", "fall"] * 30
    texts[7] = texts[50] = "one two three four"  # bigrams have ids, too
    texts[51] = "x" * 1001
    found, causes = loaded.answer(texts)
    why = "the model fails: assertion failed: [too many words]"
    assert causes == {7: why, 50: why, 51: "longer than 1000 bytes"}
    assert np.isnan(found[list(causes)]).all()
    alone = loaded(["rise", "fall"])
    for place in set(range(60)) - set(causes):
        np.testing.assert_allclose(found[place], alone[place % 2], atol=1e-6)
    with pytest.raises(UserError, match=r"texts\[7\]: the model fails"):
        loaded(texts)


def test_an_answer_that_is_no_number_is_none(tmp_path: Path) -> None:
    model = core("ids", len(WORDS), len(LABELS))
    (weights,) = model.get_layer("embedding").get_weights()
    weights[2 + WORDS.index(b"west")] = np.nan
    model.get_layer("embedding").set_weights([weights])
    settings = {"specification": SPECIFICATION, "tokens": WORDS, "labels": LABELS, "kind": "ids"}
    export_texts(model, directory=tmp_path / "m", manifest=manifest.build("model"), **settings)
    found, causes = models.load(tmp_path / "m").answer(["rise", "to the west", "fall"])
    assert causes == {1: "the model gives no number"} and found[[0, 2]].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_a_text_that_memory_is_too_small_for_costs_no_other_one_its_answer(tmp_path: Path) -> None:
    loaded = few_words(tmp_path / "m")
    found, causes = loaded.answer(["x " * 10, "fall"])
    assert causes == {0: "too little memory"}
    np.testing.assert_allclose(found[1], loaded(["fall"])[0], atol=1e-6)


def test_hostile_texts_and_their_neighbours_have_the_answers_that_they_have_alone(tmp_path: Path) -> None:
    settings = {"tokens": WORDS, "labels": LABELS, "kind": "bag", "manifest": manifest.build("model")}
    settings["specification"] = preset("words", ngrams=3, character_ngrams=(3, 4, 5))
    export_texts(core("bag", len(WORDS), len(LABELS)), directory=tmp_path / "m", **settings)
    loaded = models.load(tmp_path / "m")
    hostile = [b"A" * 50_000 + b" fall" * 10_000, b"a" * 300_000, b"b " * 100_000, "中文".encode() * 50_000]
    texts = [b"rise", *hostile, b"west", b"", b"fall"]
    with memory_for(1 << 30):
        found = loaded(texts)
    for row, text in zip(found, texts, strict=True):
        np.testing.assert_allclose(row, loaded([text])[0], atol=1e-6)
    assert [loaded.labels[i] for i in found[[0, 1, 5, 7]].argmax(axis=1)] == ["up", "döwn", "left right", "döwn"]


def test_a_keras_file_names_no_file_of_those_who_load_it(one_model: Path, tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.txt", tmp_path / "m"
    secret.write_bytes(b"a secret\n")
    folder.mkdir()
    with zipfile.ZipFile(one_model / "model.keras") as whole, zipfile.ZipFile(folder / "model.keras", "w") as made:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "config.json":
                assert data.count(b'"vocabulary": null') == 1
                data = data.replace(b'"vocabulary": null', b'"vocabulary": "%b"' % bytes(secret))
            made.writestr(name, data)
    manifest.write(folder, manifest.build("model"))
    with pytest.raises(UserError, match=r"cannot be loaded \(TextEncoder: vocabulary is a number of buckets") as error:
        models.load_keras(folder)
    assert "\n" not in str(error.value)


def test_saved_model_needs_no_code_of_ours(one_model: Path) -> None:
    program = WITHOUT + (
        "import json, tensorflow as tf\n"
        f"model = tf.saved_model.load({str(one_model / 'saved_model')!r})\n"
        f"out = model.signatures['serving_default'](texts=tf.constant({TEXTS!r}))\n"
        "print(json.dumps([out['probabilities'].numpy().tolist(), [l.decode() for l in out['labels'].numpy()]]))"
    )
    probabilities, labels = json.loads(run(program, one_model.parent).stdout)
    assert labels == LABELS
    np.testing.assert_array_equal(np.array(probabilities, np.float32), models.load(one_model)(TEXTS))


def test_saved_model_moves(one_model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    one_model.rename(tmp_path / "elsewhere" / "m")
    try:
        assert models.load(tmp_path / "elsewhere" / "m").predict(["rise"]) == ["up"]
    finally:
        (tmp_path / "elsewhere" / "m").rename(one_model)


def test_keras_file_gives_the_same(model_directory: Path) -> None:
    model = keras.models.load_model(model_directory / "model.keras")
    found = model(tf.constant(TEXTS)).numpy()
    np.testing.assert_allclose(found, models.load(model_directory)(TEXTS), atol=1e-6)


def test_keras_file_without_the_project_names_the_remedy(one_model: Path) -> None:
    program = WITHOUT + f"import keras; keras.models.load_model({str(one_model / 'model.keras')!r})"
    lines = run(program, one_model.parent, code=1).stderr.splitlines()
    assert any(
        "install featuremill and call models.load_keras(MODEL_DIR), or load saved_model" in line for line in lines
    )


@pytest.mark.slow
def test_keras_file_of_an_architecture_in_a_fresh_process(tmp_path: Path) -> None:
    folder, made = tmp_path / "m", linear(len(WORDS), 2)
    settings = {"specification": SPECIFICATION, "tokens": WORDS, "labels": ["a", "b"]}
    export_texts(made, kind="bag", directory=folder, manifest=manifest.build("model"), **settings)
    program = (
        f"import models; model = models.load_keras({str(folder)!r}); import tensorflow as tf\n"
        "print(model(tf.constant(['rise'])).numpy().tolist())"
    )
    assert run(program, ROOT).stdout == "[[0.5, 0.5]]\n"
    with pytest.raises(UserError, match="no such model output"):
        models.load_keras(tmp_path / "none")


def test_manifest_says_what_it_is(model_directory: Path) -> None:
    found = manifest.read(model_directory, "model")
    assert found["model"]["labels"] == LABELS and found["model"]["input"] == model_directory.name
    assert found["vocabulary_fingerprint"] == vocabulary.fingerprint(WORDS)
    assert found["results"] == {"accuracy": 0.5}
    assert sorted(p.name for p in model_directory.iterdir()) == [
        "_SUCCESS",
        "_manifest.json",
        "model.keras",
        "saved_model",
    ]
    assert [p for p in model_directory.parent.iterdir() if "temporary" in p.name or "_old" in p.name] == []


@pytest.mark.parametrize("name", PRESETS)
def test_ids_in_the_graph_are_those_of_encode(name: str, tmp_path: Path) -> None:
    rare: dict[str, Any] = {"skips": True, "head_pairs": 2, "prefixes": 3, "characters_across": (3,)}
    specification = preset(name, ngrams=2, character_ngrams=(2,), head=1, **rare)
    texts = [b"The cat\x85sat. \xff\x00 don't", b"", "café \u2028 中文!".encode(), b"new words", *TOKENS]
    features = Tokenizer(specification).features
    tokens = sorted({feature for text in texts[:3] + TOKENS for feature in features(text)})
    vocabulary.write_tokens(tmp_path / "tokens", tokens)
    found = encode(specification, lookup_table(str(tmp_path / "tokens")), tf.constant(texts), "ids")
    encoder = Encoder(Tokenizer(specification), tokens)
    for row, text in zip(found.numpy().tolist(), texts, strict=True):
        assert [i for i in row if i] == encoder.ids(text), text


def test_hostile_tokens_come_back_after_a_reload(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    settings = {"specification": preset("whitespace"), "labels": ["\u2028", '"'], "manifest": manifest.build("model")}
    export_texts(core("ids", len(TOKENS), 2), kind="ids", tokens=TOKENS, directory=folder, **settings)
    assert (folder / "saved_model" / "assets" / "vocabulary.txt").read_bytes().split(b"\n")[:-1] == TOKENS
    saved = tf.saved_model.load(str(folder / "saved_model"))
    assert saved.tokens().numpy().tolist() == TOKENS
    assert saved.classify(tf.constant(["x"]))["labels"].numpy().tolist() == ["\u2028".encode(), b'"']
    assert models.load(folder).labels == ["\u2028", '"']
    again = keras.models.load_model(folder / "model.keras").get_layer("text_encoder")
    again.save_assets(str(tmp_path / "assets"))
    assert (tmp_path / "assets" / "vocabulary.txt").read_bytes().split(b"\n")[:-1] == TOKENS


def test_what_cannot_be_exported_leaves_nothing(tmp_path: Path) -> None:
    def refused(match: str, tokens: list[bytes], labels: list[str]) -> None:
        with pytest.raises(UserError, match=match):
            export_texts(
                core("ids", len(tokens), 2),
                kind="ids",
                specification=preset("keras"),
                tokens=tokens,
                labels=labels,
                directory=tmp_path / "m",
                manifest=manifest.build("model"),
            )
        assert list(tmp_path.iterdir()) == []

    refused("holds a line end", [b"a", b"b\n"], ["x", "y"])
    refused("holds a line end", [b"a", b"b\r"], ["x", "y"])
    refused("stands twice", [b"a", b"a"], ["x", "y"])
    refused("2 outputs for 3 labels", [b"a"], ["x", "y", "z"])


def test_what_cannot_be_loaded_is_refused_before_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys, models; from mapreduce.errors import UserError\n"
        "try: models.load(sys.argv[1])\n"
        "except UserError as error: print('tensorflow' in sys.modules, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m")], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"False {tmp_path / 'm'}: no such model output")


def test_a_damaged_saved_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "notes").write_bytes(b"not a model")
    manifest.write(tmp_path, {**manifest.build("model"), "model": {"labels": ["a"]}})
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(UserError, match="no SavedModel"):  # one that the manifest does not name is none
        models.load(tmp_path)
    manifest.write(tmp_path, {**manifest.build("model"), "model": {"labels": ["a"]}})
    with pytest.raises(UserError, match="cannot be loaded") as error:
        models.load(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["ids", "bag"])
def test_hashing_needs_no_vocabulary(kind: str, tmp_path: Path) -> None:
    specification = preset("words", ngrams=2)
    model = core(kind, 50, len(LABELS))
    settings = {"kind": kind, "specification": specification, "labels": LABELS, "manifest": manifest.build("model")}
    export_texts(model, tokens=50, directory=tmp_path / "m", **settings)
    saved = tf.saved_model.load(str(tmp_path / "m" / "saved_model"))
    found = saved.encode(tf.constant([t.encode() for t in TEXTS]))
    ids = (found["ids"] if kind == "bag" else found).numpy().tolist()
    encoder = Encoder(Tokenizer(specification), 50)
    for row, text in zip(ids, TEXTS, strict=True):
        expected = encoder.ids(text.encode())
        assert [i for i in row if i] == (list(dict.fromkeys(expected)) if kind == "bag" else expected)
    again = keras.models.load_model(tmp_path / "m" / "model.keras")
    np.testing.assert_array_equal(again(tf.constant(TEXTS)), models.load(tmp_path / "m")(TEXTS))


def test_a_full_disk_is_one_line_and_leaves_the_earlier_model(tmp_path: Path) -> None:
    folder = exported("bag", tmp_path / "model")
    before = (folder / "_SUCCESS").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, limits[1]))  # as where space ends: the write fails
    try:
        with pytest.raises(UserError, match="saved_model: not written: File too large; make space") as error:
            exported("bag", folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["model"] and (folder / "_SUCCESS").read_bytes() == before

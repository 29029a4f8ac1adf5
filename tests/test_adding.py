"""Adding touches one file and one registration: each registry of the README's list is tried with a toy."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import models
from mapreduce.output import manifest
from mapreduce.tokens import flags
from mapreduce.tokens.specification import PRESETS, Specification, character_table
from models.counts import feature_weights
from models.counts.feature_counts import Array, FeatureCounts
from models.serving.exports import EXPORTS
from models.serving.served import Served
from models.training import build, candidates
from tests.conftest import ROOT
from tests.models.conftest import exported


def run(program: str, folder: Path, *arguments: str, stdin: str = "") -> str:
    """What a program prints that adds something and then runs a job; its error fails the test."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(path), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_input_format(tmp_path: Path) -> None:
    (tmp_path / "a.pipes").write_text("good film | pos\nbad | neg\nnothing\n")
    (tmp_path / "a.ini").write_text("[one]\ntext = good film\nlabel = pos\n[two]\ntext = bad\nlabel = neg\n[three]\n")
    program = """
        from tests.toys import Pipes, Sections
        from mapreduce.input import formats

        formats.register(Pipes, Sections)
        from jobs.labelcount import LabelCount

        LabelCount.run()
    """
    for name in ("a.pipes", "a.ini"):
        for runner in ("inline", "local"):
            flags = ["-r", runner, "--max-rejected", "1", "--output-dir", f"{name}-{runner}"]
            run(program, tmp_path, *flags, name)
            output = tmp_path / f"{name}-{runner}"
            assert (output / "part-00000").read_bytes() == b"neg\t1\t1\t1:1\npos\t1\t2\t2:1\n"
            assert sum(manifest.read(output)["records"]["rejected"].values()) == 1


def test_a_compression(tmp_path: Path) -> None:
    program = """
        import codecs
        import io
        from mapreduce.input.files import OPENERS

        OPENERS[".rot13"] = lambda path, mode: io.BytesIO(codecs.encode(open(path).read(), "rot13").encode())
        from jobs.labelcount import LabelCount

        LabelCount.run()
    """
    (tmp_path / "a.tsv.rot13").write_text("cbf\tn svyz\n")
    assert run(program, tmp_path, "-r", "local", "a.tsv.rot13") == "pos\t1\t2\t2:1\n"


def test_a_command(tmp_path: Path) -> None:
    (tmp_path / "greet.py").write_text("'Greets: the whole world.'\nimport sys\nprint('hello', *sys.argv[1:])\n")
    (tmp_path / "__init__.py").touch()
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path.parent)!r})
        from mapreduce import featuremill

        featuremill.COMMANDS["talk"] = {{"greet": "{tmp_path.name}.greet"}}
        sys.exit(featuremill.main())
    """
    assert run(program, tmp_path, "greet", "you") == "hello you\n"
    assert "  greet         Greets\n" in run(program, tmp_path, "--help")


def test_a_runner(tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(
        textwrap.dedent(
            """
            from mapreduce.local.runner import InlineRunner


            class ShoutingRunner(InlineRunner):
                alias = "shouting"

                def cat_output(self):
                    for block in super().cat_output():
                        yield block.upper()
            """
        )
    )
    program = """
        from mapreduce.runners import RUNNERS, Runner

        RUNNERS["shouting"] = Runner("shouting:ShoutingRunner")
        from jobs.wordcount import WordCount

        WordCount.run()
    """
    assert run(program, tmp_path, "-r", "shouting", stdin="b a b\n") == "A\t1\nB\t2\n"


def test_a_tokenizer_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = """
        from dataclasses import replace
        from mapreduce.tokens import flags

        def marked(found, value):
            table = {**dict(found.table), **{ord(digit): value for digit in "0123456789"}}
            return replace(found, table=tuple(sorted(table.items())))

        flags.FLAGS += (flags.Flag("digits", "what becomes of digits", str, apply=marked),)
        from jobs.wordcount import WordCount

        WordCount.run()
    """
    for runner in ("inline", "local"):
        out = run(program, tmp_path, "-r", runner, "--digits", "#", stdin="in 1984, or 2001\n")
        assert out == "####\t2\nin\t1\nor\t1\n"
    run(program, tmp_path, "--digits", "#", "--output-dir", "out", stdin="1\n")
    described = manifest.read(tmp_path / "out", "wordcount")
    assert described["arguments"]["digits"] == "#"
    assert manifest.specification(described).table != Specification(table=character_table()).table


def test_an_architecture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "counter.py"
    file.write_text(
        textwrap.dedent(
            '''
            """Counts words; by nobody (1900)."""

            import keras
            from keras import ops

            INPUT = "ids"


            def counter(features, labels):
                ids = keras.Input((None,), dtype="int32")
                length = ops.sum(ops.cast(ids != 0, "float32"), axis=1, keepdims=True)
                return keras.Model(ids, keras.layers.Dense(labels, name="logits")(length), name="counter")
            '''
        )
    )
    import models.architectures

    monkeypatch.setattr(models.architectures, "__path__", [*models.architectures.__path__, str(tmp_path)])
    monkeypatch.setitem(candidates._TEXTS, "counter", lambda: [candidates._words("counter")])
    (candidate,) = candidates.candidates("counter")
    built = build.build(candidate, 20, 3)
    assert build.input_kind(candidate) == "ids" and built(np.array([[2, 3, 0]])).shape == (1, 3)


def test_a_feature_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    def rarity(counts: FeatureCounts) -> Array:
        return 1 / counts.document_frequency

    monkeypatch.setitem(feature_weights.WEIGHTS, "rarity", rarity)
    n = np.arange(2)
    counts = FeatureCounts([b"a", b"b c"], ["x", "y"], n, n, n + 1, n + 1, np.array([3, 3]))
    scale = feature_weights.scale(counts, "rarity", (1.0, 0.5, 1.0, 1.0))
    assert scale is not None and scale.tolist() == [1.0, 0.25]


def test_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(served: Served, folder: Path) -> None:
        (folder / "labels.txt").write_text("\n".join(served.labels or ()))

    monkeypatch.setitem(EXPORTS, "labels", write)
    folder = exported("bag", tmp_path / "model")
    assert (folder / "labels.txt").read_text().split("\n") == models.load(folder).labels
    assert "labels.txt" in [part["name"] for part in manifest.read(folder, "model")["parts"]]


def test_a_kind_of_output_is_a_job_of_its_own(tmp_path: Path) -> None:
    program = '''
        """Counts letters."""
        from mapreduce.job import Job


        class LetterCount(Job):
            KIND = "lettercount"

            def mapper(self, _, line):
                for letter in line:
                    yield letter, 1

            def reducer(self, letter, counts):
                yield letter, sum(counts)


        if __name__ == "__main__":
            LetterCount.run()
    '''
    run(program, tmp_path, "--output-dir", "letters", stdin="aba\n")
    found = manifest.read(tmp_path / "letters", "lettercount")
    assert found["kind"] == "lettercount" and len(found["parts"]) == 1


def test_the_readme_names_each_of_them() -> None:
    text = (ROOT / "README.md").read_text()
    for place in (
        "mapreduce/input/formats/",
        "mapreduce/runners.py",
        "mapreduce/tokens/flags.py",
        "models/architectures/",
        "models/counts/feature_weights.py",
        "models/serving/exports",
        "mapreduce/input/files.py",
        "mapreduce/featuremill.py",
        "jobs/",
    ):
        assert f"]({place.rstrip('/')}" in text, place
    assert PRESETS and flags.FLAGS

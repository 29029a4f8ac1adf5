"""The command writes a line for each text, in order, and one line on stderr when it cannot."""

from __future__ import annotations

import bz2
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import models
from models.predict import lines, predict
from tests.conftest import ROOT


def command(*arguments: object, stdin: bytes = b"", code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "models.predict", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
    )
    assert done.returncode == code, done.stderr.decode()
    return done


def test_lines_of_standard_input(one_model: Path) -> None:
    done = command(one_model, stdin=b"rise\n\nFall, fall\r\nwest \xff\0 west")
    found = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [label for label, _ in found] == ["up", "up", "döwn", "left right"]
    # softmax of 2 * (1, 0, 0) and of nothing; four decimals.
    assert [p for _, p in found] == ["0.7870", "0.3333", "0.9783", "0.9867"]
    assert done.stderr == b""


def test_every_label_the_best_one_first(one_model: Path) -> None:
    model = models.load(one_model)
    (line,) = lines(model, ["fall"], every=True)
    assert line.decode() == "döwn\t0.8259\tup\t0.0870\tleft right\t0.0870\n"


def test_order_is_kept_over_many_texts(one_model: Path) -> None:
    model = models.load(one_model)
    words = [(b"rise " if i % 3 else b"fall ") + b"x " * (i % 17) for i in range(10_000)]
    out = io.BytesIO()
    predict(model, iter([[(b"", word) for word in words[:9000]], [(b"", word) for word in words[9000:]]]), out)
    labels = [line.split("\t")[0] for line in out.getvalue().decode().splitlines()]
    assert labels == ["up" if i % 3 else "döwn" for i in range(10_000)]


def test_training_formats(one_model: Path, tmp_path: Path) -> None:
    from models.predict import main

    texts = ["rise", "Fall, fall", "west"]
    files = {
        "t.tsv": "".join(f"x\t{text}\n" for text in texts),
        "t.csv": "label,text\n" + "".join(f'x,"{text}"\n' for text in texts),
        "t.jsonl": "".join(json.dumps({"label": 1, "text": text}) + "\n" for text in texts),
        "t.txt": "\n".join(texts),
    }
    model = models.load(one_model)
    expected = b"".join(lines(model, texts))
    for name, content in files.items():
        path = tmp_path / f"{name}.bz2"
        path.write_bytes(bz2.compress(content.encode()))
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            assert main([str(one_model), str(path)]) == 0
        assert out.buffer.getvalue() == expected, name  # type: ignore[attr-defined]


def test_format_flag_on_standard_input(one_model: Path) -> None:
    done = command(one_model, "--format", "fasttext", stdin=b"__label__x rise\nbad\n__label__y west\n")
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [b"up", b"left right"]
    assert b"1 of 3 lines are no fasttext records" in done.stderr and done.stderr.count(b"\n") == 1


def test_what_cannot_be_predicted_is_one_line(one_model: Path, tmp_path: Path) -> None:
    for arguments, match in (
        ((tmp_path / "none",), "no such model output"),
        ((tmp_path,), "not a whole"),
        ((one_model.parent,), f"there is model output in {one_model}: give the one that is meant"),
        ((one_model, tmp_path / "none.txt"), "no such input file"),
    ):
        done = command(*arguments, code=2)
        assert match.encode() in done.stderr and done.stderr.count(b"\n") == 1 and done.stdout == b""


def test_a_reader_that_has_seen_enough(one_model: Path) -> None:
    done = subprocess.run(
        f'yes rise | head -200000 | "{sys.executable}" -m models.predict "{one_model}" | head -1',
        shell=True,
        capture_output=True,
        cwd=ROOT,
    )
    assert done.stdout == b"up\t0.7870\n" and b"Traceback" not in done.stderr and b"Broken" not in done.stderr


def test_a_fifo_is_read_once(one_model: Path, tmp_path: Path) -> None:
    for name, data in (("lines", b"rise\nfall\n"), ("rows.csv", b"text,label\nrise,up\nfall,up\n")):
        os.mkfifo(tmp_path / name)
        with subprocess.Popen(["sh", "-c", 'cat > "$0"', str(tmp_path / name)], stdin=subprocess.PIPE) as writer:
            assert writer.stdin is not None
            writer.stdin.write(data)
            writer.stdin.close()
            done = command(one_model, tmp_path / name)
        assert [line.split(b"\t")[0].decode() for line in done.stdout.splitlines()] == ["up", "döwn"]


def test_csv_on_standard_input(one_model: Path) -> None:
    done = command(one_model, "--format", "csv", stdin=b"text,label\nrise,up\n")
    assert done.stdout.startswith(b"up\t")

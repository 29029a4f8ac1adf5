"""The command writes a line for each text, in order, and one line on stderr when it cannot."""

from __future__ import annotations

import bz2
import csv
import io
import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import keras
import pandas
import pytest

import models
from mapreduce.errors import RecordError
from mapreduce.output import manifest
from models.inputs import ROWS, Row, rows
from models.predict import Predictor, main, parser
from tests.conftest import ROOT
from tests.models.conftest import export_images
from tests.models.test_train_images import SHAPE, pictures


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
    assert (
        b"1 of 4" in done.stderr and b"not UTF-8" in done.stderr and done.stderr.endswith(b"; the first: -, line 4\n")
    )
    assert done.stderr.count(b"\n") == 1


Written = Callable[..., bytes]


@pytest.fixture
def written(one_model: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Written:
    """What the command writes to stdout; its words stay for `capfdbinary`."""

    def run(*arguments: object, code: int = 0) -> bytes:
        assert main([str(one_model), *map(str, arguments)]) == code
        out, words = capfdbinary.readouterr()
        os.write(2, words)
        return out

    return run


def test_every_label_the_best_one_first(written: Written, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("fall\n")
    three = "döwn\t0.8259\tup\t0.0870\tleft right\t0.0870\n"
    assert written("--all", tmp_path / "t").decode() == three == written(tmp_path / "t", "--top-k", 9).decode()
    assert written("--top-k", 2, tmp_path / "t").decode() == "döwn\t0.8259\tup\t0.0870\n"


def test_order_is_kept_over_many_texts(one_model: Path) -> None:
    model = models.load(one_model)
    words = [(b"rise " if i % 3 else b"fall ") + b"x " * (i % 17) for i in range(10_000)]
    records = [Row("-", i, None if i % 7 == 1 else word, "none") for i, word in enumerate(words, 1)]
    out = io.BytesIO()
    Predictor(model).write(iter([records[:9000], records[9000:]]), out)
    labels = [line.split("\t")[0] for line in out.getvalue().decode().splitlines()]
    assert labels == ["" if i % 7 == 0 else "up" if i % 3 else "döwn" for i in range(10_000)]


TABLE = (
    "id,text,label,by\n"
    '1,rise,up,"a ""quoted"" one"\n'
    '"2,\tx",fall,döwn,\n'
    "3,,,é\n"
    '4,"west\nwest",,z\n'
    "5,too,many,fields,here\n"
    "6,rise,up,\n"
)
"""Quotes, a tab, an empty text, a line break and a record that is none."""
ANSWERS = [("up", 0.787), ("döwn", 0.8259), ("up", 0.3333), ("left right", 0.9867), (None, None), ("up", 0.787)]


def test_a_row_for_every_record_in_every_form(
    written: Written, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    plain = written(tmp_path / "t.csv").decode()
    assert plain == "".join(
        "\t\twrong number of fields\n" if name is None else f"{name}\t{p:.4f}\n" for name, p in ANSWERS
    )
    words = capfdbinary.readouterr().err.decode()
    assert "1 of 6 lines are no csv records: wrong number of fields" in words and "t.csv, line 7" in words
    keep = ("--id-field", "id", "--keep-columns", "by,label")
    found = written(*keep, tmp_path / "t.csv").decode().splitlines()
    assert found[:3] == ['1\ta "quoted" one\tup\tup\t0.7870', "2, x\t\tdöwn\tdöwn\t0.8259", "3\té\t\tup\t0.3333"]

    names = ["id", "by", "label", "prediction", "probability", "cause"]
    ids = ["1", "2,\tx", "3", "4", "", "6"]
    by_csv = written("--output-format", "csv", *keep, tmp_path / "t.csv")
    assert by_csv.startswith(b"id,by,label,prediction,probability,cause\r\n") and by_csv.count(b"\r\n") == 7
    frame = pandas.read_csv(io.BytesIO(by_csv), dtype=str, keep_default_na=False)
    read = list(csv.DictReader(io.StringIO(by_csv.decode(), newline="")))
    assert list(frame) == names and frame.to_dict("records") == read
    assert [row["id"] for row in read] == ids and read[0]["by"] == 'a "quoted" one' and read[2]["by"] == "é"
    assert [(row["prediction"], row["probability"]) for row in read] == [
        (name or "", "" if p is None else f"{p:.4f}") for name, p in ANSWERS
    ]
    assert [row["cause"] for row in read] == ["", "", "", "", "wrong number of fields", ""]

    by_json = written(tmp_path / "t.csv", "--output-format", "jsonl", "--id-field", "id").decode()
    objects = [json.loads(line) for line in by_json.splitlines()]
    assert [(one["prediction"], one["probability"]) for one in objects] == ANSWERS
    assert [one["id"] for one in objects] == [one or None for one in ids]
    assert [one.get("cause") for one in objects] == [row["cause"] or None for row in read]


def test_several_labels_in_columns(written: Written, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("fall\nrise\n")
    found = list(csv.reader(io.StringIO(written("--top-k", 2, "--output-format", "csv", tmp_path / "t").decode())))
    assert found[0] == ["prediction_1", "probability_1", "prediction_2", "probability_2", "cause"]
    assert found[1] == ["döwn", "0.8259", "up", "0.0870", ""]


def test_below_the_threshold_there_is_no_label(
    written: Written, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "t").write_text("fall\nrise\nnothing\n")
    assert written("--threshold", 0.5, tmp_path / "t").decode() == "döwn\t0.8259\nup\t0.7870\n\t0.3333\n"
    assert capfdbinary.readouterr().err == b"predict: 2 of 3 answers reach --threshold 0.5 (66.7%)\n"
    first = written("--threshold", 0.5, "--top-k", 2, "--output-format", "jsonl", tmp_path / "t").splitlines()[0]
    assert json.loads(first) == {
        "prediction_1": "döwn",
        "probability_1": 0.8259,
        "prediction_2": None,
        "probability_2": 0.087,
    }
    for flag in ("1.5", "-1", "nan", "x"):
        with pytest.raises(SystemExit):
            parser().parse_args(["m", f"--threshold={flag}"])


def test_columns_of_json(written: Written, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A record may lack one; a name that none of them has is a mistake, and not one row is written."""
    records = [{"text": "rise"}, {"text": "fall", "by": {"name": "a\tb"}}, {"text": "rise", "by": None}] * 3000
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    found = written(path, "--keep-columns", "by.name").decode().splitlines()
    assert found == ["\tup\t0.7870", "a b\tdöwn\t0.8259", "\tup\t0.7870"] * 3000
    assert written(path, "--keep-columns", "by.name,bye", code=2) == b""
    words = capfdbinary.readouterr().err
    assert b"t.jsonl, line 1: no column 'bye'" in words and words.count(b"\n") == 1


def test_columns_that_cannot_be(written: Written, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "t.csv").write_text("text,cause\nrise,x\n")
    (tmp_path / "t.txt").write_text("rise\n")
    for arguments, match in (
        (("--keep-columns", "cause", "--output-format", "csv", tmp_path / "t.csv"), b"two columns 'cause'"),
        (("--id-field", "id", tmp_path / "t.csv"), b"no column 'id'; there are text, cause"),
        (("--id-field", "id", tmp_path / "t.txt"), b"text records have no columns"),
    ):
        assert written(*arguments, code=2) == b""
        words = capfdbinary.readouterr().err
        assert match in words and words.count(b"\n") == 1
    assert written("--keep-columns", "cause", tmp_path / "t.csv") == b"x\tup\t0.7870\n"


def test_an_output_file_is_whole_or_not_there(written: Written, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    expected = written(tmp_path / "t.csv")
    assert written(tmp_path / "t.csv", "--output", tmp_path / "out") == b""
    assert (tmp_path / "out").read_bytes() == expected
    assert written(tmp_path / "t.csv", "--output", tmp_path / "other", "--max-rejected", 0, code=3) == b""
    assert not (tmp_path / "other").exists()


def test_images_that_the_model_does_not_take_have_rows(tmp_path: Path) -> None:
    height, width, channels = SHAPE
    pixels = keras.Input(SHAPE, dtype="uint8")
    network = keras.Model(pixels, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Rescaling(1.0)(pixels))))
    export_images(network, directory=tmp_path / "m", manifest=manifest.build("model"), labels=["a", "b"])
    whole, other = pictures(1, 3)[1][0].tobytes(), bytes(height * width * channels + 3)
    records = [Row("t.tsv", 1, text_of(whole, SHAPE)), Row("t.tsv", 2, text_of(other[-4:], (2, 2, 1)))]
    out = io.BytesIO()
    made = Predictor(models.load(tmp_path / "m"))
    made.write([[*records, records[0]]], out)
    first, second, third = out.getvalue().splitlines()
    assert first == third and first.count(b"\t") == 1
    assert second.startswith(b"\t\tthe model takes images of 8x8x1: another shape")
    assert list(made.told())[1] == "1 of 3 records have no answer; their rows say why"
    with pytest.raises(RecordError, match=r"not one of 2 records has an answer; the first: t\.tsv, line 2: the model"):
        Predictor(models.load(tmp_path / "m")).write([[records[1]] * 2], io.BytesIO())


def text_of(pixels: bytes, shape: tuple[int, ...]) -> bytes:
    return b"x".join(b"%d" % n for n in shape) + b":" + urlsafe_b64encode(pixels)


def test_a_hostile_text_costs_no_other_one_its_answer(one_model: Path) -> None:
    made = Predictor(models.load(one_model))
    made.model.longest = 1000
    records = [Row("t", n, text) for n, text in enumerate((b"rise", b"x" * 1001, b"fall", b"y" * 2000), 1)]
    out = io.BytesIO()
    made.write([records], out)
    assert out.getvalue().decode() == (
        "up\t0.7870\n\t\tlonger than 1000 bytes\ndöwn\t0.8259\n\t\tlonger than 1000 bytes\n"
    )
    assert list(made.told()) == [
        "t, line 2: longer than 1000 bytes",
        "t, line 4: longer than 1000 bytes",
        "2 of 4 records have no answer; their rows say why",
    ]


def test_rows_are_given_a_few_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a\n" * 10_000)
    blocks = list(rows([str(tmp_path / "t")]))
    assert [len(block) for block in blocks] == [ROWS, ROWS, 10_000 - 2 * ROWS]
    assert [row.line for block in blocks for row in block] == list(range(1, 10_001))


def test_flags_stand_before_between_and_behind_files() -> None:
    flags = ["--text-field", "body", "--all"]
    expected = parser().parse_args(["m", "a", "b", *flags])
    assert expected.input == ["a", "b"] and expected.text_field == "body" and expected.all
    for place in range(4):
        files = ["m", "a", "b"]
        assert parser().parse_args([*files[:place], *flags, *files[place:]]) == expected
    assert parser().parse_args(["m", *flags]).input == ["-"]
    with pytest.raises(SystemExit):
        parser().parse_args(["m", "--all", "--top-k", "2"])


@pytest.mark.slow
def test_memory_does_not_grow_with_the_records(one_model: Path) -> None:
    program = (
        "import resource, sys; from models.predict import main; assert main(sys.argv[1:]) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for records in (10_000, 300_000):
        data = b"rise\n" * records
        done = subprocess.run(
            [sys.executable, "-c", program, str(one_model)], input=data, capture_output=True, cwd=ROOT, check=True
        )
        assert done.stdout == b"up\t0.7870\n" * records
        peaks.append(int(done.stderr.split()[-1]) << (0 if sys.platform == "darwin" else 10))
    assert peaks[1] - peaks[0] < 100 << 20


def test_training_formats(written: Written, one_model: Path, tmp_path: Path) -> None:
    texts = ["rise", "Fall, fall", "west"]
    files = {
        "t.tsv": "".join(f"x\t{text}\n" for text in texts),
        "t.csv": "label,text\n" + "".join(f'x,"{text}"\n' for text in texts),
        "t.jsonl": "".join(json.dumps({"label": 1, "text": text}) + "\n" for text in texts),
        "t.txt": "\n".join(texts),
    }
    model = models.load(one_model)
    out = io.BytesIO()
    Predictor(model).write([[Row("", n, text.encode()) for n, text in enumerate(texts)]], out)
    expected = out.getvalue()
    for name, content in files.items():
        path = tmp_path / f"{name}.bz2"
        path.write_bytes(bz2.compress(content.encode()))
        assert written(path) == expected, name


def test_format_flag_on_standard_input(arrays_model: Path) -> None:
    done = command(arrays_model, "--format", "fasttext", stdin=b"__label__x rise\nbad\n__label__y west\n")
    assert [line.split(b"\t")[0] for line in done.stdout.splitlines()] == [b"up", b"", b"left right"]
    assert b"1 of 3 lines are no fasttext records" in done.stderr and done.stderr.count(b"\n") == 1


def test_what_cannot_be_predicted_is_one_line(arrays_model: Path, tmp_path: Path) -> None:
    for arguments, match in (
        ((tmp_path / "none",), "no such model output"),
        ((tmp_path,), "not a whole"),
        ((arrays_model.parent,), f"there is model output in {arrays_model}: give the one that is meant"),
        ((arrays_model, tmp_path / "none.txt"), "no such input file"),
    ):
        done = command(*arguments, code=2)
        assert match.encode() in done.stderr and done.stderr.count(b"\n") == 1 and done.stdout == b""


def test_a_reader_that_has_seen_enough(arrays_model: Path) -> None:
    done = subprocess.run(
        f'yes rise | head -200000 | "{sys.executable}" -m models.predict "{arrays_model}" | head -1',
        shell=True,
        capture_output=True,
        cwd=ROOT,
    )
    assert done.stdout == b"up\t0.7870\n" and b"Traceback" not in done.stderr and b"Broken" not in done.stderr


def test_a_fifo_is_read_once(arrays_model: Path, tmp_path: Path) -> None:
    for name, data in (("lines", b"rise\nfall\n"), ("rows.csv", b"text,label\nrise,up\nfall,up\n")):
        os.mkfifo(tmp_path / name)
        with subprocess.Popen(["sh", "-c", 'cat > "$0"', str(tmp_path / name)], stdin=subprocess.PIPE) as writer:
            assert writer.stdin is not None
            writer.stdin.write(data)
            writer.stdin.close()
            done = command(arrays_model, tmp_path / name)
        assert [line.split(b"\t")[0].decode() for line in done.stdout.splitlines()] == ["up", "döwn"]


def test_csv_on_standard_input(arrays_model: Path) -> None:
    done = command(arrays_model, "--format", "csv", stdin=b"text,label\nrise,up\n")
    assert done.stdout.startswith(b"up\t")

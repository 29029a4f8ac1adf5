"""Readers of mapreduce/ on mutations of real data: a clear error or a right result, within a second and 100 MB."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapreduce.errors import UserError
from mapreduce.input import first_bytes
from mapreduce.input.files import Source
from mapreduce.input.formats import FORMATS, Layout, images
from mapreduce.input.formats.csv import UNCLOSED
from mapreduce.input.formats.format import is_utf8
from mapreduce.input.records import RecordReader, SplitRule
from mapreduce.input.splits import Split
from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import PRESETS, Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer
from tests.conftest import ROOT
from tests.fuzz import EXAMPLES, fuzz

RECORDS = {
    "text": "a good film\n\nein schöner Film\r\nlast".encode(),
    "tsv": "pos\ta good film\r\nneg\ta\tb\nné\tein schöner Film\n".encode(),
    "csv": b'id,label,text\n1,pos,"a ""good"" film, really"\r\n2,neg,a bad one\n',
    "jsonl": b'{"label": "pos", "text": "a good\\nfilm \\u00e9"}\n{"text": "b", "label": 3, "x": [1, {"y": null}]}\n',
    "fasttext": b"__label__pos a good film\n__label__neg a bad one\n",
    "images": b"7\t2x2x1:AAH-_w==\n8\t1x1x1:AA==\r\n8\t2x2x1:____-w==\n",
}


@pytest.mark.parametrize("format", RECORDS)
@EXAMPLES
def test_records(examples: int, format: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{format}"

    def attempt(data: bytes) -> None:
        strict = len(data) % 2 == 1
        path.write_bytes(data)
        settled = Layout()
        if format == "csv":
            try:
                settled = FORMATS["csv"].settle(Layout(), [Source(str(path))])
            except UserError as error:
                assert one_line(error)
                return
        rule = SplitRule("train", salt=b"x")
        layout = replace(settled, strict=strict)
        reader = RecordReader(format, layout=layout, rule=rule, max_line=60_000, keep=3)
        split = Split(str(path), 0, len(data), format=FORMATS[format](layout))
        try:
            found = [record for block in split.blocks(60_001) for record in reader.read(block)]
        except UserError as error:
            assert first_bytes.kind(data.removeprefix(b"\xef\xbb\xbf")) and one_line(error)
            return
        reader.finish()
        if first_bytes.encoding(data):
            return  # its lines are those of another encoding
        assert reader.lines == data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\n").count(b"\n") + trailing(data)
        assert reader.records == reader.used + reader.left_out + sum(reader.rejected.values())
        assert reader.used == len(found)
        swallowed = max(0, reader.rejected[UNCLOSED] - 1)
        assert len(reader.samples) == min(3, sum(reader.rejected.values()) - swallowed)
        for label, text in found:
            assert text in rule and b"\n" not in text and len(text) <= 60_000
            assert is_utf8(label) and not {b"\t", b"\n"} & {label[i : i + 1] for i in range(len(label))}
            assert format == "text" or (label.strip() and text.strip())
            assert is_utf8(text) or not strict
            if format == "images":  # one way of writing an image is read, and no other
                height, width, channels = images.shape_of(text) or (0, 0, 0)
                pixels = images.pixels(text)
                assert len(pixels) == height * width * channels
                assert text == b"%dx%dx%d:%s" % (height, width, channels, urlsafe_b64encode(pixels))

    fuzz(examples, RECORDS[format], attempt)


def trailing(data: bytes) -> int:
    """How many lines there are but for the line ends counted: the last one, and the empty ones at the end."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    stripped = data.rstrip(b"\n")
    return max(0, len(data) - len(stripped) - bool(stripped)) + bool(stripped)


def one_line(error: UserError) -> bool:
    return "\n" not in str(error) and 0 < len(str(error)) < 2_000


@EXAMPLES
def test_vocabulary(examples: int, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary"

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        try:
            found = vocabulary.read(path)
        except UserError as error:
            assert one_line(error)
            return
        assert b"".join(b"%s\t%d\t%d\n" % line for line in zip(found.tokens, found.tf, found.df)) == canonical(data)
        assert len(set(found.tokens)) == len(found.tokens)

    fuzz(examples, "the\t12\t9\nein\t7\t7\nschöner film\t3\t2\n".encode(), attempt)


def canonical(data: bytes) -> bytes:
    """Numbers without leading zeros."""
    return re.sub(rb"\t0+(?=\d)", b"\t", data)


@pytest.mark.parametrize("name", ["keras", "cjk", "unicode"])
@EXAMPLES
def test_specification(examples: int, name: str, tmp_path: Path) -> None:
    if name not in PRESETS:
        pytest.skip(f"no preset {name}")
    rare: dict[str, Any] = {"skips": True, "head_pairs": 2, "prefixes": 3, "characters_across": (3,)}
    whole = preset(name, ngrams=2, character_ngrams=(3,), head=2, **rare).to_json()
    small = {**whole, "table": dict(list(whole["table"].items())[:40])}

    def attempt(data: bytes) -> None:
        try:
            found = Specification.from_json(json.loads(data))
        except UserError as error:
            assert one_line(error)
            return
        except (ValueError, RecursionError):
            return  # no JSON: the readers of files say so
        assert Specification.from_json(found.to_json()) == found
        assert len(found.fingerprint) == 16
        text = "Ein schöner, \0 Film\n".encode()
        assert all(b"\n" not in feature for feature in Tokenizer(found).features(text))

    fuzz(examples, json.dumps(small).encode(), attempt)


@EXAMPLES
def test_manifest(examples: int) -> None:
    data = manifest.encode(_manifest())

    def attempt(data: bytes) -> None:
        try:
            found = manifest.parse(data, "out")
        except UserError as error:
            assert one_line(error)
            return
        folder = Path("/nowhere/out")
        for path in manifest.part_paths(folder, found):
            assert Path(path).resolve().is_relative_to(folder.resolve())
        assert all(isinstance(n, int) for names in found["counters"].values() for n in names.values())
        manifest.check(found, "out")
        try:
            manifest.specification(found)
        except UserError as error:
            assert one_line(error)

    fuzz(examples, data, attempt)


def _manifest() -> dict[str, object]:
    counters = {"records": {"in": 3, "used": 2, "rejected: no label": 1}}
    inputs = [{"path": "a.tsv", "size": 12, "crc32": "0" * 8}]
    found = manifest.build("featurecount", specification=preset("keras"), counters=counters, inputs=inputs)
    return {**found, "parts": [{"name": "part-00000", "size": 3, "sha256": "0" * 64}]}


@EXAMPLES
def test_an_output(examples: int, tmp_path: Path) -> None:
    """Whatever is changed in any file of an output, it is refused."""
    vocabulary.write(tmp_path / "v", [b"the", b"cat"], [2, 1], [2, 1], preset("keras"))
    for name in ("part-00000", "_manifest.json", "_SUCCESS"):
        path = tmp_path / "v" / name
        whole = path.read_bytes()

        def attempt(data: bytes, path: Path = path, whole: bytes = whole) -> None:
            path.write_bytes(data)
            if data == whole or (path.name == "_SUCCESS" and not data):
                assert vocabulary.read(tmp_path / "v").tokens == [b"the", b"cat"]
                return
            with pytest.raises(UserError) as error:
                vocabulary.read(tmp_path / "v")
            assert one_line(error.value)

        fuzz(examples // 3, whole, attempt)
        path.write_bytes(whole)


def test_no_pickle_and_no_unsafe_loading() -> None:
    sources = [path for room in ("data", "mapreduce", "jobs", "models") for path in (ROOT / room).rglob("*.py")]
    unsafe = re.compile(
        r"\b(pickle|marshal|shelve|dill|joblib)\b|safe_mode\s*=\s*False|enable_unsafe|allow_pickle\s*=\s*True"
        r"|\bextractall\(|(?<![\w.])(eval|exec)\("
    )
    assert len(sources) > 30
    # A driver writes them into its own private folder for its own tasks (0700); nothing else is read by them.
    tasks = {ROOT / "mapreduce" / "local" / name for name in ("state.py", "interpreter.py")}
    for path in set(sources) - tasks:
        code = [line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
        assert not [line for line in code if unsafe.search(line)], path

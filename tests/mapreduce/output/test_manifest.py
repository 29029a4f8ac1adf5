"""The manifest: whole or refused, the same bytes for the same input, and of the schema in data/README.md."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mapreduce.errors import UserError
from mapreduce.output import manifest, vocabulary
from mapreduce.tokens.specification import preset
from tests.conftest import ROOT, Run


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A vocabulary's output."""
    vocabulary.write(tmp_path / "v", [b"a", b"b"], [2, 1], [1, 1], preset("keras"))
    return tmp_path / "v"


def schema() -> dict[str, Any]:
    """The JSON schema in data/README.md."""
    found = re.search(r"^```json\n(.*?)^```", (ROOT / "data" / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return dict(json.loads(found[1]))


def test_every_job_writes_by_the_schema(tmp_path: Path, run_job: Run) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    records = tmp_path / "x.tsv"
    records.write_bytes(b"pos\ta good film\nneg\ta bad film\n" * 60 + b"no label\n")
    jobs: dict[str, list[object]] = {job: [] for job in ("wordcount", "featurecount", "labelcount", "vocabulary")}
    for job, flags in {**jobs, "encode": ["--vocabulary", tmp_path / "vocabulary"]}.items():
        out = tmp_path / job
        run_job(job, *flags, "--sha256", "--output-dir", out, records)
        found = manifest.read(out, job)
        validator.validate(found)
        assert found["records"] == {
            "in": 121,
            "used": 120,
            "other split": 0,
            "rejected": {"no label": 1},
            "out": len((out / "part-00000").read_bytes().splitlines()),
        }
        assert found["inputs"][0]["sha256"] == hashlib.sha256(records.read_bytes()).hexdigest()
        (part,) = found["parts"]
        assert part["sha256"] == hashlib.sha256((out / part["name"]).read_bytes()).hexdigest()


def test_jobs_over_images_write_by_the_schema(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "x.tsv").write_bytes(b"7\t2x2x1:AAH-_w==\n" * 3)
    for job in ("imagestats", "encode"):
        run_job(job, "--output-dir", tmp_path / job, tmp_path / "x.tsv")
        found = manifest.read(tmp_path / job, job)
        jsonschema.Draft202012Validator(schema()).validate(found)
        assert found["records"]["used"] == 3 and found["specification"] is None
    assert (found["dtype"], found["shape"]) == ("uint8", [2, 2, 1])


def test_the_schema_refuses(output: Path) -> None:
    found = manifest.read(output)
    validator = jsonschema.Draft202012Validator(schema())
    for name, value in (("version", 2), ("kind", "a cake"), ("parts", [{"name": "../x", "size": 1}]), ("seconds", "1")):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**found, name: value})
    for name in schema()["required"]:
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({key: value for key, value in found.items() if key != name})


def test_time_stands_apart(tmp_path: Path, run_job: Run) -> None:
    """Two runs, on different executors, differ in `seconds` alone."""
    records = tmp_path / "x.tsv"
    records.write_bytes(b"pos\ta good film\nneg\ta bad film\n")
    found = []
    for runner in ("inline", "local"):
        run_job("featurecount", "-r", runner, "--output-dir", tmp_path / runner, records)
        found.append(manifest.read(tmp_path / runner))
        assert found[-1].pop("seconds") > 0
    assert found[0] == found[1]


def test_a_manifest_beside_standard_output(tmp_path: Path, run_job: Run) -> None:
    file = tmp_path / "m.json"
    done = run_job("wordcount", "--manifest", file, stdin=b"a b a\n")
    found = manifest.parse(file.read_bytes(), "m.json", "wordcount")
    (part,) = found["parts"]
    assert part["sha256"] == hashlib.sha256(done.stdout).hexdigest()
    assert found["inputs"] == [{"path": "-", "size": 6, "crc32": "86fa98c8"}]
    assert run_job("wordcount", "--manifest", tmp_path / "no" / "m", stdin=b"a\n", code=2).stdout == b""


def test_a_whole_output_is_read(output: Path) -> None:
    found = manifest.read(output, "vocabulary", specification=preset("keras"))
    assert [part["name"] for part in found["parts"]] == ["part-00000"]
    assert (output / "_SUCCESS").read_bytes() == manifest.success((output / "_manifest.json").read_bytes())
    (output / "_SUCCESS").write_bytes(b"")  # as Hadoop writes it
    assert manifest.read(output) == found


def test_what_is_not_whole_is_refused(output: Path) -> None:
    part = output / "part-00000"
    data = part.read_bytes()
    for spoil, words in (
        (lambda: part.write_bytes(data.replace(b"a", b"c")), "changed since it was written"),
        (lambda: part.write_bytes(data[:-1]), f"{len(data) - 1} bytes, and {len(data)} were written"),
        (part.unlink, "cannot be read"),
        (lambda: (output / "part-00001").write_bytes(b""), "not of this output"),
        (lambda: _edit(output / "_manifest.json", b"keras", b"keras "), "not the one that was written"),
        ((output / "_SUCCESS").unlink, "_SUCCESS or _manifest.json is missing"),
    ):
        before = {path: path.read_bytes() for path in output.iterdir()}
        spoil()  # type: ignore[no-untyped-call]
        with pytest.raises(UserError, match=words):
            manifest.read(output)
        for path in output.iterdir():
            path.unlink()
        for path, old in before.items():
            path.write_bytes(old)
        manifest.read(output)


def _edit(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n\n", 1))


def test_another_kind_and_other_fingerprints_are_refused(output: Path) -> None:
    found = manifest.read(output)
    with pytest.raises(UserError, match="holds vocabulary output, not encode output"):
        manifest.read(output, "encode")
    other = preset("whitespace")
    with pytest.raises(UserError) as error:
        manifest.read(output, specification=other)
    assert found["specification_fingerprint"] in str(error.value) and other.fingerprint in str(error.value)
    with pytest.raises(UserError) as error:
        manifest.read(output, vocabulary_fingerprint="0" * 16)
    assert found["vocabulary_fingerprint"] in str(error.value) and "0" * 16 in str(error.value)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", "a//b", ".", "a\0b"])
def test_parts_stay_in_their_folder(name: str, output: Path) -> None:
    found = json.loads((output / "_manifest.json").read_bytes())
    found["parts"][0]["name"] = name
    with pytest.raises(UserError, match="damaged"):
        manifest.parse(manifest.encode(found), "x")


def test_a_folder_too_high_or_too_low_is_said_with_the_one_to_give(tmp_path: Path) -> None:
    def made(name: str, kind: str) -> Path:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "part-00000").touch()
        manifest.write(tmp_path / name, manifest.build(kind))
        return tmp_path / name

    def said(folder: Path, kind: str | None = "model") -> str:
        with pytest.raises(UserError) as error:
            manifest.read(folder, kind)
        return str(error.value)

    (tmp_path / "sets" / "empty").mkdir(parents=True)
    assert "give another folder" in said(tmp_path / "sets")
    linear = made("sets/20ng/linear", "model")
    made("sets/20ng/linear.work/words", "vocabulary")
    for folder in (tmp_path / "sets" / "20ng", tmp_path / "sets"):
        assert said(folder).endswith(f"; there is model output in {linear}: give the one that is meant")
    (linear / "saved_model").mkdir()
    assert said(linear / "saved_model").endswith(f"; there is model output in {linear}: give the one that is meant")
    assert said(tmp_path / "sets" / "20ng", "vocabulary").endswith("linear.work/words: give the one that is meant")
    (tmp_path / "sets" / "20ng" / "torn").mkdir()
    (tmp_path / "sets" / "20ng" / "torn" / "_manifest.json").write_text("[")
    (tmp_path / "sets" / "20ng" / "torn" / "_SUCCESS").touch()
    others = [made(f"sets/20ng/m{number}", "model") for number in range(6)]
    names = ", ".join(map(str, [linear, *others[:4]]))
    assert said(tmp_path / "sets" / "20ng").endswith(f" model output in {names} and 2 more: give the one that is meant")
    assert not any(word in said(tmp_path / "sets") for word in ("remove", "again"))


def test_a_model_whose_manifest_names_no_file_is_refused(tmp_path: Path) -> None:
    manifest.write(tmp_path, manifest.build("model"))
    (tmp_path / "model.keras").write_bytes(b"anything")
    with pytest.raises(UserError, match="names no file of the model"):
        manifest.read(tmp_path, "model")


def test_files_in_folders_are_parts(tmp_path: Path) -> None:
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    (tmp_path / "saved" / "variables" / "x").write_bytes(b"weights")
    (tmp_path / "model.keras").write_bytes(b"zip")
    manifest.write(tmp_path, manifest.build("model"))
    names = [part["name"] for part in manifest.read(tmp_path)["parts"]]
    assert names == ["model.keras", "saved/variables/x"]
    (tmp_path / "saved" / "variables" / "x").write_bytes(b"weightz")
    with pytest.raises(UserError, match="changed"):
        manifest.read(tmp_path)

"""A validation split of its own file, and one by the groups of a field."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mapreduce.output import manifest
from mapreduce.tokens.specification import preset
from models import train
from models.training import config, stages
from models.training.checks import check
from models.training.settings import Settings
from models.training.stages import Stages
from tests.models.test_train import documents, run, write
from tests.models.training.test_flags import QUICK


def paths(folder: Path) -> set[str]:
    """The names of the files that an output was made of."""
    return {Path(one["path"]).name for one in manifest.read(folder)["inputs"]}


@pytest.mark.slow
def test_a_file_is_the_validation_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "train.tsv", documents(90, 0))
    write(tmp_path / "held out.tsv", documents(30, 2))
    write(tmp_path / "test.tsv", documents(9, 1))
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, *QUICK, "--validation", "held out.tsv") == 0
    found = manifest.read(tmp_path / "model")
    assert paths(tmp_path / "model") == {"train.tsv", "held out.tsv"}
    assert found["results"]["splits"] == {"train": 90, "validation": 30}
    assert sum(found["results"]["labels"].values()) == 120
    text = (tmp_path / "model" / config.NAME).read_text()
    assert f'validation = "{tmp_path}/held out.tsv"\n' in text
    assert "train-records = 90\nvalidation-records = 30\n" in text
    capfd.readouterr()
    assert run(tmp_path, *QUICK, "--validation", "held out.tsv") == 0
    assert "up to date" in capfd.readouterr().err


def test_each_split_is_of_its_files_and_no_share_of_them(tmp_path: Path) -> None:
    path, other = write(tmp_path / "train.tsv", documents(90, 0)), write(tmp_path / "v.tsv", documents(30, 2))
    share = Stages([path], tmp_path / "work", runner="inline")
    assert manifest.read(share.labelcount(preset("words"), "train"))["records"]["used"] < 90
    stage = Stages([path], tmp_path / "work", runner="inline", validation=str(other))
    for split, number, names in (
        ("train", 90, {"train.tsv"}),
        ("validation", 30, {"v.tsv"}),
        ("all", 120, {"train.tsv", "v.tsv"}),
    ):
        output = stage.labelcount(preset("words"), split)  # that of the share has the same name
        assert (manifest.read(output)["records"]["used"], paths(output)) == (number, names)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--validation", "train.tsv"], "train.tsv: a file of --train and of --validation"),
        (["--validation", "none.tsv"], "no such input file"),
        (["--validation", "empty.tsv"], "empty.tsv: no record; give a labelled --validation file"),
        (["--validation", "plain.txt", "--format", "tsv"], "tsv"),
        (["--validation", "plain.txt"], "input files of several formats"),
        (["--validation", "1.5"], "a number above 0 and below 1. Received: 1.5"),
        (["--validation", "v.tsv", "--group-field", "author"], "--group-field: --validation v.tsv is the split"),
    ],
)
def test_a_split_that_is_none_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "train.tsv", documents(30, 0))
    write(tmp_path / "v.tsv", documents(30, 2))
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "plain.txt").write_text("a text\n")
    try:
        code = train.main(["--train", "train.tsv", "--output", "model", *flags])
    except SystemExit as error:
        code = int(str(error.code))
    out, words = capfd.readouterr()
    assert code in (2, 3) and out == "" and words.count("\n") == 1 and said in words
    assert not (tmp_path / "model.work").exists()


def test_what_is_odd_about_the_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = documents(30, 0)
    path = write(tmp_path / "train.tsv", found)
    held = write(tmp_path / "held.tsv", [*found[:3], ("sprot", "a new one")])
    tested = write(tmp_path / "test.tsv", [("sport", "a new one")])
    checked = check([str(path)], [str(tested)], validation=str(held))
    said = capsys.readouterr().err.splitlines()
    assert "warning: labels of --train or --validation alone: 'sprot'" in said
    assert (
        "warning: 3 of 4 --validation records are in the training set as well, so that its scores say too much" in said
    )
    assert checked["leaks"] == 1 and checked["salt"] == "" and checked["labels"]["sprot"] == 1


def test_jobs_get_the_field_of_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The words of the command alone: which field a record's group is in is the reader's affair.
    called: list[list[str]] = []

    class Done:
        returncode = 1

    def note(command: list[str], **_: object) -> type[Done]:
        called.append(command)
        return Done

    monkeypatch.setattr(stages.subprocess, "run", note)
    one = Stages(
        [write(tmp_path / "train.tsv", documents(9, 0))], tmp_path / "work", reading={"--group-field": "author"}
    )
    with pytest.raises(Exception, match="ended with exit code 1"):
        one.labelcount(preset("words"), "train")
    (command,) = called
    assert command[0] == sys.executable and command[command.index("--group-field") + 1] == "author"
    assert Settings(group_field="author").decides == {"group_field": "author"}
    assert Settings(group_field="author").flags()["group-field"] == "author"


def test_on_a_cluster_what_is_not_held_out_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # In place of the cluster: what it is asked for.
    monkeypatch.setattr(stages, "describe", lambda paths: [{"path": paths[0], "size": 1}])
    one, other = "hdfs:///train.tsv", "hdfs:///valid.tsv"
    assert Stages([one], "work").inputs == [{"path": one, "size": 1}]
    assert [found["path"] for found in Stages([one], "work", validation=other).inputs] == [one, other]


def test_two_trainings_do_not_share_a_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "train.tsv", documents(30, 0))
    write(tmp_path / "test.tsv", documents(9, 1))
    with Stages([path], train.work_folder(tmp_path / "model")).alone():
        assert run(tmp_path, *QUICK) == 2
    lines = capfd.readouterr().err.splitlines()
    assert "another training writes there at this moment; wait for its end, or give another --output" in lines[-1]
    assert not (tmp_path / "model").exists()

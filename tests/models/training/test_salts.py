"""A validation split that lacks a label is drawn again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce.input.records import SplitRule
from mapreduce.output import manifest
from models import train
from models.training.checks import check
from models.training.salts import SALTS, Sides
from tests.models.test_train import documents, run, write
from tests.models.training.test_flags import QUICK

RARE = [("rare", text) for text in ("rain in spring", "snow in may", "hail in june")]


def first(found: list[tuple[str, str]], share: float) -> str | None:
    """The first salt that has every label of two records in both splits, the slow way."""
    for salt in SALTS:
        rule = SplitRule("validation", share, salt.encode())
        sides = {(label, text.encode() in rule) for label, text in found}
        labels = [label for label, _ in found]
        if all((label, side) in sides for label in labels if labels.count(label) > 1 for side in (True, False)):
            return salt
    return None


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_first_that_has_all(seed: int, share: float) -> None:
    found = [*documents(36, seed), *((f"pair {seed}", f"{n} {seed}") for n in ("one", "two")), ("single", "x")]
    sides = Sides(share)
    for label, text in found:
        sides.add(label, text.encode())
    salt, said = sides.salt()
    expected = first(found, share)
    assert salt == (expected or "")
    assert said.startswith("warning") == (expected is None) and bool(said) == (expected != "")


def test_the_jobs_draw_with_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = documents(90, 0) + RARE
    write(tmp_path / "train.tsv", found)
    write(tmp_path / "test.tsv", documents(9, 1))
    salt = first(found, 0.1)
    assert salt  # the split without a salt lacks "rare"
    assert run(tmp_path, *QUICK) == 0
    words = capfd.readouterr().err
    assert f"labels that are not in both splits: 'rare'; with --salt {salt} all of two" in words
    results = manifest.read(tmp_path / "model")["results"]
    assert results["salt"] == salt
    (shards,) = (tmp_path / "model.work").glob("all-*-shards")
    assert manifest.read(shards)["arguments"]["salt"] == salt
    held_out = sum(text.encode() in SplitRule("validation", 0.1, salt.encode()) for _, text in found)
    assert results["splits"] == {"train": len(found) - held_out, "validation": held_out}


def test_where_no_salt_has_all_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "train.tsv", [*documents(90, 0), *[("twice", "the same")] * 2])
    assert check([str(path)])["salt"] == ""
    assert capsys.readouterr().err == (
        "warning: labels that are not in both splits: 'twice'; so it is with every salt up to 20\n"
    )


@pytest.mark.slow
def test_groups_are_drawn_and_the_model_knows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [(f"{'ab'[n % 2]}", f"{'xy'[n % 2]} {n}", f"author {n % 30}") for n in range(300)]
    records += [("rare", f"z {n}", f"author {n % 2}") for n in range(6)]
    rows = [("label", "text", "author"), *records]
    (tmp_path / "train.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    salt = first([(label, author) for label, _, author in records], 0.1)
    assert salt  # the split without a salt lacks "rare"
    command = ["--train", str(tmp_path / "train.csv"), "--output", str(tmp_path / "model"), "--candidates", "tf-idf"]
    assert train.main([*command, "--group-field", "author"]) == 0
    assert f"'rare'; with --salt {salt} all of two" in capsys.readouterr().err
    held = sum(author.encode() in SplitRule("validation", 0.1, salt.encode()) for _, _, author in records)
    described = manifest.read(tmp_path / "model")
    assert described["results"]["splits"] == {"train": len(records) - held, "validation": held}
    assert 'group-field = "author"\n' in (tmp_path / "model" / "train.toml").read_text()
    assert train.main([*command, "--group-field", "author"]) == 0
    assert "up to date" in capsys.readouterr().err
    assert train.main(["--config", str(tmp_path / "model" / "train.toml"), "--output", str(tmp_path / "again")]) == 0
    assert manifest.read(tmp_path / "again")["results"] == described["results"]

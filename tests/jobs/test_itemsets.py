"""jobs/itemsets.py: the sets and the rules that mlxtend finds, on random baskets, whatever the splits."""

from __future__ import annotations

import json
import random
import warnings
from pathlib import Path

import pandas
import pytest

from mapreduce.input.rows import split
from tests.conftest import Run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what mlxtend imports
    from mlxtend.frequent_patterns import association_rules, fpgrowth
    from mlxtend.preprocessing import TransactionEncoder

ITEMS = ["bread", "milk", "eggs", "pain d'été", 'a "b"', "x,y", "tea", "back\\slash", "rum", "ham"]


def drawn(seed: int, baskets: int) -> list[list[str]]:
    draw = random.Random(seed)
    groups = [draw.sample(ITEMS, 3) for _ in range(3)]
    found = []
    for _ in range(baskets):
        items = {item for item in draw.choice(groups) if draw.random() < 0.8}
        found.append(sorted(items | {draw.choice(ITEMS)}))
    return found


def expected(baskets: list[list[str]], support: float) -> pandas.DataFrame:
    encoder = TransactionEncoder()
    table = pandas.DataFrame(encoder.fit_transform(baskets), columns=encoder.columns_)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: pandas.DataFrame = fpgrowth(table, min_support=support, use_colnames=True)
    return found


def rows(output: bytes) -> list[list[str]]:
    return [[field.decode() for field in split(line)] for line in output.splitlines()]


def names_of(items: str) -> tuple[str, ...]:
    return tuple(sorted(json.loads(items)))


@pytest.mark.parametrize("seed", range(3))
def test_the_sets_are_those_of_mlxtend(run_job: Run, tmp_path: Path, seed: int) -> None:
    baskets, support = drawn(seed, 300), 0.05
    lines, table = tmp_path / "baskets.txt", tmp_path / "items.tsv"
    lines.write_text("".join(";".join(basket + basket[:1]) + "\n" for basket in baskets))
    table.write_text("".join(f"{n}\t{item}\n" for n, basket in enumerate(baskets) for item in basket))
    flags = ["--support", str(support)]
    outputs = {
        run_job("itemsets", *flags, "--separator", ";", str(lines)).stdout,
        run_job("itemsets", *flags, "--separator", ";", "-r", "local", str(lines)).stdout,
        run_job("itemsets", *flags, "--rows", str(table)).stdout,
    }
    assert len(outputs) == 1
    wanted = expected(baskets, support)
    counts = {tuple(sorted(items)): round(share * 300) for share, items in zip(wanted["support"], wanted["itemsets"])}
    found = rows(outputs.pop())
    assert {names_of(items): int(n) for items, n, _ in found} == counts
    assert all(float(share) == int(n) / 300 for _, n, share in found)


def test_the_rules_are_those_of_mlxtend(run_job: Run, tmp_path: Path) -> None:
    baskets = drawn(7, 400)
    lines = tmp_path / "baskets.txt"
    lines.write_text("".join(";".join(basket) + "\n" for basket in baskets))
    done = run_job("itemsets", "--support", "0.05", "--confidence", "0.4", "--separator", ";", str(lines))
    names = ("support", "confidence", "lift", "leverage", "conviction")
    found = {}
    for antecedent, consequent, *numbers in rows(done.stdout):
        found[names_of(antecedent), names_of(consequent)] = [float(number) for number in numbers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = association_rules(expected(baskets, 0.05), metric="confidence", min_threshold=0.4)
    assert len(found) == len(table) > 20
    for _, row in table.iterrows():
        numbers = found[tuple(sorted(row["antecedents"])), tuple(sorted(row["consequents"]))]
        assert numbers == pytest.approx([row[name] for name in names], rel=1e-9, abs=1e-12)


def test_what_lets_too_much_through_is_said(run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    path.write_text(" ".join(map(str, range(30))) + "\n")
    done = run_job("itemsets", "--support", "0.5", "--max-sets", "1000", str(path), code=2)
    assert b"more than 1000 item sets are frequent; give a higher --support" in done.stderr
    path.write_text("")
    assert b"no basket in the input" in run_job("itemsets", str(path), code=3).stderr
    path.write_text("one\none\n")
    assert run_job("itemsets", str(path)).stdout == b'["one"]\t2\t1.0\n'
    assert b"text has none; give --format tsv" in run_job("itemsets", "--rows", str(path), code=3).stderr

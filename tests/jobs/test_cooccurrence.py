"""jobs/cooccurrence.py against counts and scores by definition, on random users."""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from pathlib import Path

import pytest
from sklearn.metrics import mutual_info_score

from tests.conftest import Run


@pytest.mark.parametrize("score", ["count", "cosine", "llr"])
def test_scores_are_those_of_their_formulas(run_job: Run, tmp_path: Path, score: str) -> None:
    draw = random.Random(3)
    users = {f"u{n}": {f"i{int(draw.expovariate(0.2))}" for _ in range(draw.randint(1, 12))} for n in range(60)}
    users["many"] = {f"x{n}" for n in range(40)}
    lines = [f"{user}\t{item}\n" for user, items in users.items() for item in items]
    draw.shuffle(lines)
    path, out = tmp_path / "users.tsv", tmp_path / "out"
    path.write_text("".join(lines + lines[:5]))
    flags = ["--score", score, "--top", "7", "--max-items", "30", "--min-count", "2"]
    found = run_job("cooccurrence", *flags, path).stdout
    run_job("cooccurrence", "-r", "local", "--output-dir", out, *flags, path)
    assert b"".join(part.read_bytes() for part in sorted(out.glob("part-*"))) == found
    assert json.loads((out / "_manifest.json").read_text())["counters"]["baskets"] == {"left out (--max-items)": 1}
    holders = defaultdict(set)
    for user, items in users.items():
        for item in items:
            holders[item].add(user)
    rows = [line.split("\t") for line in found.decode().splitlines()]
    checked = 0
    for one in (item for item, by in holders.items() if len(by) > 1):
        scored = {}
        for other in (item for item, by in holders.items() if len(by) > 1 and item != one):
            if both := len(holders[one] & holders[other]):
                a, b = ([user in holders[item] for user in users] for item in (one, other))
                value = {
                    "count": both,
                    "cosine": both / math.sqrt(len(holders[one]) * len(holders[other])),
                    "llr": 2 * len(users) * mutual_info_score(a, b),
                }[score]
                scored[other] = (value, both)
        mine = [(other, float(value), int(n)) for item, other, n, value in rows if item == one]
        best = sorted((value for value, _ in scored.values()), reverse=True)[:7]
        assert [value for _, value, _ in mine] == pytest.approx(best, abs=1e-8)
        for other, value, n in mine:
            assert (value, n) == (pytest.approx(scored[other][0], abs=1e-8), scored[other][1])
            checked += 1
    assert checked == len(rows) > 50

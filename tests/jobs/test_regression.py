"""jobs/regression.py: what numpy finds by its singular values, exact sums, and columns that depend on others."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest

from mapreduce.native import library as native
from tests.conftest import Run

CITIES = ("Oslo", "Rome", "Pisa, IT")


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose prices are a sum of what stands beside them, but for noise; some are missing."""
    draw, path = random.Random(0), tmp_path_factory.mktemp("homes") / "homes.csv"
    lines = ["area,rooms,city,price"]
    for number in range(2000):
        area, rooms, city = draw.gauss(50, 10), draw.randint(1, 5), draw.choice(CITIES)
        price = 10 + 3 * area + 8 * rooms + 5 * (city == "Oslo") - 0.02 * area * area + draw.gauss(0, 4)
        lines.append(f'{area!r},{rooms},"{city}",{"" if number % 100 == 0 else repr(price)}')
    path.write_text("\n".join(lines) + "\n")
    return path


def columns(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["price"]]
    area, rooms, price = (np.array([float(row[name]) for row in rows]) for name in ("area", "rooms", "price"))
    return area, rooms, np.array([row["city"] == "Oslo" for row in rows]).astype(float), price


def fitted(output: bytes) -> dict[str, list[float]]:
    lines = (line.split("\t") for line in output.decode().splitlines())
    return {name: [float(number) for number in numbers] for name, *numbers in lines}


def test_it_finds_what_numpy_finds(run_job: Run, homes: Path, tmp_path: Path) -> None:
    area, rooms, oslo, price = columns(homes)
    on = 'area, rooms, city = "Oslo", area*area'
    outputs = {
        run_job("regression", "-r", runner, "--target", "price", "--on", on, *more, str(homes)).stdout
        for runner, more in (("inline", []), ("local", []), ("local", ["--jobconf", "mapreduce.job.maps=7"]))
    }
    assert len(outputs) == 1
    found = fitted(outputs.pop())
    x = np.column_stack([np.ones_like(area), area, rooms, oslo, area * area])
    wanted, _, _, values = np.linalg.lstsq(x, price, rcond=None)
    residual = price - x @ wanted
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * (residual @ residual) / (len(price) - 5))
    assert list(found) == ["1", "area", "rooms", 'city = "Oslo"', "area*area"]
    for numbers, coefficient, error in zip(found.values(), wanted, errors):
        assert numbers == pytest.approx([coefficient, error, coefficient / error], rel=1e-8)
    run_job("regression", "--target", "price", "--on", on, "--output-dir", str(tmp_path / "out"), str(homes))
    results = json.loads((tmp_path / "out" / "_manifest.json").read_text())["results"]
    assert results["rows"] == 1980 and results["left_out"] == 20
    spread = price - price.mean()
    assert results["r2"] == pytest.approx(1 - (residual @ residual) / (spread @ spread), rel=1e-10)
    lengths = x / np.linalg.norm(x, axis=0)
    assert results["condition"] == pytest.approx(np.linalg.cond(lengths), rel=1e-6)
    assert values[-1] > 0


@pytest.mark.skipif(native.load() is None, reason="no native library")
def test_the_library_sums_what_its_twin_sums(run_job: Run, homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--target", "price", "--on", "area,rooms", "--degree", "3", "--interactions", "--ridge", "0.5")
    fast = run_job("regression", *flags, str(homes)).stdout
    monkeypatch.setenv(native.OFF, "0")
    assert run_job("regression", *flags, str(homes)).stdout == fast
    area, rooms, _, price = columns(homes)
    x = np.column_stack([np.ones_like(area), *(one**n for n in (1, 2, 3) for one in (area, rooms)), area * rooms])
    penalty = np.diag([0.0, *[0.5] * 7])
    wanted = np.linalg.solve(x.T @ x + penalty, x.T @ price)
    assert [numbers[0] for numbers in fitted(fast.replace(b"\t\t\n", b"\n")).values()] == pytest.approx(
        wanted, rel=1e-3
    )


def test_what_cannot_be_solved_is_said(run_job: Run, homes: Path, tmp_path: Path) -> None:
    def refused(*flags: str) -> str:
        done = run_job("regression", *flags, str(homes), code=2)
        return done.stderr.decode()

    assert "rooms+area is 1*area; 1*rooms" in refused("--target", "price", "--on", "area,rooms,rooms+area")
    assert "2*rooms is 2*rooms" in refused("--target", "price", "--on", "rooms,2*rooms")
    assert "city is text" in refused("--target", "price", "--on", "area,city")
    assert "no column 'are'; perhaps area" in refused("--target", "price", "--on", "are")
    assert "--target price" in refused("--on", "area")
    few = tmp_path / "few.csv"
    few.write_text("x,y\n1,2\n,3\n")
    done = run_job("regression", "--target", "y", "--on", "x", str(few), code=2)
    assert b"1 rows have a value in every term (1 lack one), and there are 2 coefficients" in done.stderr

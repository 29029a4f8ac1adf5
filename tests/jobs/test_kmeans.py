"""jobs/kmeans.py: from the same centres what scikit-learn finds, the same bytes on any splits; seeds that help."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans

from mapreduce.native import library as native
from tests.conftest import Run


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Five groups of points that overlap a little, in a table with a further column; some lack a value."""
    draw = np.random.default_rng(1)
    middles = draw.uniform(-6, 6, (5, 3))
    points = np.concatenate([draw.normal(middle, 1.5, (150, 3)) for middle in middles])
    draw.shuffle(points)
    path = tmp_path_factory.mktemp("blobs") / "blobs.csv"
    lines = [f"n{i},{a!r},{b!r},{c!r}" for i, (a, b, c) in enumerate(points.tolist())]
    path.write_text("\n".join(["name,a,b,c", *lines, "x,1,,2", "y,,,"]) + "\n")
    return path, points


def fitted(output: bytes) -> np.ndarray:
    return np.array([[float(field) for field in line.split("\t")] for line in output.decode().splitlines()])


def test_it_finds_what_sklearn_finds_from_the_same_centres(
    run_job: Run, blobs: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, points = blobs
    begin = tmp_path / "begin.json"
    begin.write_text(json.dumps(points[:5].tolist()))
    flags = ["--on", "a,b,c", "--centres", str(begin), "--clusters", "5", "-q"]
    outputs = {
        run_job("kmeans", *flags, path).stdout,
        run_job("kmeans", "-r", "local", "--jobconf", "mapreduce.job.maps=7", *flags, path).stdout,
    }
    assert len(outputs) == 1
    found = fitted(outputs.pop())
    peer = KMeans(5, init=points[:5], n_init=1, algorithm="lloyd", tol=0, max_iter=300).fit(points)
    assert found[:, 3:] == pytest.approx(peer.cluster_centers_, abs=1e-5)
    assert found[:, 2].sum() == pytest.approx(peer.inertia_, rel=1e-9)
    out = tmp_path / "out"
    run_job("kmeans", *flags, "--assign", "--output-dir", out, path)
    rows = [line.split("\t") for part in sorted(out.glob("part-*")) for line in part.read_text().splitlines()]
    assert len(rows) == len(points)
    assert {name: int(cluster) for name, _, _, _, cluster in rows} == {f"n{i}": n for i, n in enumerate(peer.labels_)}
    results = json.loads((out / "_manifest.json").read_text())["results"]
    assert (results["rows"], results["left_out"]) == (len(points), 2)
    assert results["sum_of_squared_distances"] == pytest.approx(peer.inertia_, rel=1e-9)


@pytest.mark.skipif(native.load() is None, reason="no native library")
def test_the_library_assigns_as_its_twin(
    run_job: Run, blobs: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--on", "a,b,c", "--clusters", "4", "--standardise", "--rounds", "2", "-q", blobs[0]]
    fast = run_job("kmeans", *flags).stdout
    monkeypatch.setenv(native.OFF, "0")
    assert run_job("kmeans", *flags).stdout == fast


def test_seeds_are_better_than_random_ones(run_job: Run, blobs: tuple[Path, np.ndarray]) -> None:
    path, points = blobs
    found = fitted(run_job("kmeans", "--on", "a,b,c", "--clusters", "5", "--rounds", "0", "-q", path).stdout)
    begins = [((points[:, None] - points[None, i * 5 : i * 5 + 5]) ** 2).sum(2).min(1).sum() for i in range(5)]
    assert found[:, 2].sum() < np.median(begins)


def test_odd_rows(run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("x,y\n1,1\n1,1\n1,1\n5,5\n")
    done = run_job("kmeans", "--on", "x,y", "--clusters", "3", "-q", path, code=2)
    assert b"--clusters 3: only 2 different points were found in 4 rows; give fewer clusters" in done.stderr
    found = fitted(run_job("kmeans", "--on", "x,y", "--clusters", "2", "-q", path).stdout)
    assert sorted(found[:, 1:].tolist()) == [[1, 0, 5, 5], [3, 0, 1, 1]]
    begin = tmp_path / "begin.json"
    begin.write_text("[[0, 0], [100, 100], [200, 200]]")
    flags = ["--on", "x,y", "--centres", begin, "-q"]
    found = fitted(run_job("kmeans", *flags, path).stdout)  # an emptied cluster takes the row that is farthest
    assert {tuple(row) for row in found[:, 3:].tolist()} >= {(1.0, 1.0), (5.0, 5.0)}
    flags = ["--on", "x", "--types", "x:int", "-q"]
    assert b"no row has a value" in run_job("kmeans", *flags, blank(tmp_path), code=2).stderr
    assert b"name the columns" in run_job("kmeans", path, code=2).stderr
    assert b"a centre has 1 numbers" in run_job("kmeans", "--on", "x", "--centres", begin, path, code=2).stderr


def blank(folder: Path) -> Path:
    path = folder / "blank.csv"
    path.write_text("x,y\n,1\n,2\n")
    return path

"""Spark's practice cluster for all tests of this folder: started once, and stopped at the end unless it ran before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hadoop import hostile
from tests.spark import cluster as practice


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here are marked `spark`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def standalone() -> Iterator[list[str]]:
    """The flags that run a job on the standalone cluster, whose nodes have the files of this machine."""
    ran = practice.pid("master") is not None
    subprocess.run([sys.executable, ROOT / "tests/spark/cluster.py", "up"], check=True)
    yield ["--spark-master", practice.MASTER, "--spark-tmp-dir", "/tmp"]
    if not ran:
        practice.down()


@pytest.fixture(params=["local[2]", "standalone"])
def master(request: pytest.FixtureRequest) -> list[str]:
    """The flags of each master."""
    if request.param == "standalone":
        found: list[str] = request.getfixturevalue("standalone")
        return found
    return ["--spark-master", str(request.param)]


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of hostile input, by its kind."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile.write_images(folder / "images")
    hostile.write(folder / "text", labelled=False)
    hostile.write(folder / "tsv", labelled=True)
    return {kind: folder / kind for kind in ("text", "tsv", "images")}

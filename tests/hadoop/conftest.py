"""The practice cluster for all tests of this folder: started once, and stopped at the end unless it ran before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hadoop import cluster as practice
from tests.hadoop import hostile

Hadoop = Callable[..., "subprocess.CompletedProcess[str]"]
IN_CLIENT = ("--jobconf", "mapreduce.framework.name=local")
"""Runs a streaming job inside Hadoop's client, in one Java machine, with the cluster's HDFS: seconds, not a minute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here are marked `hadoop`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.hadoop)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """HADOOP_HOME of the running cluster."""
    ran = practice.ready()
    subprocess.run([sys.executable, ROOT / "tests/hadoop/cluster.py", "up"], check=True)
    before = dict(os.environ)
    os.environ.update(HADOOP_HOME=str(practice.HOME), PATH=f"{practice.HOME}/bin:{before['PATH']}", LC_ALL="C.UTF-8")
    os.environ.pop("HADOOP_CONF_DIR", None)
    yield practice.HOME
    os.environ.clear()
    os.environ.update(before)
    if not ran:
        practice.down()


@pytest.fixture(scope="session")
def hadoop(cluster: Path) -> Hadoop:
    """Runs `hadoop ARGS`; what earlier runs of the tests have written is gone."""

    def run(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [cluster / "bin/hadoop", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    run("fs", "-rm", "-r", "-f", "-skipTrash", "/out", "/kept")
    return run


@pytest.fixture(scope="session")
def inputs(cluster: Path, hadoop: Hadoop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of hostile input: "text", "tsv" and "images" here, "hdfs text" and so on the same on the cluster."""
    folder = tmp_path_factory.mktemp("hostile")
    hadoop("fs", "-rm", "-r", "-f", "/hostile")
    places = {}
    hostile.write_images(folder / "images")
    for kind in ("text", "tsv", "images"):
        if kind != "images":
            hostile.write(folder / kind, labelled=kind == "tsv")
        places[kind] = str(folder / kind)
        places[f"hdfs {kind}"] = f"hdfs:///hostile/{kind}"
    hadoop("fs", "-put", folder, "/hostile")
    return places


def parts(folder: Path) -> dict[str, bytes]:
    """The part files of an output."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("part-")}


def find_python(*versions: str) -> str:
    """A Python of one of these versions that runs, on the PATH or of pyenv; skips the test where there is none."""
    for version in versions:
        found = [
            shutil.which(f"python{version}"),
            *glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python")),
        ]
        for path in filter(None, found):
            if subprocess.run([path, "-V"], capture_output=True).returncode == 0:  # pyenv's shims may not run
                return path
    pytest.skip(f"no Python {' or '.join(versions)} on this machine")

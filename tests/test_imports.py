"""The import rules: a room imports only rooms below it, and the nodes of a cluster need mrjob alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = [
    # The ground: what everything may use.
    ["mapreduce"],
    ["mapreduce.errors", "mapreduce.mrjob_compat", "mapreduce.paths", "mapreduce.progress"],
    ["mapreduce.command", "mapreduce.flag_values"],
    # The parts of a job.
    ["mapreduce.tokens"],
    ["mapreduce.native"],
    ["mapreduce.output"],
    ["mapreduce.input"],
    ["mapreduce.shuffle"],
    ["mapreduce.features", "mapreduce.tables"],
    ["mapreduce.methods"],
    # What runs it, and what a job is.
    ["mapreduce.local"],
    ["mapreduce.cluster"],
    ["mapreduce.runners"],
    ["mapreduce.job"],
    ["mapreduce.recordjob"],
    ["mapreduce.basketjob", "mapreduce.tablejob", "mapreduce.textjob"],
    ["mapreduce.doctor", "mapreduce.featuremill"],
    ["data", "jobs"],
    # Models.
    ["models.inputs", "models.quiet"],
    ["models.layers"],
    ["models.dataset"],
    ["models.counts"],
    ["models.architectures"],
    ["models.serving"],
    ["models"],
    ["models.training"],
    ["models.evaluate", "models.lite", "models.predict", "models.tfrecord"],
    ["models.train"],
    ["models.records"],
]
"""From the ground up; what stands on one floor knows nothing of each other."""
FLOOR = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
FORBIDDEN = ("numpy", "tensorflow", "keras", "models", "sklearn", "scipy")


def modules(*packages: str) -> dict[str, Path]:
    """Every module of packages by name."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "raw" in path.parts or "derived" in path.parts:
                continue  # data that was fetched
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


ALL = modules("data", "jobs", "mapreduce", "models")


def room_of(module: str) -> str:
    """The room that a module stands in."""
    while module not in FLOOR:
        assert "." in module, module
        module = module.rpartition(".")[0]
    return module


def imports(path: Path) -> set[str]:
    """The modules of ours that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found.update(name if name in ALL else node.module for name in names)
    return found & set(ALL)


@pytest.mark.parametrize("module", ALL)
def test_a_room_imports_only_rooms_below_it(module: str) -> None:
    ours = room_of(module)
    for name in imports(ALL[module]):
        theirs = room_of(name)
        assert theirs == ours or FLOOR[theirs] < FLOOR[ours], f"{module} ({ours}) imports {name} ({theirs})"
    if module.startswith("jobs."):  # a job script is uploaded alone
        assert not any(name.startswith("jobs.") for name in imports(ALL[module]))


def imported(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_nodes_import_the_standard_library_and_mrjob() -> None:
    ours = {name for name in modules("mapreduce", "jobs", "data") if not name.endswith("spark")}
    names = imported("import " + ", ".join(sorted(ours)))
    assert not names & set(FORBIDDEN)
    assert ours <= names


def test_setuptools_is_not_imported() -> None:
    # mrjob's distutils would bring it in, at 0.16 s a job.
    assert "setuptools" not in imported("import mapreduce.textjob, mapreduce.local.runner")


def test_a_local_run_imports_no_cluster() -> None:
    assert not {name for name in imported("import mapreduce.local.runner") if name.startswith("mapreduce.cluster")}


def test_checking_a_manifest_needs_no_tensorflow() -> None:
    assert "tensorflow" not in imported("import models.dataset, models.counts.feature_weights")


def test_commands_start_without_numpy() -> None:
    commands = "models, models.evaluate, models.lite, models.predict, models.records, models.tfrecord, models.train"
    assert not imported(f"import {commands}") & {"numpy", "tensorflow", "keras"}

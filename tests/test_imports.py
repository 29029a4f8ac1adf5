"""The import rule: nothing imports what stands after it in the flow, and the nodes need mrjob alone."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for room in ("mapreduce", "jobs")
    for path in sorted((ROOT / room).glob("*.py"))
    if path.name != "__init__.py"
]
FORBIDDEN = ("numpy", "tensorflow", "keras", "models", "sklearn", "scipy")


def imported(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter has after a statement."""
    program = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_nodes_import_the_standard_library_and_mrjob() -> None:
    names = imported("import " + ", ".join(MODULES))
    assert not names & set(FORBIDDEN)
    assert set(MODULES) <= names


@pytest.mark.parametrize("module", MODULES)
def test_mapreduce_imports_no_jobs(module: str) -> None:
    source = (ROOT / (module.replace(".", "/") + ".py")).read_text()
    later = {"mapreduce": ("jobs", "models"), "jobs": ("jobs", "models")}[module.split(".")[0]]
    for name in later:
        assert f"import {name}" not in source and f"from {name}" not in source


def test_setuptools_is_not_imported() -> None:
    # mrjob's distutils would bring it in, at 0.16 s a job.
    assert "setuptools" not in imported("import mapreduce.textjob, mapreduce.local.runner")


def test_checking_a_manifest_needs_no_tensorflow() -> None:
    assert "tensorflow" not in imported(
        "import mapreduce.output.manifest, models.dataset, models.counts.feature_weights"
    )

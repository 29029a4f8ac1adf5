"""docs/python.md and the notebook beside it: their code runs and gives what it says, and the reference is the code's.

    python -m tests.test_python_page

writes the reference anew.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "python.md"
NOTEBOOK = ROOT / "docs" / "first_model.ipynb"
BEGIN, END = "<!-- reference -->\n", "<!-- /reference -->"
MODULES = (
    "models",
    "models.records",
    "models.train",
    "models.training.settings",
    "models.evaluate",
    "models.predict",
    "models.dataset",
    "models.tfrecord",
    "models.counts.feature_counts",
    "models.counts.feature_weights",
    "models.counts.bags",
    "models.counts.linear",
    "models.serving.export",
    "models.serving.text_model",
    "models.serving.linear_model",
    "models.serving.pixel_model",
    "models.serving.classifier",
    "models.serving.loaded_linear",
    "models.serving.loaded_texts",
    "models.serving.loaded_images",
    "models.serving.table_model",
    "models.serving.loaded_tables",
    "models.serving.litert",
    "mapreduce.job",
    "mapreduce.textjob",
    "mapreduce.cluster.dataframes",
    "mapreduce.tokens.specification",
    "mapreduce.output.vocabulary",
    "mapreduce.output.manifest",
    "mapreduce.errors",
)
METHODS = {
    "Classifier": ("__call__", "predict", "encode", "answer"),
    "Job": ("map_blocks", "make_runner", "run"),
    "TextJob": ("documents", "texts"),
}
"""Of these classes the methods that a user's code calls or defines."""


def signature(found: Any) -> str:
    """Names and defaults of the parameters; a default that is an object of ours is shown as it is made."""
    if inspect.isclass(found) and issubclass(found, Exception):
        return ""  # that of every exception
    shown = []
    plain = inspect.signature(found)
    for parameter in plain.parameters.values():
        default = parameter.default
        if dataclasses.is_dataclass(default) and default == type(default)():  # type: ignore[misc]
            default = Shown(f"{type(default).__name__}()")
        shown.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(plain.replace(parameters=shown, return_annotation=plain.empty))


class Shown:
    """Has the representation that it is told."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def about(found: Any) -> str:
    """The first sentence of a docstring, fit for a cell of a table."""
    first = " ".join(str(found.__doc__).split("\n\n")[0].split())
    return re.split(r"(?<=[^.][.])(?=\s+[A-Z`])", first)[0].replace("|", "\\|")


def names(module: Any) -> list[str]:
    """What a module offers: what `__all__` says, or what is defined in it."""
    if module.__name__ == "models":
        return list(module.__all__)
    found = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]
    return [name for name in found if name not in ("main", "parser")]


def reference() -> str:
    """The tables of the reference."""
    lines = []
    for name in MODULES:
        module = importlib.import_module(name)
        lines += ["", f"### `{name}`", "", "| | |", "|---|---|"]
        for entry in names(module):
            found = getattr(module, entry)
            lines.append(f"| `{entry}{signature(found)}` | {about(found)} |")
            for method in METHODS.get(entry, ()):
                function = inspect.unwrap(getattr(found, method))
                shown = signature(function).replace("(self, ", "(").replace("(self)", "()")
                shown = shown.replace("(cls)", "()")
                called = f"model{shown}" if method == "__call__" else f"{entry}.{method}{shown}"
                lines.append(f"| `{called}` | {about(function)} |")
    return "\n".join(lines[1:]) + "\n"


def test_the_reference_is_what_the_code_says() -> None:
    page = PAGE.read_text()
    shown = page.split(BEGIN)[1].split(END)[0]
    assert shown == reference(), "python -m tests.test_python_page writes it anew"
    for row in shown.splitlines():
        assert not row.endswith("| None |"), row  # everything has a docstring


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE.read_text() + NOTEBOOK.read_text())
    assert len(links) >= 4
    for target in links:
        assert (PAGE.parent / target).exists(), target


def program(page: str) -> str:
    """The blocks of a page as one program; what a comment behind an expression says becomes an assertion."""
    lines = []
    for kind, block in re.findall(r"^```(python|sh)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        lines.append(asserted(block) if kind == "python" else f"subprocess.run({block!r}, shell=True, check=True)\n")
    return "import subprocess\n" + "\n".join(lines)


def asserted(block: str) -> str:
    """A block in which an expression with a comment behind it that is a literal is asserted to be that."""
    lines = block.splitlines(keepends=True)
    for node in ast.parse(block).body:
        code, mark, comment = lines[node.lineno - 1].rstrip("\n").partition("  # ")
        if isinstance(node, ast.Expr) and mark:
            ast.literal_eval(comment)
            lines[node.lineno - 1] = f"assert (_got := {code}) == {comment}, _got\n"
    return "".join(lines)


def run(code: str, folder: Path) -> None:
    """Runs a program in a folder, where `featuremill` is this checkout's."""
    command = folder / "bin" / "featuremill"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mapreduce.featuremill "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    (folder / "program.py").write_text(code)
    done = subprocess.run([sys.executable, "program.py"], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_page_runs_and_gives_what_it_says(tmp_path: Path) -> None:
    code = program(PAGE.read_text())
    assert code.count("assert (_got := ") == 7
    run(code, tmp_path)


def cells() -> list[dict[str, Any]]:
    """The notebook's cells."""
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text())["cells"]
    return found


def test_the_notebook_is_stored_without_results() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK.read_text() == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    for cell in cells():
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    code = [asserted("".join(cell["source"])) for cell in cells() if cell["cell_type"] == "code"]
    assert len(code) > 4 and "assert (_got := " in "".join(code)
    run("\n".join(code), tmp_path)


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + reference() + END + rest.partition(END)[2])

"""The examples in docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
import re

import pytest

from tests.conftest import ROOT
from tests.test_imports import ALL

WITH_EXAMPLES = sorted(name for name, path in ALL.items() if ">>> " in path.read_text())


def test_there_are_examples() -> None:
    assert len(WITH_EXAMPLES) >= 15


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0 and found.failed == 0


PAGES = [*ALL.values(), *(ROOT / name for name in ("README.md", "data/README.md", "docs/python.md"))]
PAGES += [ROOT / "mapreduce" / "tokens" / "SPECIFICATION.md", ROOT / "mapreduce" / "local" / "README.md"]
PAGES += [ROOT / "tests" / "hadoop" / "README.md"]
NAME = re.compile(r"`((?:data|jobs|mapreduce|models)(?:\.\w+)+)(?:\([^`]*\))?`")
FILE = re.compile(r"(?<![\w/.])((?:data|jobs|mapreduce|models|tests)/[\w/]+\.(?:py|c|h|md))\b")
JOBCONF = re.compile(
    r"mapreduce\.(job\.reduces|job\.maps|map\.|reduce\.|task\.|input\.|output\.fileoutput|fileoutput|client\.p)"
)


def test_modules_and_files_that_texts_name_are_there() -> None:
    gone = []
    for path in PAGES:
        text = path.read_text()
        for name in NAME.findall(text):
            if not JOBCONF.match(name) and not exists(name):
                gone.append(f"{path.relative_to(ROOT)}: {name}")
        gone += [f"{path.relative_to(ROOT)}: {file}" for file in FILE.findall(text) if not (ROOT / file).exists()]
    assert gone == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something in one."""
    module, rest = name, []
    while module not in ALL:
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
        if not module:
            return False
    found = importlib.import_module(module)
    for part in rest:
        if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
            return False
        found = getattr(found, part, None)
    return True

"""The page on the specification shows what the tokenizer does."""

import re
from pathlib import Path
from typing import Any

from mapreduce.tokens.specification import FEATURES, PRESETS, WIDTHS, Specification, preset
from mapreduce.tokens.tokenizer import Tokenizer


def test_the_table_of_presets(root: Path) -> None:
    page = (root / "mapreduce" / "tokens" / "SPECIFICATION.md").read_text().partition("## Presets")[2]
    rows = [re.findall(r"`([^`]*)`", line) for line in page.splitlines() if line.startswith("| ")]
    sentences = rows[0]
    shown = {row[0]: row[1:] for row in rows[1:] if row and row[0] in PRESETS}
    assert len(sentences) == 5
    assert shown == {
        name: [b" ".join(Tokenizer(preset(name)).words(s.encode())).decode() for s in sentences] for name in PRESETS
    }


def test_the_table_of_features(root: Path) -> None:
    page = (root / "mapreduce" / "tokens" / "SPECIFICATION.md").read_text().partition("## Presets")[0]
    (text,) = re.findall(r"`([^`]*)` has, a", page)
    every: dict[str, Any] = {}
    shown = []
    for name, value, features in re.findall(r"^\| `(\w+)` ?([\d, ]*) \| (.*) \|$", page, re.MULTILINE):
        numbers = tuple(map(int, value.split(","))) if value else ()
        every[name] = numbers if name in WIDTHS else numbers[0] if numbers else True
        shown += [one.replace("␣", " ").encode() for one in re.findall(r"`([^`]*)`", features)]
    assert tuple(every) == FEATURES
    assert Tokenizer(Specification(**every)).features(text.encode()) == shown

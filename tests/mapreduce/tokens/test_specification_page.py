"""The page on the specification shows what the tokenizer does."""

import re
from pathlib import Path

from mapreduce.tokens.specification import PRESETS, preset
from mapreduce.tokens.tokenizer import Tokenizer


def test_the_table_of_presets(root: Path) -> None:
    page = (root / "mapreduce" / "tokens" / "SPECIFICATION.md").read_text()
    rows = [re.findall(r"`([^`]*)`", line) for line in page.splitlines() if line.startswith("| ")]
    sentences = rows[0]
    shown = {row[0]: row[1:] for row in rows[1:] if row and row[0] in PRESETS}
    assert len(sentences) == 5
    assert shown == {
        name: [b" ".join(Tokenizer(preset(name)).words(s.encode())).decode() for s in sentences] for name in PRESETS
    }

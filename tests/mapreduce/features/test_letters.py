"""Letters are counted by script, whatever else there is."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from mapreduce.features.letters import count_letters
from mapreduce.tokens.specification import preset
from mapreduce.tokens.tokenizer import Tokenizer
from mapreduce.tokens.unicode import UNSPACED
from tests.conftest import Run

NAMES = {"Han": ("CJK", "KANGXI", "IDEOGRAPHIC"), "Kana": ("KATAKANA", "HIRAGANA"), "Burmese": ("MYANMAR",)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A good film, 7 of 10!", {"others": 11}),
        ("очень, Ελλάδα 한국어", {"others": 14}),
        ("这部 iPhone，非常好看。", {"Han": 6, "others": 6}),
        ("この映画は、とてもｶﾅー", {"Kana": 9, "Han": 2}),
        ("ดีมาก ๑๒๓", {"Thai": 5}),
        ("ດີຫຼາຍ", {"Lao": 6}),
        ("ល្អណាស់។", {"Khmer": 7}),
        ("ကောင်းတယ်။", {"Burmese": 9}),
        ("1 + 1 = 2", {}),
        ("", {}),
    ],
)
def test_scripts(text: str, found: dict[str, int]) -> None:
    assert count_letters(text.encode()) == found


def test_what_is_not_utf_8_is_no_letter() -> None:
    assert count_letters(b"caf\xe9 \xff\xe4\xb8") == {"others": 3}


@pytest.mark.parametrize("script", UNSPACED)
def test_ranges_hold_letters_and_signs_of_their_script(script: str) -> None:
    names = NAMES.get(script, (script.upper(),))
    codes = [code for first, last in UNSPACED[script] for code in range(first, last + 1)]
    known = [chr(code) for code in codes if unicodedata.category(chr(code)) != "Cn"]
    assert not [c for c in known if unicodedata.category(c) in ("Nd", "Po", "Zs")]
    assert not [c for c in known if not any(name in unicodedata.name(c) for name in names)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("好看！iPhone 7", "好 看 ! iphone 7"),
        ("ดีมาก", "ด ี ม า ก"),
        ("とてもﾖｶｯﾀ", "と て も ヨ カ ッ タ"),
    ],
)
def test_the_preset_sets_characters_apart(text: str, words: str) -> None:
    assert b" ".join(Tokenizer(preset("unspaced")).words(text.encode())).decode() == words


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_labelcount_keeps_them_in_its_manifest(run_job: Run, tmp_path: Path, runner: str) -> None:
    path = tmp_path / "train.tsv"
    path.write_text("a\t好看 ok\nb\tดี\n")
    run_job("labelcount", "-r", runner, "--output-dir", str(tmp_path / "labels"), str(path))
    counters = json.loads((tmp_path / "labels" / "_manifest.json").read_text())["counters"]
    assert counters["letters"] == {"Han": 2, "Thai": 2, "others": 2}

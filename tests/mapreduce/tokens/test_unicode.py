"""The frozen Unicode tables, against Unicode's own data as this Python has it."""

import json
import sys
import unicodedata

import pytest

from mapreduce.tokens.specification import preset
from mapreduce.tokens.tokenizer import Tokenizer
from mapreduce.tokens.unicode import FILE, VERSION, classes, folded, generate

OLD = unicodedata.ucd_3_2_0


def test_the_file_is_what_its_program_writes(root) -> None:  # type: ignore[no-untyped-def]
    if unicodedata.unidata_version != VERSION:
        pytest.skip(f"this Python has Unicode {unicodedata.unidata_version}, the table is of {VERSION}")
    assert json.loads((root / "mapreduce" / FILE).read_text()) == json.loads(json.dumps(generate()))


def test_code_points_that_have_not_changed_since_unicode_3() -> None:
    found = classes()
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if 0xD800 <= code < 0xE000 or OLD.category(character) == "Cn":
            continue
        if OLD.category(character) == unicodedata.category(character):
            assert found.fold.get(code, character) == folded(character)
            assert (code in found.ignorable) == (unicodedata.category(character) == "Cf")


def test_white_space_is_that_of_python() -> None:
    spaces = {c for c in range(sys.maxunicode + 1) if chr(c).isspace()}
    assert classes().space == spaces - {9, 10, 11, 12, 13, 32}


def test_ideographs_are_letters_by_name() -> None:
    names = [unicodedata.name(chr(code), "") for code in sorted(classes().ideograph)]
    assert all(name.startswith("CJK UNIFIED IDEOGRAPH-") or not name for name in names)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("unicode", "Ｆｕｌｌ Straße—ﬁne\u2028ÀÉ\u00adx", "full strasse fine àéx"),
        ("unicode", "中文，字", "中文 字"),
        ("cjk", "中文，ab字", "中 文 ab 字"),
        ("cjk", "\uf900", "豈"),
        ("characters", "Añ\u00a0中", "A ñ 中"),
    ],
)
def test_presets(name: str, text: str, words: str) -> None:
    assert b" ".join(Tokenizer(preset(name)).words(text.encode())).decode() == words

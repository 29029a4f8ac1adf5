"""Classes of code points, frozen to one Unicode version: what folding, white space, punctuation and ideographs are.

The interpreter's own `unicodedata` differs from Python to Python, so the tables are made once, by
`python -m mapreduce.tokens.unicode` under a Python with Unicode 15.0 (3.12), and kept in unicode.json. Specifications
are built from them in `mapreduce.tokens.specification`. No text is normalized here.
"""

from __future__ import annotations

import json
import pkgutil
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

VERSION = "15.0.0"
FILE = "unicode.json"
# CJK Unified Ideographs with extensions A to H; the compatibility ideographs fold to these.
IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x2A6DF), (0x2A700, 0x2EBE0), (0x30000, 0x323AF))


# Letters and signs of the scripts that put no spaces between words; digits and punctuation are left out.
UNSPACED = {
    "Han": ((0x2E80, 0x2FDF), (0x3005, 0x3007), *IDEOGRAPHS, (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
    "Kana": ((0x3041, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)),
    "Thai": ((0x0E01, 0x0E3A), (0x0E40, 0x0E4E)),
    "Lao": ((0x0E81, 0x0ECE), (0x0EDC, 0x0EDF)),
    "Khmer": ((0x1780, 0x17D3), (0x17D7, 0x17D7), (0x17DC, 0x17DD)),
    "Burmese": ((0x1000, 0x103F), (0x1050, 0x108F), (0x109A, 0x109F), (0xA9E0, 0xA9EF), (0xAA60, 0xAA7F)),
}


@dataclass(frozen=True)
class Classes:
    """Code points by class.

    Attributes:
        fold: code point to its compatibility form in folded case, code points that stay left out.
        space: white space beyond ASCII's, and its separators 28 to 31.
        punctuation: general category P, and the 32 marks of ASCII.
        ignorable: general category Cf: soft hyphens, joiners, direction marks, the byte order mark.
        ideograph: each of them is a word in Chinese text.
        unspaced: of any script in UNSPACED.
    """

    fold: dict[int, str]
    space: frozenset[int]
    punctuation: frozenset[int]
    ignorable: frozenset[int]
    ideograph: frozenset[int]
    unspaced: frozenset[int]


@cache
def classes() -> Classes:
    """The frozen tables."""
    data = json.loads(pkgutil.get_data("mapreduce.tokens", FILE) or b"")
    fold = {int(code): text for code, text in data["fold"].items()}
    for first, last, offset in data["fold_runs"]:
        fold.update((code, chr(code + offset)) for code in range(first, last + 1))
    space, punctuation, ignorable = (_members(data[name]) for name in ("space", "punctuation", "ignorable"))
    unspaced = _members(run for runs in UNSPACED.values() for run in runs)
    return Classes(fold, space, punctuation, ignorable, _members(IDEOGRAPHS), unspaced)


def _members(runs: Iterable[Iterable[int]]) -> frozenset[int]:
    return frozenset(code for first, last in runs for code in range(first, last + 1))


def folded(character: str) -> str:
    """NFKC and case folding of one code point, until nothing changes (as in Unicode's toNFKC_Casefold)."""
    while (after := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())) != character:
        character = after
    return character


def generate() -> dict[str, object]:
    """The content of unicode.json, by the `unicodedata` of this interpreter."""
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    fold = {code: text for code in codes if (text := folded(chr(code))) != chr(code)}
    runs: list[list[int]] = []
    for code, text in fold.items():
        offset = ord(text) - code if len(text) == 1 else None
        if offset is not None and runs and runs[-1][1] == code - 1 and runs[-1][2] == offset:
            runs[-1][1] = code
        elif offset is not None:
            runs.append([code, code, offset])
    runs = [run for run in runs if run[1] > run[0]]
    in_runs = {code for first, last, _ in runs for code in range(first, last + 1)}
    category = {code: unicodedata.category(chr(code)) for code in codes}
    marks = {code for code in range(33, 127) if not chr(code).isalnum()}
    return {
        "version": unicodedata.unidata_version,
        "fold": {str(code): text for code, text in fold.items() if code not in in_runs},
        "fold_runs": runs,
        "space": _runs(code for code in codes if code > 13 and code != 32 and chr(code).isspace()),
        "punctuation": _runs(code for code in codes if category[code].startswith("P") or code in marks),
        "ignorable": _runs(code for code in codes if category[code] == "Cf"),
    }


def _runs(codes: Iterable[int]) -> list[list[int]]:
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return runs


if __name__ == "__main__":
    if unicodedata.unidata_version != VERSION:
        sys.exit(
            f"mapreduce.tokens.unicode: this Python has Unicode {unicodedata.unidata_version}, and {VERSION} is needed"
        )
    json.dump(generate(), sys.stdout, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    print()

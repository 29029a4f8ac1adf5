"""Whether texts are written without spaces between words, as Chinese, Japanese, Thai, Lao, Khmer and Burmese are.

By the characters of what was counted on the train split. What the candidates are then stands in
`models.training.candidates`; nothing is counted here.
"""

from __future__ import annotations

import re
from collections import Counter

from models.counts.feature_counts import FeatureCounts

SCRIPTS = {
    "Han": "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "Kana": "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Lao": "\u0e81-\u0ebd\u0ec0-\u0ecd\u0edc-\u0edf",
    "Khmer": "\u1780-\u17d3\u19e0-\u19ff",
    "Burmese": "\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f",
}
"""Ranges of Unicode's letters and signs, by the name of the script."""
SHARE = 0.3
"""Texts are written without spaces where so many of their letters are of these scripts."""
_PATTERNS = {name: re.compile(f"[{ranges}]") for name, ranges in SCRIPTS.items()}
_LETTERS = re.compile(r"[^\W\d_]|[\u0e31-\u0e4e\u1000-\u109f\u1780-\u17d3]")
_ASCII = bytes(set(range(128)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))


def shares(counts: FeatureCounts) -> dict[str, float]:
    """The share of each script in the letters of all words, where it has one; each word as often as it occurs."""
    found: Counter[str] = Counter()
    total = 0
    for word, times in zip(counts.features, counts.term_frequency.tolist()):
        if b" " in word:
            continue
        if word.isascii():
            total += len(word.translate(None, _ASCII)) * times
            continue
        text = word.decode("utf-8", "replace")
        total += len(_LETTERS.findall(text)) * times
        for name, pattern in _PATTERNS.items():
            if n := len(pattern.findall(text)):
                found[name] += n * times
    return {name: n / total for name, n in found.most_common()} if total else {}


def unspaced(counts: FeatureCounts) -> dict[str, float]:
    """The same, where the texts are written without spaces; else {}."""
    found = shares(counts)
    return found if sum(found.values()) > SHARE else {}


def explain(found: dict[str, float]) -> str:
    """One line on what was noticed, and what follows."""
    named = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.items() if share >= 0.005)
    what = "ideographs" if is_chinese(found) else "characters"
    return f"texts without spaces between words ({named} of the letters): {what} are the tokens"


def is_chinese(found: dict[str, float]) -> bool:
    """Whether the ideographs are enough: all else that is written stands between spaces."""
    return all(share < SHARE / 10 for name, share in found.items() if name != "Han")

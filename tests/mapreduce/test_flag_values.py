"""Values of flags: what is meant, and that what is absurd is refused in one short line, at once."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from mapreduce.flag_values import count_or_share, memory_size, up_to_or_widths, whole, widths

HUGE = "9" * 5000
ABSURD = ["", " ", "-", "a", "²", "-1", "1.5.2", "99999999999999999999", HUGE, f"1-{HUGE}"]
PARSERS: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "widths": (
        widths,
        ["0", "0-3", "5-3", "3,1", "1,1", "1,", "101", "1-101", "1-999999999", "99-99999999999999999999"],
    ),
    "up_to_or_widths": (up_to_or_widths, ["0", "5-3", "101", "1-999999999"]),
    "memory_size": (memory_size, ["0", "0M", "-5M", "M", "1T", "1.5G", "1048577G"]),
    "whole": (whole(1), ["0", "1000000000000000001", "1.0"]),
    "count_or_share": (count_or_share, ["1.1", "nan", "inf", "-0.1", "1000000000000000001"]),
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, (_, more) in PARSERS.items() for text in [*ABSURD, *more]]
)
def test_what_is_absurd_is_refused_in_a_line(name: str, text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ArgumentTypeError) as caught:
        PARSERS[name][0](text)
    assert time.perf_counter() - started < 0.5
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_what_is_meant() -> None:
    assert widths("1-100") == tuple(range(1, 101))
    assert [up_to_or_widths(text) for text in ("3", "3-3", "1,3")] == [3, (3,), (1, 3)]
    assert [memory_size(text) for text in ("1", "1k", "512M", "1048576G")] == [1, 1024, 512 << 20, 1 << 50]
    assert whole(0)("0") == 0
    assert [count_or_share(text) for text in ("0", "0.5", "1.0")] == [0, 0.5, 1.0]

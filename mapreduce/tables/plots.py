"""Pictures of columns: one page of what `schema` says of each, as SVG or PNG, by matplotlib.

Numbers and times are histograms, texts and booleans bars of their most frequent values. The same figures give the same
bytes with one version of matplotlib. Nothing is counted here.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mapreduce.command import require
from mapreduce.errors import UserError
from mapreduce.output import atomic
from mapreduce.tables.shown import cut
from mapreduce.tables.types import DATE, NUMBERS, TIMESTAMP, WHOLE

KINDS = (".svg", ".png")
MOST = 120
"""Columns on a page."""
_ACROSS, _SIZE = 4, (3.2, 2.3)  # columns side by side, and inches of each
_SETTINGS = {"svg.hashsalt": "featuremill", "svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
_LONGEST, _BARS = 18, 10  # characters of a value, and how many of them are shown


def check(path: str) -> None:
    """Raises UserError where no page can be drawn to a file."""
    if os.path.splitext(path)[1].lower() not in KINDS:
        raise UserError(f"--plot: a page is SVG or PNG, by its name. Received: {path}")
    require("matplotlib")


def draw(path: str, columns: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Draws a page of columns, each a name and its figures (`tables.columns.Column.figures`), to a file.

    Needs matplotlib, as `check` says.
    """
    import matplotlib
    from matplotlib.figure import Figure

    shown = columns[:MOST]
    across = min(_ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that its font lacks
        figure = Figure(figsize=(across * _SIZE[0], down * _SIZE[1] + 0.3), layout="constrained")
        if len(shown) < len(columns):
            figure.suptitle(f"the first {len(shown)} of {len(columns)} columns")
        places = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (name, found) in zip(places, shown):
            _column(axes, name, found)
        for axes in places[len(shown) :]:
            axes.remove()
        kind = os.path.splitext(path)[1].lower()[1:]
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with atomic.whole_file(path) as file:
            figure.savefig(file, format=kind, dpi=110, metadata=metadata)


def _column(axes: Any, name: str, found: dict[str, Any]) -> None:
    missing = f", {found['missing']:,} missing" if found["missing"] else ""
    axes.set_title(f"{cut(name)}\n", loc="left", fontweight="bold")
    axes.text(
        0, 1.02, f"{found['type']}, {found['count']:,} values{missing}", transform=axes.transAxes, color="#666666"
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2)
    histogram, top = found.get("histogram"), (found.get("top") or [])[:_BARS]
    if histogram and found["type"] in (*NUMBERS, DATE, TIMESTAMP):
        _histogram(axes, histogram, found["type"])
    elif top:
        labels = [cut(str(value), _LONGEST) for value, _ in reversed(top)]
        axes.barh(range(len(top)), [n for _, n in reversed(top)], color="#4c78a8")
        axes.set_yticks(range(len(top)), labels)
        axes.xaxis.set_major_locator(_few(3))
    else:
        said = "no value" if not found["count"] else f"about {found['distinct']:,} distinct values"
        axes.text(0.5, 0.5, said, transform=axes.transAxes, ha="center", va="center", color="#666666")
        axes.set_xticks([])
        axes.set_yticks([])


def _histogram(axes: Any, histogram: dict[str, Any], kind: str) -> None:
    low, high, counts = histogram["from"], histogram["to"], histogram["counts"]
    if kind in (DATE, TIMESTAMP):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

        low, high = (date2num(datetime.fromisoformat(one)) for one in (low, high))
        locator = AutoDateLocator(maxticks=5)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.xaxis.set_major_locator(_few(4, kind in WHOLE))
    middles = [low + (i + 0.5) / len(counts) * (high - low) for i in range(len(counts))]
    width = 0.95 * (middles[1] - middles[0])
    if low == high:
        middles, counts, width = [low], [sum(counts)], 0.1
        axes.set_xlim(low - 1, low + 1)
    if math.isfinite(width):  # or no axis is as long
        axes.bar(middles, counts, width, color="#4c78a8")
    axes.yaxis.set_major_locator(_few(3))


def _few(most: int, whole: bool = True) -> Any:
    """Where ticks are: about so many, at round numbers, or at whole ones alone."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=whole)

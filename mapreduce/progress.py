"""Progress of long work: a bar with rate and time left on a terminal, a plain line every few seconds elsewhere.

The bar is tqdm's, imported on a terminal alone. Nothing is shown for work that ends within a second.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

SECONDS = 5.0


class Progress:
    """Counts bytes (or any other unit) of work done and shows them on stderr.

    Args:
        label: what is being done.
        total: units of work in all.
        quiet: show nothing.
    """

    def __init__(self, label: str, total: int, *, unit: str = "B", quiet: bool = False) -> None:
        self._label, self._total, self._unit, self._quiet = label, total, unit, quiet
        self._done = 0
        self._started = self._shown = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # its thread would keep the driver from forking

            self._bar = tqdm(
                total=self._total, desc=self._label, unit=self._unit, unit_scale=True, delay=1.0, leave=False
            )
        return self

    def update(self, amount: int) -> None:
        """Says that so much more is done."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif not self._quiet and time.monotonic() - self._shown > SECONDS:
            self._shown = time.monotonic()
            rate = self._done / (self._shown - self._started)
            left = (self._total - self._done) / rate if rate else 0.0
            share = 100 * self._done // max(self._total, 1)
            print(f"{self._label}: {share} %, {rate / 1e6:.1f} M{self._unit}/s, {left:.0f} s left", file=sys.stderr)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

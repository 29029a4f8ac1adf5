"""Progress of long work: a bar with rate and time left on a terminal, a plain line every few seconds elsewhere.

The bar is tqdm's, imported on a terminal alone. Nothing is shown for work that ends within a second. Bytes of jobs and
steps of training pass through here alike.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

SECONDS = 5.0
"""Between plain lines."""


class Progress:
    """Counts work done, in bytes or any other unit, and shows it on stderr.

    Args:
        label: what is being done.
        total: units of work in all; None where that is not known.
        unit: its name, "B" for bytes.
        begin: units that an earlier run has done.
        quiet: show nothing.
    """

    def __init__(self, label: str, total: int | None, *, unit: str = "B", begin: int = 0, quiet: bool = False) -> None:
        self._label, self._total, self._unit, self._quiet = label, total, unit, quiet
        self._done = self._begin = begin
        self._started = self._shown = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            tqdm.monitor_interval = 0  # its thread would keep the driver from forking
            self._bar = tqdm(
                total=self._total,
                initial=self._begin,
                desc=self._label,
                unit=self._unit,
                unit_scale=self._unit == "B",
                delay=1.0,
                leave=False,
            )
        return self

    def update(self, amount: int, words: str = "") -> None:
        """Says that so much more is done; `words` are what else a plain line tells."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif not self._quiet and time.monotonic() - self._shown > SECONDS:
            self._shown = time.monotonic()
            print(f"{self._label}: {self._line(words)}", file=sys.stderr)

    def _line(self, words: str) -> str:
        rate = (self._done - self._begin) / (self._shown - self._started)
        pace = f"{rate / 1e6:.1f} MB/s" if self._unit == "B" else f"{rate:.0f} {self._unit}/s"
        if self._total is None:
            return ", ".join(filter(None, [f"{self._done} {self._unit}", words, pace]))
        left = (self._total - self._done) / rate if rate else 0.0
        share = 100 * self._done // max(self._total, 1)
        return ", ".join(filter(None, [f"{share} %", words, pace, f"{left:.0f} s left"]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

"""Progress of training: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import functools
import io
import sys
from pathlib import Path

import pytest
import tqdm

from mapreduce import progress
from models.training.epochs import Report
from tests.models.small_training import trained


@pytest.mark.slow
def test_progress_away_from_a_terminal_is_plain_lines(
    shards: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    trained(shards)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 4 and lines[-1].startswith("fit small: 100 %, epoch 4 of 4, loss ")
    assert lines[-1].endswith(" 0 s left") and "\r" not in "".join(lines)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(tqdm, "tqdm", functools.partial(tqdm.tqdm, mininterval=0))
    with progress.Progress("fit small", 36, unit="steps", begin=9) as shown:
        shown._bar.delay = 0
        report = Report(shown, steps=9, epochs=4, first=1)
        for epoch in (1, 2):
            report.on_epoch_begin(epoch)
            report.on_train_batch_end(31)
        written = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "fit small:  50%" in written and "fit small:  75%" in written and "27/36 [00:00<00:00" in written

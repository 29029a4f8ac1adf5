"""What a job may take of the machine: its control group's limits and its affinity, as Linux writes them down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mapreduce.local import machine
from tests.conftest import ROOT

GIB = 1 << 30


def groups(folder: Path, monkeypatch: pytest.MonkeyPatch, ours: str, **files: str) -> None:
    (folder / "ours").write_text(ours)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_0_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(machine, "_GROUPS", str(folder))
    monkeypatch.setattr(machine, "_OURS", str(folder / "ours"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: 16 * GIB // 4096 if "PAGES" in name else 4096)


def test_a_machine_without_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups(tmp_path, monkeypatch, "0::/user\n", user__cpu_0_max="max 100000\n", user__memory_0_max="max\n")
    assert (machine.cores(), machine.memory(), machine.task_memory()) == (8, 16 * GIB, GIB // 2)


@pytest.mark.parametrize("place", ["box__job__", "box__"])
def test_limits_of_the_second_version_hold_for_all_below(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {f"{place}cpu_0_max": "250000 100000\n", f"{place}memory_0_max": f"{GIB}\n"}
    groups(tmp_path, monkeypatch, "0::/box/job\n", **limits)
    assert (machine.cores(), machine.memory(), machine.task_memory()) == (3, GIB, 128 << 20)


def test_limits_of_the_first_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"cpu__box__cpu.cfs_quota_us": "150000\n", "cpu__box__cpu.cfs_period_us": "100000\n"}
    limits["memory__box__memory.limit_in_bytes"] = f"{GIB // 4}\n"
    groups(tmp_path, monkeypatch, "5:cpu:/box\n4:memory:/box\n1:name=systemd:/\n", **limits)
    assert (machine.cores(), machine.memory(), machine.task_memory()) == (2, GIB // 4, 64 << 20)


def test_no_limit_of_the_first_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"cpu__cpu.cfs_quota_us": "-1\n", "cpu__cpu.cfs_period_us": "100000\n"}
    limits["memory__memory.limit_in_bytes"] = "9223372036854771712\n"
    groups(tmp_path, monkeypatch, "5:cpu:/\n4:memory:/\n", **limits)
    assert (machine.cores(), machine.memory()) == (8, 16 * GIB)


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset")
def test_the_affinity_of_this_process() -> None:
    program = "from mapreduce.local import machine; print(machine.cores())"
    done = subprocess.run(["taskset", "-c", "0", sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert done.stdout == b"1\n", done.stderr

"""What this process may take of the machine: cores and memory, where a scheduler or a container gives it less than all.

It reads what Linux says in /proc and in the control groups of both versions; elsewhere the machine's own numbers count.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

_LEAST, _SHARE = 128 << 20, 32
_GROUPS, _OURS = "/sys/fs/cgroup", "/proc/self/cgroup"


def cores() -> int:
    """Number of cores: those of its affinity, and no more than its control group gives it the time of."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _groups("cpu"):
        quota, period = (_words(folder, "cpu.max") or ["", ""])[:2]
        if not quota:
            quota, period = ((_words(folder, f"cpu.cfs_{name}_us") or [""])[0] for name in ("quota", "period"))
        if quota.isdigit() and period.isdigit() and int(period):
            have = min(have, max(1, -(-int(quota) // int(period))))
    return have


def memory() -> int:
    """Bytes of memory: the machine's, or what its control group may use of it."""
    try:
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        have = 8 << 30
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            if (words := _words(folder, name)) and words[0].isdigit():
                have = min(have, int(words[0]))
    return have


def task_memory() -> int:
    """Bytes that tasks may take together unless --sort-memory says: 1/32 of the memory, at least 128 MiB, but never
    more than a quarter of it."""
    have = memory()
    return min(max(_LEAST, have // _SHARE), have // 4)


def memory_of_each(together: int | None, cores: int) -> int:
    """Bytes for each of the two things that a local task keeps in memory: what it counts, and what it sorts.

    Args:
        together: what tasks may take, where that is given.
        cores: how many run at a time.
    """
    return max(1 << 20, int(together or task_memory()) // cores // 2)


def _groups(controller: str) -> Iterator[str]:
    """The folders of this process's control groups that limit something, from its own up to the root."""
    try:
        with open(_OURS, encoding="utf-8") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for _, controllers, path in lines:
        if controllers and controller not in controllers.split(","):
            continue
        top = os.path.join(_GROUPS, controller) if controllers else _GROUPS
        while True:
            yield top + path.rstrip("/")
            if path in ("", "/"):
                break
            path = os.path.dirname(path)


def _words(folder: str, name: str) -> list[str] | None:
    try:
        with open(os.path.join(folder, name), encoding="ascii") as file:
            return file.read().split()
    except (OSError, ValueError):
        return None

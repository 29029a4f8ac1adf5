"""A task attempt in a fresh interpreter: for drivers with several threads, which must not fork.

The driver writes down what the attempt needs; `python -m mapreduce.local.interpreter FILE PIPE LIFELINE` reads it,
becomes as the driver is (`mapreduce.local.state`), and does what a forked child does (`executor.attend`). Nothing here
decides which attempts run.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from mapreduce.local import attempt, executor, state


def write_state(path: str, job_class: Any) -> list[str]:
    """Writes the file that all attempts of a job share; returns the names of what cannot be sent (`state.dump`).

    Raises:
        UserError: the job's class cannot be had in another interpreter.
    """
    data, unsent = state.dump(job_class)
    with open(path, "wb") as file:
        file.write(data)
    return unsent


def write(
    path: str, state_path: str, settings: attempt.StepSettings, place: tuple[str, dict[str, str], list[str]], *what: Any
) -> list[str]:
    """Writes the file of an attempt; returns the start of the command that runs it.

    Args:
        state_path: the file that `write_state` has written.
        place: folder, environment and paths, as `executor.as_task` takes them.
        what: the arguments of `attempt.run_map` or `attempt.run_reduce` behind the settings, the last one left out.
    """
    shared = {field.name: getattr(settings, field.name) for field in fields(settings) if field.name != "job_class"}
    with open(path, "wb") as file:
        pickle.dump({"state": state_path, "settings": shared, "place": place, "what": what}, file)
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, "-m", "mapreduce.local.interpreter", path]


def run(path: str, report: executor.Report) -> executor.Result:
    """Runs the attempt that `write` has written down."""
    with open(path, "rb") as file:
        task = pickle.load(file)
    with open(task["state"], "rb") as file:
        settings = attempt.StepSettings(job_class=state.load(file.read()), **task["settings"])
    is_map = isinstance(task["what"][0], tuple)
    work: Callable[..., executor.Result] = attempt.run_map if is_map else attempt.run_reduce
    with executor.as_task(*task["place"]):
        return work(settings, *task["what"], report)


if __name__ == "__main__":
    _file, _pipe, _lifeline = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    executor.attend(lambda report: run(_file, report), _pipe, _lifeline)

"""A task attempt in a fresh interpreter: for drivers with several threads, which must not fork.

The driver writes down what the attempt needs as JSON; `python -m mapreduce.local.interpreter FILE PIPE LIFELINE` reads
it, imports the job's class from its script, and does what a forked child does (`mapreduce.local.executor.attend`).
Nothing here decides which attempts run.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import sys
from typing import Any

from mapreduce.errors import UserError
from mapreduce.input.splits import Split
from mapreduce.local import attempt
from mapreduce.local.executor import Report, Result, attend

SCRIPT = "__mapreduce_job__"  # what the script is called where it is not __main__


def write(path: str, settings: attempt.StepSettings, what: Split | list[str], number: int, folder: str) -> list[str]:
    """Writes the file of an attempt; returns the start of the command that runs it.

    Raises:
        UserError: the job's class is in no file.
    """
    job = settings.job_class
    script = getattr(sys.modules[job.__module__], "__file__", None)
    if script is None:
        raise UserError(f"{job.__name__}: this process has several threads, and its job is in no file to start it from")
    fields = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings) if f.name != "job_class"}
    split = dataclasses.asdict(what) if isinstance(what, Split) else None
    task = {
        "script": os.path.abspath(script),
        "class": job.__qualname__,
        "module": job.__module__ if job.__module__ != "__main__" else None,
        "path": sys.path,
        "settings": fields,
        "split": split,
        "runs": None if split else what,
        "number": number,
        "folder": folder,
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(task, file)
    return [sys.executable, "-m", "mapreduce.local.interpreter", path]


def run(task: dict[str, Any], report: Report) -> Result:
    """Runs the attempt that `write` wrote down."""
    sys.path[:] = task["path"]
    if task["module"] is not None:
        module: Any = importlib.import_module(task["module"])
    else:
        spec = importlib.util.spec_from_file_location(SCRIPT, task["script"])
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[SCRIPT] = module
        spec.loader.exec_module(module)
    for name in task["class"].split("."):
        module = getattr(module, name)
    if task["settings"]["reducer_kind"] is not None:
        task["settings"]["reducer_kind"] = tuple(task["settings"]["reducer_kind"])
    settings = attempt.StepSettings(job_class=module, **task["settings"])
    if task["split"] is not None:
        return attempt.run_map(settings, Split(**task["split"]), task["number"], task["folder"], report)
    return attempt.run_reduce(settings, task["runs"], task["number"], task["folder"], report)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        _task = json.load(file)
    attend(lambda report: run(_task, report), int(sys.argv[2]), int(sys.argv[3]))

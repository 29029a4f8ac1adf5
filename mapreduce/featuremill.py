"""The installed command `featuremill`: every job and every other command of the project by its name.

It runs the module that a name stands for as `python -m` would, without the current folder on the import path: names
like `models` and `jobs` may be a user's own there. A job has the name of its file in jobs/ and needs no entry here.
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import pkgutil
import runpy
import sys
import textwrap
from importlib.metadata import version

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.runners import RUNNERS

COMMANDS = {
    "train and use models": {
        "train": "models.train",
        "predict": "models.predict",
        "evaluate": "models.evaluate",
        "lite": "models.lite",
        "tfrecord": "models.tfrecord",
    },
    "get and make data": {"fetch": "data.fetch", "convert": "data.convert"},
    "look at this machine": {"doctor": "mapreduce.doctor"},
}
"""Commands that are no jobs: what a group is for, and the modules by command."""
_COLUMNS = 80


def groups() -> dict[str, dict[str, str]]:
    """All commands, jobs first: the module of each, by group and name."""
    found = importlib.util.find_spec("jobs")
    places = list(found.submodule_search_locations or ()) if found else []
    jobs = {module.name: f"jobs.{module.name}" for module in pkgutil.iter_modules(places)}
    return {f"count and encode (-r {', '.join(RUNNERS)})": jobs, **COMMANDS}


def text() -> str:
    """What --help shows: one screen."""
    lines = ["usage: featuremill COMMAND ...    (featuremill COMMAND --help says more)"]
    for title, commands in groups().items():
        lines.append(f"{title}:")
        for name, module in commands.items():
            lines.append(f"  {name:13} {textwrap.shorten(_summary(module), _COLUMNS - 16, placeholder=' ...')}")
    return "\n".join(lines) + "\n"


def _summary(module: str) -> str:
    """The first line of a module's text, up to its colon or its end; the module is not imported."""
    package, _, name = module.rpartition(".")
    found = importlib.util.find_spec(package)
    assert found is not None and found.submodule_search_locations is not None
    with open(f"{next(iter(found.submodule_search_locations))}/{name}.py", encoding="utf-8") as file:
        line = (ast.get_docstring(ast.parse(file.read())) or "").partition("\n")[0]
    return line.partition(":")[0].rstrip(".")


def main() -> int:
    """Runs the command that the arguments name; returns its exit code."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(text())
        return 0 if arguments else UserError.exit_code
    if arguments[0] == "--version":
        print(f"featuremill {version('featuremill')}")
        return 0
    name = arguments[0]
    modules = {known: module for commands in groups().values() for known, module in commands.items()}
    if name not in modules:
        near = difflib.get_close_matches(name, modules, 1)
        hint = f", perhaps {near[0]}" if near else ""
        print(f"featuremill: no command {name!r}{hint}; featuremill --help lists all", file=sys.stderr)
        return UserError.exit_code
    command.featuremill = name
    sys.argv[1:] = arguments[1:]

    def work() -> None:
        runpy.run_module(modules[name], run_name="__main__", alter_sys=True)

    return command.run(name, work)


if __name__ == "__main__":
    sys.exit(main())

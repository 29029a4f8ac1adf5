"""What a task needs on a node, as two files: an archive of code and a script that runs the task with it.

The archive holds the package mapreduce with its native library, mrjob, and the modules beside the job's script that the
script has imported. Hadoop unpacks it in each task's working directory. The nodes need Python alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import mrjob

from mapreduce import ROOT

NAME = "code"
"""The folder that the archive becomes in a task's working directory."""

SCRIPT = """\
# Runs a task with the job's code on Python's path; where it fails, says what this node lacks.
PYTHONPATH="$PWD/{name}${{PYTHONPATH:+:$PYTHONPATH}}"
PYTHONUTF8=1
export PYTHONPATH PYTHONUTF8
{setup}
"$@"
code=$?
if [ $code -ne 0 ]; then
  if ! command -v "$1" > /dev/null 2>&1; then
    echo "{mark}there is no $1 on node $(uname -n)" >&2
  elif ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 9))'; then
    echo "{mark}$1 is $("$1" -V 2>&1) on node $(uname -n)" >&2
  fi
fi
exit $code
"""
NODE = "mapreduce-node: "
"""Begins a line of a task's stderr that says what the node lacks."""


def write_archive(path: str, script: str | None) -> None:
    """Writes the archive of code.

    Args:
        path: the .zip file to write.
        script: the job's script.
    """
    import zipfile  # every job imports this module, and few write an archive

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for folder in (os.path.join(ROOT, "mapreduce"), os.path.dirname(os.path.abspath(mrjob.__file__))):
            for file in _files(folder):
                archive.write(file, os.path.join(os.path.basename(folder), os.path.relpath(file, folder)))
        if script:
            for file in modules_beside(script):
                archive.write(file, os.path.relpath(file, os.path.dirname(os.path.abspath(script))))


def _files(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"__pycache__", "examples"})
        for name in sorted(names):
            if not name.endswith((".pyc", ".c", ".h")):
                yield os.path.join(path, name)


def modules_beside(script: str) -> list[str]:
    """Files of the modules and packages beside a script that are imported by now; of a package all its modules."""
    beside = os.path.dirname(os.path.abspath(script))
    ours = {"mapreduce", "mrjob", "__main__"}
    found: set[str] = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] in ours or not file:
            continue
        top = os.path.join(beside, name.partition(".")[0])
        file = os.path.abspath(file)
        if file == f"{top}.py":
            found.add(file)
        elif file.startswith(top + os.sep) and os.path.isfile(os.path.join(top, "__init__.py")):
            found.update(_files(top))
    return sorted(found)


def task_script(setup: list[str]) -> str:
    """The shell script that runs a task.

    Args:
        setup: commands of the user's that come before.
    """
    return SCRIPT.format(name=NAME, setup="\n".join(setup), mark=NODE)

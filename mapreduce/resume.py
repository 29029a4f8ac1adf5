"""Completed steps of a job, kept in --step-output-dir, and how a later run goes on from them with --resume.

Each kept step is an output of its own, with a manifest that says of which job, flags and inputs it is; a step that
does not fit is run again. Without --step-output-dir nothing is kept. The steps themselves are the runners' business.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from mapreduce import manifest
from mapreduce.errors import UserError

Counters = dict[str, dict[str, int]]


class KeptSteps:
    """The steps of one run. It is entered around them: on an error a step that is not whole is removed, and where
    others are kept the error says how to go on.

    Args:
        folder: --step-output-dir; None keeps nothing.
        job: whose steps they are.
        inputs: paths of the input files.

    Raises:
        UserError: the folder holds something and --resume is not given, or that without a folder.
    """

    def __init__(self, folder: str | None, job: Any, inputs: Sequence[str]) -> None:
        self._folder, self._running = folder, ""
        self._completed = 0
        if folder is None:
            if job.options.resume:
                raise UserError("--resume goes on from the steps in --step-output-dir; name that folder")
            return
        if not job.options.resume and os.path.isdir(folder) and os.listdir(folder):
            raise UserError(f"{folder}: holds steps already; --resume goes on from them, or remove it")
        specification = getattr(job, "specification", None)
        self._identity = {
            "job": type(job).__name__,
            "arguments": job.arguments(),
            "specification": specification and specification.fingerprint,
        }
        described = [manifest.describe_input(path) for path in inputs]
        self._inputs = [{"path": str(i), "size": d["size"], "crc32": d["crc32"]} for i, d in enumerate(described)]

    def counters(self, number: int, reduces: int) -> Counters | None:
        """The counters of a step that is kept whole; None where it has to be run, with nothing in its place."""
        if self._folder is None:
            return None
        step = os.path.join(self._folder, f"{number:04d}")
        wanted = self._describe(number, reduces, {})
        try:
            found = manifest.read(step)
        except UserError:
            found = {}
        if any(found.get(name) != wanted[name] for name in ("arguments", "inputs")):
            shutil.rmtree(step, ignore_errors=True)
            self._running = step
            return None
        self._completed += 1
        return dict(found["counters"])

    def complete(self, number: int, reduces: int, counters: Counters) -> None:
        """Says that a step is whole."""
        if self._folder is not None:
            manifest.write(self._running, self._describe(number, reduces, counters))
            self._running = ""
            self._completed += 1

    def _describe(self, number: int, reduces: int, counters: Counters) -> dict[str, Any]:
        arguments = {**self._identity, "step": number, "reduces": reduces}
        return manifest.build("job", arguments=arguments, inputs=self._inputs, counters=counters)

    def __enter__(self) -> KeptSteps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._folder is None:
            return
        if self._running:
            shutil.rmtree(self._running, ignore_errors=True)
        if not self._completed:
            return
        command = shlex.join(["python", *[part for part in sys.argv if part != "--resume"], "--resume"])
        advice = f"{self._completed} completed steps are in {self._folder}; to go on from them: {command}"
        if isinstance(error, UserError):
            error.args = (f"{error}; {advice}",)
        else:
            print(advice, file=sys.stderr)

"""Completed steps of a job, kept in --step-output-dir, and how a later run goes on from them with --resume.

Each kept step is an output of its own, with a manifest that says of which job, flags and inputs it is; a step that
does not fit is run again. Without --step-output-dir nothing is kept. The folder is one here for local runs and one on
the cluster for those on Hadoop. The steps themselves are the runners' business.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.output import manifest
from mapreduce.output.manifest import Counters


class Folder(Protocol):
    """Where steps are kept: a folder each, by number."""

    path: str

    def is_empty(self) -> bool:
        """Whether nothing is in it."""

    def find(self, number: int) -> dict[str, Any] | None:
        """The manifest of a step that is there and whole."""

    def write(self, number: int, description: dict[str, Any]) -> None:
        """Puts the manifest beside the parts of a step, and with it _SUCCESS."""

    def remove(self, number: int) -> None:
        """Removes what is there of a step."""


class LocalFolder:
    """A folder on this machine."""

    def __init__(self, path: str) -> None:
        self.path = path

    def _step(self, number: int) -> str:
        return os.path.join(self.path, f"{number:04d}")

    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return not os.path.isdir(self.path) or not os.listdir(self.path)

    def find(self, number: int) -> dict[str, Any] | None:
        """The manifest of a step that is there and whole, by the sums of its parts."""
        try:
            return manifest.read(self._step(number))
        except UserError:
            return None

    def write(self, number: int, description: dict[str, Any]) -> None:
        """Puts the manifest beside the parts of a step, and with it _SUCCESS."""
        manifest.write(self._step(number), description)

    def remove(self, number: int) -> None:
        """Removes what is there of a step."""
        shutil.rmtree(self._step(number), ignore_errors=True)


class KeptSteps:
    """The steps of one run. It is entered around them: on an error a step that is not whole is removed, and where
    others are kept the error says how to go on.

    Args:
        folder: that of --step-output-dir; None keeps nothing.
        job: whose steps they are.
        inputs: describes the input files, as manifests have them.

    Raises:
        UserError: the folder holds something and --resume is not given, or that without a folder.
    """

    def __init__(self, folder: Folder | None, job: Any, inputs: Callable[[], list[dict[str, Any]]]) -> None:
        self._folder = folder
        self._running: int | None = None
        self._completed = 0
        if folder is None:
            if job.options.resume:
                raise UserError("--resume goes on from the steps in --step-output-dir; name that folder")
            return
        if not job.options.resume and not folder.is_empty():
            raise UserError(f"{folder.path}: holds steps already; --resume goes on from them; or give another folder")
        specification = getattr(job, "specification", None)
        self._identity = {
            "job": type(job).__name__,
            "arguments": job.arguments(),
            "specification": specification and specification.fingerprint,
        }
        # By number: the path of what came on standard input is another one each time.
        self._inputs = [{**described, "path": str(number)} for number, described in enumerate(inputs())]

    def counters(self, number: int, reduces: int) -> Counters | None:
        """The counters of a step that is kept whole; None where it has to be run, with nothing in its place."""
        if self._folder is None:
            return None
        wanted = self._describe(number, reduces, {})
        found = self._folder.find(number)
        if found is None or any(found[name] != wanted[name] for name in ("arguments", "inputs")):
            if not self._folder.is_empty():
                self._folder.remove(number)
            self._running = number
            return None
        self._completed += 1
        return dict(found["counters"])

    def complete(self, number: int, reduces: int, counters: Counters) -> None:
        """Says that a step is whole."""
        if self._folder is not None:
            self._folder.write(number, self._describe(number, reduces, counters))
            self._running = None
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
        if self._running is not None:
            self._folder.remove(self._running)
        if not self._completed:
            return
        again = shlex.join([*(part for part in command.line() if part != "--resume"), "--resume"])
        advice = f"{self._completed} completed steps are in {self._folder.path}; to go on from them: {again}"
        if isinstance(error, UserError):
            error.args = (f"{error}; {advice}",)
        else:
            print(advice, file=sys.stderr)

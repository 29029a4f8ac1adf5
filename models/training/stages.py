"""Stages: runs the jobs that training needs, each in a process of its own, and skips those that are up to date.

The processes are those that a user would start (`python jobs/encode.py ...`): a process that holds TensorFlow must not
fork, and a job's output says itself what it was made from. Nothing is trained here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jobs
from mapreduce.cluster.remote import describe
from mapreduce.errors import RecordError, UserError
from mapreduce.input.files import expand
from mapreduce.output import atomic, manifest
from mapreduce.paths import is_remote
from mapreduce.tokens.specification import Specification
from models.training.candidates import Candidate
from models.training.settings import VALIDATION, Settings


class Stages:
    """Job outputs over one list of input files, in one folder.

    Args:
        inputs: record files; on a cluster (hdfs://...) for a runner there.
        folder: where outputs are kept, each under a name that says what it is.
        runner: a name in `mapreduce.runners.RUNNERS`.
        reading: flags of the record reader, for example {"--format": "tsv"}.

    Attributes:
        found: what has been found out of tables, as further flags.
        validation, salt: the share of the validation split, and what draws it.

    Raises:
        UserError: an input is missing.
    """

    def __init__(
        self,
        inputs: Sequence[str | os.PathLike[str]],
        folder: str | os.PathLike[str],
        *,
        runner: str = "local",
        reading: dict[str, str] | None = None,
        validation: float = VALIDATION,
        salt: str = "",
    ) -> None:
        self.paths = [os.fspath(path) for path in inputs]
        self._remote = any(map(is_remote, self.paths))
        if not self._remote:
            self.paths = expand(self.paths)
        self.folder = Path(folder)
        self.runner = runner
        self.reading = reading or {}
        self.found: dict[str, str] = {}
        self.validation, self.salt = validation, salt

    @cached_property
    def inputs(self) -> list[dict[str, Any]]:
        """What a manifest says about the inputs."""
        if self._remote:
            return describe(self.paths)
        return [manifest.describe_input(path, sha256=True) for path in self.paths]

    def featurecount(self, specification: Specification, split: str, minimum_df: int = 1) -> Path:
        """The output of jobs/featurecount.py."""
        name = f"{split}-{specification.fingerprint}-{minimum_df}-features"
        return self._run("featurecount", name, split, specification, {"--min-df": minimum_df})

    def labelcount(self, specification: Specification, split: str) -> Path:
        """The output of jobs/labelcount.py."""
        return self._run("labelcount", f"{split}-{specification.fingerprint}-labels", split, specification)

    def encode(self, specification: Specification, split: str, vocabulary: Path, fingerprint: str) -> Path:
        """The output of jobs/encode.py; `fingerprint` is that of the vocabulary."""
        name = f"{split}-{specification.fingerprint}-{fingerprint}-shards"
        flags = {"--vocabulary": vocabulary}
        return self._run("encode", name, split, specification, flags, vocabulary_fingerprint=fingerprint)

    def encode_images(self, split: str) -> Path:
        """The output of jobs/encode.py for images, which need no vocabulary."""
        return self._run("encode", f"{split}-images", split, None)

    def key(self, candidate: Candidate, settings: Settings, outputs: Iterable[Path]) -> str:
        """Names a training by all that its result depends on: the candidate, settings and the outputs it reads."""
        parts = [manifest.read(path)["parts"] for path in outputs]
        found = {"candidate": candidate.to_json(), "seed": settings.seed, "parts": parts, **settings.decides}
        if settings.mixed_precision:
            found["mixed_precision"] = True
        return json.dumps(found, sort_keys=True)

    def checkpoint(self, split: str, key: str) -> Path:
        """The file of the checkpoint of the training of this key."""
        return self.folder / f"{split}-{hashlib.sha256(key.encode()).hexdigest()[:16]}-checkpoint.npz"

    def remove_checkpoints(self) -> None:
        """Removes all checkpoints: training has come to its end."""
        for path in self.folder.glob("*-checkpoint.npz"):
            path.unlink()

    def scores(self) -> list[dict[str, Any]]:
        """What earlier runs have measured on the validation split."""
        path = self.folder / "scores.json"
        found: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else []
        return found

    def write_scores(self, scores: list[dict[str, Any]]) -> None:
        """Keeps what was measured."""
        atomic.write(self.folder / "scores.json", json.dumps(scores).encode("ascii"))

    def _run(
        self,
        job: str,
        name: str,
        split: str,
        specification: Specification | None,
        flags: dict[str, Any] | None = None,
        vocabulary_fingerprint: str | None = None,
    ) -> Path:
        output = self.folder / name
        wanted = {
            "inputs": self.inputs,
            "specification_fingerprint": specification and specification.fingerprint,
            "vocabulary_fingerprint": vocabulary_fingerprint,
        }
        drawn = {"validation": self.validation, "salt": self.salt}
        reading = {**self.reading, **self.found}
        if _is_current(output, job, wanted, reading, drawn):
            return output
        shutil.rmtree(output, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"--split": split, "--output-dir": output, **reading, **(flags or {})}
        if self.validation != VALIDATION:
            options["--validation"] = self.validation
        if self.salt:
            options["--salt"] = self.salt
        if specification is not None:
            rules = self.folder / f"{specification.fingerprint}.json"
            atomic.write(rules, json.dumps(specification.to_json()).encode("ascii"))
            options["--specification"] = rules
        command = [sys.executable, str(Path(jobs.__file__).with_name(f"{job}.py")), "-r", self.runner, "--sha256"]
        command += [str(part) for option in options.items() for part in option]
        print(f"{job}: {split} split", file=sys.stderr)
        code = subprocess.run([*command, *self.paths], stdout=subprocess.DEVNULL, env=_environment()).returncode
        if code in (UserError.exit_code, RecordError.exit_code):
            raise SystemExit(code)  # the job has said why
        if code:
            raise UserError(f"jobs/{job}.py ended with exit code {code}; run the command again to go on from here")
        return output


def _is_current(
    output: Path, kind: str, wanted: dict[str, Any], reading: dict[str, str], drawn: dict[str, Any]
) -> bool:
    try:
        found = manifest.read(output, kind)
    except UserError:
        return False
    # How much may be rejected changes nothing of what is there.
    fields = {name[2:].replace("-", "_"): value for name, value in reading.items() if name != "--max-rejected"}
    fields.update(drawn)
    read = found["arguments"]
    return all(found.get(name) == value for name, value in wanted.items()) and all(
        read.get(name) == value for name, value in fields.items()
    )


def _environment() -> dict[str, str]:
    """Ours, with the project on the path where it is not installed."""
    root = str(Path(jobs.__file__).parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, path] if path else [root])}

"""Stages: runs the jobs that training needs, each in a process of its own, and skips those that are up to date.

The processes are those that a user would start (`python jobs/encode.py ...`): a process that holds TensorFlow must not
fork, and a job's output says itself what it was made from. Nothing is trained here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import jobs
from mapreduce import command
from mapreduce.cluster.remote import describe
from mapreduce.errors import RecordError, UserError
from mapreduce.input.files import expand
from mapreduce.output import atomic, manifest
from mapreduce.paths import is_remote
from mapreduce.tables import encoding
from mapreduce.tables import schema as schemas
from mapreduce.tokens.specification import Specification
from models.training.candidates import Candidate
from models.training.settings import VALIDATION, Settings


class Stages:
    """Job outputs over one list of input files, in one folder.

    Args:
        inputs: record files; on a cluster (hdfs://...) for a runner there.
        folder: where outputs are kept, each under a name that says what it is.
        runner: a name in `mapreduce.runners.RUNNERS`.
        reading: flags of the record reader, for example {"--format": "tsv"}; with --group-field records that are alike
            in this field are in one split.

    Attributes:
        paths: the files of the input.
        found: what has been found out of tables, as further flags.
        validation, salt: the share of the validation split, and what draws it.
        test_share: that of a test split, which is neither trained nor validated on.
        held_out: the files whose records are the validation split, where a path and no share is given; all records
            are then those of both.

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
        validation: float | str = VALIDATION,
        salt: str = "",
        test_share: float | None = None,
    ) -> None:
        self.paths = [os.fspath(path) for path in inputs]
        self.held_out = [validation] if isinstance(validation, str) else []
        self._remote = any(map(is_remote, [*self.paths, *self.held_out]))
        self._files_of = (self.paths, self.held_out)
        if not self._remote:
            self._files_of = (expand(self.paths), expand(self.held_out))
            if schemas.of_outputs(self.paths) is None:  # whose manifests the jobs read
                self.paths, self.held_out = self._files_of
        self.folder = Path(folder)
        self.runner = runner
        self.reading = reading or {}
        self.found: dict[str, str] = {}
        self.validation = VALIDATION if isinstance(validation, str) else validation
        self.salt = salt
        self.test_share = test_share
        self._one = threading.Lock()

    @property
    def fields(self) -> dict[str, str]:
        """The flags of the reader as `models.inputs.read` takes them, save how much may be rejected."""
        return {flag[2:].replace("-", "_"): value for flag, value in self.reading.items() if flag != "--max-rejected"}

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What a manifest says about the inputs."""
        return [*self._described[0], *self._described[1]]

    @cached_property
    def _described(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The same, of the files that are trained on, and of those that are held out."""
        files, held_out = self._files_of
        return self._describe(files), self._describe(held_out) if held_out else []

    def _describe(self, paths: list[str]) -> list[dict[str, Any]]:
        if self._remote:
            return describe(paths)
        return [manifest.describe_input(path, sha256=True) for path in paths]

    def _files(self, split: str) -> tuple[str, list[str], list[dict[str, Any]]]:
        """The split as the jobs take it, its files, and what a manifest says about them."""
        if not self.held_out or split == "all":
            return split, [*self.paths, *self.held_out], self.inputs
        held_out = split == "validation"
        return "all", self.held_out if held_out else self.paths, self._described[held_out]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block runs no other training has this folder.

        Raises:
            UserError: another one has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "_lock", "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                what = "another training writes there at this moment; wait for its end, or give another --output"
                raise UserError(f"{self.folder}: {what}") from None
            except OSError:
                pass  # a file system without locks
            yield

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

    def vocabulary(self, specification: Specification, minimum_df: int, most: int) -> Path:
        """The output of jobs/vocabulary.py over all records: the features of the most documents."""
        flags = {"--rank-by": "df", "--min-df": minimum_df, "--top-k": most}
        name = f"all-{specification.fingerprint}-{minimum_df}-{most}-vocabulary"
        return self._run("vocabulary", name, "all", specification, flags)

    def encode_images(self, split: str) -> Path:
        """The output of jobs/encode.py for images, which need no vocabulary."""
        return self._run("encode", f"{split}-images", split, None)

    def encode_table(self, split: str, flags: dict[str, str], columns: dict[str, str]) -> Path:
        """The output of jobs/encodetable.py with these flags, by the figures that jobs/schema.py has found in the same
        rows; `columns` are flags for that."""
        described = {"--top": encoding.LISTED, **columns}
        figures = self._run("schema", f"{split}-{_named(columns)}-figures", split, None, described)
        name = _named([manifest.read(figures)["parts"], flags])
        return self._run("encodetable", f"{split}-{name}-rows", split, None, {"--figures": figures, **flags})

    def encode_table_as(self, encoded: Path, split: str) -> Path:
        """The same of another split, by the recipe of one that is encoded."""
        name = _named(manifest.read(encoded)[encoding.FIELD])
        return self._run("encodetable", f"{split}-{name}-rows", split, None, {"--recipe": encoded})

    def key(self, candidate: Candidate, settings: Settings, outputs: Iterable[Path], **more: Any) -> str:
        """Names a training by all that its result depends on: candidate, settings, the outputs it reads, and more."""
        parts = [manifest.read(path)["parts"] for path in outputs]
        found = {"candidate": candidate.to_json(), "seed": settings.seed, "parts": parts, **settings.decides, **more}
        if settings.mixed_precision:
            found["mixed_precision"] = True
        return json.dumps(found, sort_keys=True)

    def checkpoint(self, split: str, key: str) -> Path:
        """The file of the checkpoint of the training of this key."""
        return self.folder / f"{split}-{hashlib.sha256(key.encode()).hexdigest()[:16]}-checkpoint.npz"

    def remove_checkpoints(self) -> None:
        """Removes all checkpoints: training has come to its end."""
        for path in self.folder.rglob("*-checkpoint.npz"):
            path.unlink()

    def score(self, key: str) -> dict[str, Any] | None:
        """What an earlier run of this key has measured on the validation split."""
        return next((one for one in self._scores() if one["key"] == key and "macro_f1" in one), None)

    def keep_score(self, score: dict[str, Any]) -> None:
        """Keeps what was measured, with its key."""
        with self._one:
            atomic.write(self.folder / "scores.json", json.dumps([*self._scores(), score]).encode("ascii"))

    def _scores(self) -> list[dict[str, Any]]:
        path = self.folder / "scores.json"
        found: list[dict[str, Any]] = json.loads(path.read_bytes()) if path.exists() else []
        return found

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
        taken, files, described = self._files(split)
        wanted: dict[str, Any] = {
            "inputs": described,
            "specification_fingerprint": specification and specification.fingerprint,
        }
        if vocabulary_fingerprint is not None:
            wanted["vocabulary_fingerprint"] = vocabulary_fingerprint
        reading = {**self.reading, **self.found}
        drawn = {"split": taken, "validation": self.validation, "salt": self.salt}
        drawn["group_field"] = reading.get("--group-field")
        drawn["test_share"] = self.test_share
        if _is_current(output, "encode" if job == "encodetable" else job, wanted, reading, drawn):
            return output
        shutil.rmtree(output, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        options = {"--split": taken, "--output-dir": output, **reading, **(flags or {})}
        if self.validation != VALIDATION:
            options["--validation"] = self.validation
        if self.salt:
            options["--salt"] = self.salt
        if self.test_share:
            options["--test-share"] = self.test_share
        if specification is not None:
            rules = self.folder / f"{specification.fingerprint}.json"
            atomic.write(rules, json.dumps(specification.to_json()).encode("ascii"))
            options["--specification"] = rules
        program = [sys.executable, str(Path(jobs.__file__).with_name(f"{job}.py")), "-r", self.runner, "--sha256"]
        program += [str(part) for option in options.items() for part in option]
        print(f"{job}: {split} split", file=sys.stderr)
        code = subprocess.run([*program, *files], stdout=subprocess.DEVNULL, env=command.environment()).returncode
        if code in (UserError.exit_code, RecordError.exit_code):
            raise SystemExit(code)  # the job has said why
        if code:
            raise UserError(f"jobs/{job}.py ended with exit code {code}; run the command again to go on from here")
        return output


def _named(found: Any) -> str:
    """A name for what an output is made by."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


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

"""The vocabulary: one part of lines `token TAB tf TAB df`, tokens in the order of their ids.

Ids follow TextVectorization: 0 pads, 1 is any token outside (OOV), the token on line i (from 0) has id i + 2.
This module reads and writes vocabularies; `jobs/vocabulary.py` makes them from documents.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest
from mapreduce.tokens.specification import Specification

PADDING, OOV, FIRST = 0, 1, 2


@dataclass(frozen=True)
class Vocabulary:
    """Tokens with their counts.

    Attributes:
        tokens: in the order of their ids, bytes.
        tf: term frequencies, as many as tokens.
        df: document frequencies, as many as tokens.
        fingerprint: 16 hexadecimal digits over tokens and order; counts do not matter.
        specification: what made the tokens; None when a bare file was read.
    """

    tokens: list[bytes]
    tf: list[int]
    df: list[int]
    fingerprint: str
    specification: Specification | None = None

    def ids(self) -> dict[bytes, int]:
        """Token to id."""
        return {token: i for i, token in enumerate(self.tokens, FIRST)}


class Fingerprint:
    """16 hexadecimal digits of tokens that come by and by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, *tokens: bytes) -> None:
        """Takes the next tokens."""
        self._digest.update(b"".join([token + b"\n" for token in tokens]))

    def __str__(self) -> str:
        return self._digest.hexdigest()[:16]


def fingerprint(tokens: Iterable[bytes]) -> str:
    """16 hexadecimal digits of a list of tokens."""
    found = Fingerprint()
    found.add(*tokens)
    return str(found)


def read(path: str | os.PathLike[str]) -> Vocabulary:
    """The vocabulary in an output directory, or in a bare file of such lines.

    Raises:
        UserError: there is none, a line is malformed, or a token stands twice.
    """
    specification = None
    if os.path.isdir(path):
        found = manifest.read(path, "vocabulary")
        specification = manifest.specification(found)
        path = manifest.part_paths(path, found)[0]
    try:
        with open(path, "rb") as file:
            lines = file.read().split(b"\n")
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot read the vocabulary: {error.strerror}") from None
    if lines.pop() != b"":
        raise UserError(f"{os.fspath(path)}: the last line is cut off; make the vocabulary again")
    tokens, tf, df = [], [], []
    for number, line in enumerate(lines, 1):
        fields = line.split(b"\t")
        if len(fields) != 3 or not fields[0] or not _is_count(fields[1]) or not _is_count(fields[2]):
            raise UserError(f"{os.fspath(path)}, line {number}: not `token TAB tf TAB df`. Received: {line[:60]!r}")
        tokens.append(fields[0])
        tf.append(int(fields[1]))
        df.append(int(fields[2]))
    if len(set(tokens)) != len(tokens):
        raise UserError(f"{os.fspath(path)}: a token stands twice; make the vocabulary again")
    return Vocabulary(tokens, tf, df, fingerprint(tokens), specification)


def _is_count(field: bytes) -> bool:
    return field.isdigit() and len(field) < 20


def write(
    directory: str | os.PathLike[str],
    tokens: Sequence[bytes],
    tf: Iterable[int],
    df: Iterable[int],
    specification: Specification,
    inputs: Iterable[dict[str, Any]] = (),
    arguments: dict[str, Any] | None = None,
) -> str:
    """Writes the same directory that `jobs/vocabulary.py` does; returns the fingerprint.

    An output that is there already is replaced; nothing half-written is left in its place.
    """
    name = fingerprint(tokens)
    with atomic.whole_folder(directory) as folder:
        with open(os.path.join(folder, "part-00000"), "wb") as file:
            file.writelines(b"%s\t%d\t%d\n" % line for line in zip(tokens, tf, df))
        described = manifest.build(
            "vocabulary",
            arguments=arguments,
            specification=specification,
            vocabulary_fingerprint=name,
            inputs=inputs,
        )
        manifest.write(folder, described)
    return name


def write_tokens(path: str | os.PathLike[str], tokens: Sequence[bytes]) -> None:
    """Writes tokens one a line, in the order of their ids.

    Raises:
        UserError: a token is empty, stands twice, or holds a line end, so that it would not come back as it is.
    """
    for token in tokens:
        if not token or b"\n" in token or b"\r" in token:
            raise UserError(f"vocabulary: a token is empty or holds a line end. Received: {token!r}")
    if len(set(tokens)) != len(tokens):
        raise UserError("vocabulary: a token stands twice; make the vocabulary again")
    with open(path, "wb") as file:
        file.writelines(token + b"\n" for token in tokens)

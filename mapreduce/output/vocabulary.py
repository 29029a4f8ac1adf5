"""The vocabulary: one part of lines `token TAB tf TAB df`, tokens in the order of their ids.

Ids follow TextVectorization: 0 pads, 1 is any token outside (OOV), the token on line i (from 0) has id i + 2.
This module reads and writes vocabularies; `jobs/vocabulary.py` makes them from documents.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
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
    tokens, tf, df = _columns(os.fspath(path))
    return Vocabulary(tokens, list(map(int, tf)), list(map(int, df)), fingerprint(tokens), specification)


def read_tokens(path: str | os.PathLike[str]) -> list[bytes]:
    """The tokens alone of a file of such lines; raises as `read` does."""
    return _columns(os.fspath(path))[0]


def _columns(path: str) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The tokens of a file, and their counts as they stand there; all lines at once, as there may be millions."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot read the vocabulary: {error.strerror}") from None
    lines, values = data.split(b"\n"), data.replace(b"\n", b"\t").split(b"\t")
    if lines.pop() != b"":
        raise UserError(f"{path}: the last line is cut off; make the vocabulary again")
    tokens, tf, df = (values[column:-1:3] for column in range(3))
    fit = {2}.issuperset(map(bytes.count, lines, repeat(b"\t")))
    if not (fit and all(tokens) and _are_counts(tf) and _are_counts(df)):
        number, line = next((number, line) for number, line in enumerate(lines, 1) if not _is_row(line))
        raise UserError(f"{path}, line {number}: not `token TAB tf TAB df`. Received: {line[:60]!r}")
    if len(set(tokens)) != len(tokens):
        raise UserError(f"{path}: a token stands twice; make the vocabulary again")
    return tokens, tf, df


def _are_counts(values: list[bytes]) -> bool:
    return all(map(bytes.isdigit, values)) and max(map(len, values), default=0) < 20


def _is_row(line: bytes) -> bool:
    token, *counts = line.split(b"\t")
    return len(counts) == 2 and bool(token) and _are_counts(counts)


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
    lines = b"\n".join(tokens) + b"\n" if tokens else b""
    if not all(tokens) or b"\r" in lines or lines.count(b"\n") != len(tokens):
        wrong = next(token for token in tokens if not token or b"\n" in token or b"\r" in token)
        raise UserError(f"vocabulary: a token is empty or holds a line end. Received: {wrong!r}")
    if len(set(tokens)) != len(tokens):
        raise UserError("vocabulary: a token stands twice; make the vocabulary again")
    with open(path, "wb") as file:
        file.write(lines)

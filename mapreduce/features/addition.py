"""Adding outputs of counting jobs: which ones can be added, how lines are added, and what the manifest of a sum says.

Counts are a monoid: the sum of two outputs is the output of one run over both inputs, byte for byte, and its manifest
is that run's, apart from the seconds. Subtraction takes an output out again. This module runs nothing; the job is
`jobs/merge.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest
from mapreduce.paths import absolute
from mapreduce.shuffle.sums import add, add_histograms, add_labelled
from mapreduce.tokens.flags import FLAGS

ADDERS: dict[str, Callable[..., Any]] = {
    "wordcount": add,
    "featurecount": add_labelled,
    "labelcount": add_histograms,
    "imagestats": add,
}
# Flags that say how the input was laid out, or what its fingerprint says already.
_INPUT_FLAGS = {"format", "text_field", "label_field", "delimiter", "header", "quotes", "encoding", "columns"}
_INPUT_FLAGS |= {"keep_rejected", "specification"}
_INPUT_FLAGS.update(flag.name for flag in FLAGS)
_MINUS = "minus-"
Manifest = dict[str, Any]


class Outputs:
    """Outputs of one kind that are added up, or the others subtracted from the first.

    Args:
        names: what the user calls them.
        places: folders of this machine that hold them.
        subtract: whether the others are taken out of the first.

    Raises:
        UserError: that cannot be done with them.
    """

    def __init__(self, names: Sequence[str], places: Sequence[str], subtract: bool) -> None:
        if len(names) < 2:
            raise UserError(f"two outputs or more can be added. Received: {', '.join(names) or 'none'}")
        self._names, self._places, self._subtract = list(names), list(places), subtract
        self._manifests = [manifest.read(place) for place in places]
        for name, place, found in zip(names, places, self._manifests):
            self._check(name, place, found)
        if subtract:
            self._check_inputs()

    @property
    def kind(self) -> str:
        """Of which job they are."""
        return str(self._manifests[0]["kind"])

    def _check(self, name: str, place: str, found: Manifest) -> None:
        first, first_name = self._manifests[0], self._names[0]
        if found["kind"] not in ADDERS:
            raise UserError(f"{name}: {found['kind']} outputs cannot be added; those of {', '.join(ADDERS)} can")
        if found["kind"] != self.kind:
            raise UserError(f"{name}: holds {found['kind']} output, and {first_name} {self.kind} output")
        if found["arguments"].get("min_df", 1) != 1:
            raise UserError(f"{name}: made with --min-df, and what that left out cannot be added; count without it")
        ours, theirs = found["specification_fingerprint"], first["specification_fingerprint"]
        if ours != theirs:
            raise UserError(f"{name}: made with specification {ours}, and {first_name} with {theirs}")
        given, wanted = _arguments(found), _arguments(first)
        for flag in sorted({*given, *wanted}, key=lambda flag: (flag != "split", flag)):
            if given.get(flag) != wanted.get(flag):
                values = f"{given.get(flag)!r}, and {first_name} with {wanted.get(flag)!r}"
                raise UserError(f"{name}: made with {flag} {values}; count it again alike")
        for path in manifest.part_paths(place, found):
            with open(path, "rb") as file:
                if file.read(3) == b"\xef\xbb\xbf":
                    raise UserError(f"{path}: begins with a byte order mark, which is dropped where a file is read")

    def _check_inputs(self) -> None:
        held = Counter(map(_identity, self._manifests[0]["inputs"]))
        for name, found in zip(self._names[1:], self._manifests[1:]):
            held.subtract(map(_identity, found["inputs"]))
            if missing := [key for key, n in held.items() if n < 0]:
                raise UserError(
                    f"{name}: its input {missing[0][0]} is no input of {self._names[0]}: nothing to take out"
                )

    def paths(self) -> list[str]:
        """The parts to read; of what is subtracted, links whose names say so."""
        paths = [manifest.part_paths(place, found) for place, found in zip(self._places, self._manifests)]
        if self._subtract:
            links = atomic.scratch()
            for number, path in enumerate(chain.from_iterable(paths[1:])):
                os.symlink(absolute(path), os.path.join(links, f"{_MINUS}{number:05d}"))
            paths[1:] = [[links]]
        return list(chain.from_iterable(paths))

    def reduces(self, default: Callable[[int], int]) -> int:
        """How many parts a run over all inputs writes: by the default rule, or as many as each of the outputs has."""
        sizes = [sum(described["size"] for described in found["inputs"]) for found in self._manifests]
        parts = [len(found["parts"]) for found in self._manifests]
        if len(set(parts)) == 1 and parts != list(map(default, sizes)):
            return parts[0]
        return default(sizes[0] + sum(sizes[1:]) * (-1 if self._subtract else 1))

    def describe(self, seconds: float) -> Manifest:
        """The manifest of the sum or difference, without its parts."""
        first = self._manifests[0]
        inputs = list(first["inputs"])
        counters: dict[str, Counter[str]] = {}
        for number, found in enumerate(self._manifests):
            sign = -1 if self._subtract and number else 1
            for group, names in found["counters"].items():
                for name, amount in names.items():
                    counters.setdefault(group, Counter())[name] += sign * amount
            for described in found["inputs"] if number else []:
                if self._subtract:
                    inputs.remove(next(i for i in inputs if _identity(i) == _identity(described)))
                else:
                    inputs.append(described)
        left = {group: {name: n for name, n in names.items() if n} for group, names in counters.items()}
        left = {group: names for group, names in left.items() if names}
        summed = manifest.build(self.kind, arguments=first["arguments"], inputs=inputs, counters=left, seconds=seconds)
        same = ("specification", "specification_fingerprint", "vocabulary_fingerprint", "dtype", "shape")
        return {**summed, **{name: first[name] for name in same if name in first}}


def _arguments(found: Manifest) -> dict[str, Any]:
    left = {name: value for name, value in found["arguments"].items() if name not in _INPUT_FLAGS}
    if left.get("split") == "all":  # these draw the other splits
        left = {name: value for name, value in left.items() if name not in ("validation", "salt", "group_field")}
    return left


def _identity(described: dict[str, Any]) -> tuple[str, int, str]:
    return str(described["path"]), described["size"], str(described.get("crc32"))


def is_subtracted(file: str) -> bool:
    """Whether a map task reads a part of what is to be subtracted, by the name of its file."""
    return _MINUS in os.path.basename(file)


def negate(block: bytes, kind: str) -> bytes:
    """The same lines with every number negated."""
    first = 2 if kind == "featurecount" else 1
    lines = []
    for line in block.split(b"\n")[:-1]:
        fields = line.split(b"\t")
        lines.append(b"\t".join([*fields[:first], *map(_negated, fields[first:])]))
    return b"".join([line + b"\n" for line in lines])


def _negated(field: bytes) -> bytes:
    if b":" not in field:
        return b"%d" % -int(field)
    return b" ".join(b"%s:%d" % (length, -int(n)) for length, _, n in (e.partition(b":") for e in field.split()))


def left_over(pairs: Iterable[tuple[bytes, bytes]], kind: str) -> Iterator[tuple[bytes, bytes]]:
    """The sums that are not zero.

    Raises:
        UserError: one is negative.
    """
    for key, value in pairs:
        fields = value.split(b"\t")
        label, columns = (fields[:1], fields[1:]) if kind == "featurecount" else ([], fields)
        if kind == "labelcount":
            entries = [entry for entry in columns[-1].split() if not entry.endswith(b":0")]
            numbers = [*columns[:-1], *(entry.partition(b":")[2] for entry in entries)]
            columns = [*columns[:-1], b" ".join(entries)]
        else:
            numbers = columns
        if any(number.startswith(b"-") for number in numbers):
            raise UserError(
                f"the first output holds less of {key[:60]!r} than is to be subtracted; nothing was written"
            )
        if any(number != b"0" for number in numbers):
            yield key, b"\t".join([*label, *columns])

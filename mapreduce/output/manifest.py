"""The manifest: `_manifest.json` inside every output, saying what it is and what it was made from.

Written once the parts are complete; `_SUCCESS` follows it and holds its sha256, so an output with `_SUCCESS` is whole.
Whoever reads an output reads its manifest first, and `read` refuses what is incomplete or was changed. This module
describes outputs; it makes and moves none. The JSON schema is in data/README.md.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from mapreduce.errors import UserError
from mapreduce.output import atomic
from mapreduce.paths import absolute
from mapreduce.tokens.specification import Specification

NAME = "_manifest.json"
SUCCESS = "_SUCCESS"
MODEL = "model"
"""The kind of a model folder; that of a job's output is the job's `KIND`."""
VERSION = 1
Counters = dict[str, dict[str, int]]
"""What tasks have counted, by group and name."""
RECORDS = "records"
"""The counter group of the records: `in`, `used`, `other split`, `headers` and `rejected: CAUSE`."""
REJECTED = "rejected: "
SCHEMA = "schema"
"""Where the manifest of an output of rows has the names and types of its columns."""
_BLOCK = 1 << 20


def build(
    kind: str,
    *,
    arguments: dict[str, Any] | None = None,
    specification: Specification | None = None,
    vocabulary_fingerprint: str | None = None,
    inputs: Iterable[dict[str, Any]] = (),
    counters: Counters | None = None,
    results: dict[str, Any] | None = None,
    seconds: float = 0.0,
    **more: Any,
) -> dict[str, Any]:
    """A manifest without its parts, which `write` adds; `more` holds the dtype and shape of shards.

    All of it is a function of the input and the flags, save `seconds`.
    """
    return {
        "kind": kind,
        "version": VERSION,
        "arguments": arguments or {},
        "specification": specification.to_json() if specification else None,
        "specification_fingerprint": specification.fingerprint if specification else None,
        "vocabulary_fingerprint": vocabulary_fingerprint,
        "inputs": list(inputs),
        "records": records(counters or {}),
        "counters": counters or {},
        "results": results or {},
        "seconds": round(seconds, 3),
        **more,
    }


def sent(counters: list[Counters], group: str) -> tuple[list[str], list[Counters]]:
    """What tasks have sent to the driver as the names of a group of counters, and the counters without it, by step."""
    others = [{name: found for name, found in step.items() if name != group} for step in counters]
    return [name for step in counters for name in step.get(group, {})], others


def records(counters: Counters) -> dict[str, Any]:
    """The records by what became of them: {"in", "used", "other split", "rejected": {cause: number}}; or {}."""
    if RECORDS not in counters:
        return {}  # a job that knows no records
    found = counters[RECORDS]
    rejected = {name[len(REJECTED) :]: n for name, n in sorted(found.items()) if name.startswith(REJECTED)}
    return {**{name: found.get(name, 0) for name in ("in", "used", "other split")}, "rejected": rejected}


def describe_input(path: str | os.PathLike[str], *, crc32: bool = True, sha256: bool = False) -> dict[str, Any]:
    """Path, size in bytes, crc32 (8 hexadecimal digits) and, where asked for, sha256 of one input file.

    Raises:
        UserError: it cannot be read.
    """
    crc, digest, size = 0, hashlib.sha256(), 0
    try:
        if not crc32 and not sha256:
            return {"path": os.fspath(path), "size": os.path.getsize(absolute(os.fspath(path)))}
        with open(absolute(os.fspath(path)), "rb") as file:
            while block := file.read(_BLOCK):
                size += len(block)
                crc = zlib.crc32(block, crc)
                if sha256:
                    digest.update(block)
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: cannot be read: {error.strerror or error}") from None
    described: dict[str, Any] = {"path": os.fspath(path), "size": size}
    if crc32:
        described["crc32"] = f"{crc:08x}"
    if sha256:
        described["sha256"] = digest.hexdigest()
    return described


def describe_inputs(
    paths: Iterable[str],
    called: Callable[[str], str],
    *,
    sha256: bool = False,
    read: Mapping[str, Sequence[tuple[int, int]]] | None = None,
) -> list[dict[str, Any]]:
    """`describe_input` of every file, under the name that `called` gives it.

    Args:
        read: size and crc32 of the pieces, in their order, of files that have been read to their end already.
    """
    found = []
    for path in paths:
        if not sha256 and (pieces := (read or {}).get(path)):
            size, crc = joined_crc32(pieces)
            found.append({"path": path, "size": size, "crc32": f"{crc:08x}"})
        else:
            found.append(describe_input(path, sha256=sha256))
    return [{**one, "path": called(str(one["path"]))} for one in found]


def joined_crc32(pieces: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Size and crc32 of pieces that stand one behind the other, from those of each.

    A crc32 is a polynomial over GF(2) modulo another: bytes behind a piece multiply that of the piece by x**8 each.

    Example:
        >>> joined_crc32([(3, zlib.crc32(b"abc")), (2, zlib.crc32(b"de"))]) == (5, zlib.crc32(b"abcde"))
        True
    """
    total, joined = 0, 0
    for size, crc in pieces:
        power, factor, left = _ONE, _ONE >> 8, size if total else 0
        while left:  # x ** (8 * size) by squaring
            if left & 1:
                power = _product(power, factor)
            factor, left = _product(factor, factor), left >> 1
        joined, total = _product(power, joined) ^ crc, total + size
    return total, joined


_ONE, _MODULUS = 1 << 31, 0xEDB88320  # the highest bit is that of x ** 0


def _product(one: int, other: int) -> int:
    product = 0
    while one:
        if one & _ONE:
            product ^= other
        one = (one << 1) & 0xFFFFFFFF
        other = other >> 1 ^ (_MODULUS if other & 1 else 0)
    return product


def describe_parts(directory: str | os.PathLike[str]) -> tuple[list[dict[str, Any]], int]:
    """`name`, `size` and `sha256` of every file of an output whose name has no _ or . before it, and how many lines
    there are in its part-* files. Names of files in folders (of a model) have slashes."""
    folder = Path(directory)
    parts, lines = [], 0
    for path in sorted(_visible(folder), key=lambda path: path.relative_to(folder).as_posix()):
        digest = hashlib.sha256()
        if not path.is_file():  # to open a pipe would block
            raise UserError(f"{path}: neither a file nor a folder, and no part of an output; remove it")
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if path.name.startswith("part-"):
                    lines += block.count(b"\n")
        name = path.relative_to(folder).as_posix()
        parts.append({"name": name, "size": path.stat().st_size, "sha256": digest.hexdigest()})
    return parts, lines


def _visible(folder: Path) -> Iterable[Path]:
    for path in folder.iterdir():
        if not path.name.startswith(("_", ".")):
            yield from _visible(path) if path.is_dir() else [path]


def complete(manifest: dict[str, Any], directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest with the parts that are in a directory, and how many lines they hold."""
    parts, lines = describe_parts(directory)
    return {**manifest, "parts": parts, "records": {**manifest.get("records", {}), "out": lines}}


def encode(manifest: dict[str, Any]) -> bytes:
    """The bytes of `_manifest.json`."""
    return (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode("ascii")


def success(data: bytes) -> bytes:
    """The bytes of `_SUCCESS` beside a manifest of these bytes: their sha256."""
    return hashlib.sha256(data).hexdigest().encode("ascii") + b"\n"


def write(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
    """Adds the parts that are there to the manifest, writes it, then `_SUCCESS`."""
    folder = Path(directory)
    data = encode(complete(manifest, folder))
    atomic.write(folder / NAME, data)
    atomic.write(folder / SUCCESS, success(data))


def read(
    directory: str | os.PathLike[str],
    kind: str | None = None,
    *,
    specification: Specification | None = None,
    vocabulary_fingerprint: str | None = None,
) -> dict[str, Any]:
    """The manifest of a whole output, whose parts have the sizes and sums that it names.

    Args:
        directory: the output of a job or of training.
        kind: what the output has to be: the `KIND` of a job, or "model"; None takes any.
        specification, vocabulary_fingerprint: what it has to be made with; None takes any.

    Raises:
        UserError: there is no output, it is not whole, not of this kind, was changed, or made with something else.
    """
    folder = Path(directory)
    wanted = f"{kind} output" if kind else "output"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file, and {wanted} is a folder")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such {wanted}; run the step that writes it first")
    try:
        done, data = (folder / SUCCESS).read_bytes(), (folder / NAME).read_bytes()
    except FileNotFoundError:
        what = f"{there}: give the one that is meant" if (there := near(folder, kind)) else _AGAIN
        raise UserError(f"{folder}: not a whole {wanted} ({SUCCESS} or {NAME} is missing); {what}") from None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read: {error.strerror or error}") from None
    if done and done != success(data):  # Hadoop's own _SUCCESS is empty
        raise UserError(f"{folder / NAME}: not the one that was written, by its sha256 in {SUCCESS}; {_AGAIN}")
    manifest = parse(data, os.fspath(folder), kind)
    if manifest["kind"] == MODEL and not manifest["parts"]:  # every version has named the files of a model
        raise UserError(f"{folder / NAME}: names no file of the model, so that nothing can be checked; {_AGAIN}")
    for part in manifest["parts"]:
        _check_part(folder / part["name"], part)
    if foreign := {path.name for path in folder.glob("part-*")} - part_names(manifest):
        raise UserError(f"{folder / min(foreign)}: not of this output, by its {NAME}; remove it")
    check(manifest, os.fspath(folder), specification, vocabulary_fingerprint)
    return manifest


def near(directory: str | os.PathLike[str], kind: str | None = None) -> str:
    """Says which outputs are near a folder that is none: those one or two folders below it, or the one that it stands
    in; "" where there is none.

    Args:
        kind: what they have to be; None takes any.
    """
    folder = Path(directory)
    for places in (folder.glob("*"), folder.glob("*/*"), [Path(os.path.abspath(folder)).parent]):
        found = [path for path in sorted(places) if os.path.isfile(path / SUCCESS) and _is_of(path / NAME, kind)]
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            names, what = ", ".join(map(str, found[:_SHOWN])), f"{kind} output" if kind else "output"
            return f"there is {what} in {names}{more}"
    return ""


_SHOWN = 5


def _is_of(path: Path, kind: str | None) -> bool:
    try:
        return kind in (None, json.loads(path.read_bytes()).get("kind"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


_KIND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_AGAIN = "give another folder, or run again what was to write it"


def parse(data: bytes, where: str, kind: str | None = None) -> dict[str, Any]:
    """The manifest in the bytes of a `_manifest.json`; every field that others read has its type.

    Raises:
        UserError: it is none, or not of this kind. `where` is named.
    """
    try:
        manifest = json.loads(data.decode("ascii"))
        if not isinstance(manifest, dict) or not isinstance(version := manifest["version"], int):
            raise ValueError("not a manifest")
        if version != VERSION:
            raise UserError(
                f"{where}/{NAME}: of manifest version {version}, and version {VERSION} is read here; use the "
                "featuremill that wrote it, or a later one"
            )
        if not _KIND.fullmatch(manifest["kind"]):
            raise ValueError(f"kind is {manifest['kind']!s:.60}")
        for name, types in _TYPES.items():
            if not isinstance(manifest[name], types):
                raise ValueError(f"{name} is {str(manifest[name])[:40]}")
        for name in ("specification_fingerprint", "vocabulary_fingerprint"):
            if manifest[name] is not None and not re.fullmatch("[0-9a-f]{1,64}", manifest[name]):
                raise ValueError(f"{name} is {manifest[name][:40]}")
        for name, values in [*manifest["counters"].items(), (RECORDS, manifest["records"])]:
            _numbers(name, {key: value for key, value in values.items() if key != "rejected"})
        _numbers("rejected", manifest["records"].get("rejected", {}))
        for entry in [*manifest["inputs"], *manifest["parts"]]:
            _numbers("size", {"size": entry["size"]})
        for part in manifest["parts"]:
            name = part["name"]
            if not name.isprintable() or len(name) > 200 or {"", ".", ".."} & set(name.split("/")):
                raise ValueError(f"part {name[:60]!r}")  # outside the folder, or no name that we give
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{where}/{NAME}: damaged ({error!s:.120}); {_AGAIN}") from None
    if kind and manifest["kind"] != kind:
        raise UserError(f"{where}: holds {manifest['kind']} output, not {kind} output")
    return manifest


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("arguments", "counters", "records", "results"), dict),
    **dict.fromkeys(("inputs", "parts"), list),
    **dict.fromkeys(("specification_fingerprint", "vocabulary_fingerprint"), (str, type(None))),
    "specification": (dict, type(None)),
    "seconds": (int, float),
}


def _numbers(name: str, values: dict[str, Any]) -> None:
    for key, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or (name == "size" and value < 0):
            raise ValueError(f"{name}: {key} is {str(value)[:40]}")


def _check_part(path: Path, part: dict[str, Any]) -> None:
    try:
        status = path.stat()
        if status.st_size != part["size"]:
            raise UserError(f"{path}: {status.st_size} bytes, and {part['size']} were written; {_AGAIN}")
        if "sha256" in part and _sha256(str(path), status.st_size, status.st_mtime_ns) != part["sha256"]:
            raise UserError(f"{path}: changed since it was written, by its sha256; {_AGAIN}")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; {_AGAIN}") from None


@lru_cache(maxsize=4096)
def _sha256(path: str, size: int, changed: int) -> str:
    """Computed once in a process for a file of this size and time of change."""
    return sha256_of(path)


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check(
    manifest: dict[str, Any],
    where: str,
    wanted: Specification | None = None,
    vocabulary_fingerprint: str | None = None,
) -> None:
    """Raises UserError, naming both fingerprints, where an output was made with something else; None takes any."""
    pairs = [
        ("specification", wanted and wanted.fingerprint, manifest["specification_fingerprint"]),
        ("vocabulary", vocabulary_fingerprint, manifest["vocabulary_fingerprint"]),
    ]
    for name, expected, found in pairs:
        if expected is not None and found != expected:
            raise UserError(f"{where}: made with {name} {found}, and {expected} is wanted; make it again with that")


def specification(manifest: dict[str, Any]) -> Specification:
    """The specification that an output was made with.

    Raises:
        UserError: it has none, or not the one that its fingerprint names.
    """
    found = Specification.from_json(manifest.get("specification"))
    if found.fingerprint != manifest.get("specification_fingerprint"):
        raise UserError(
            f"manifest: specification {found.fingerprint} is not the one that was written, "
            f"{manifest.get('specification_fingerprint')}"
        )
    return found


def part_names(manifest: dict[str, Any]) -> set[str]:
    """The names of the parts; `read` has checked that each is there and as it was written."""
    return {part["name"] for part in manifest["parts"]}


def part_paths(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> list[str]:
    """Paths of the parts, in order."""
    return [os.path.join(directory, part["name"]) for part in manifest["parts"]]

"""The manifest: `_manifest.json` inside every output, saying what it is and what it was made from.

Written once the parts are complete; `_SUCCESS` follows it, so an output with `_SUCCESS` is whole. This module
describes outputs; it makes and moves none.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mapreduce.errors import UserError
from mapreduce.specification import Specification

NAME = "_manifest.json"
SUCCESS = "_SUCCESS"
VERSION = 1
KINDS = ("wordcount", "featurecount", "labelcount", "vocabulary", "encode", "model", "job")


def build(
    kind: str,
    *,
    arguments: dict[str, Any] | None = None,
    specification: Specification | None = None,
    vocabulary_fingerprint: str | None = None,
    inputs: Iterable[dict[str, Any]] = (),
    counters: dict[str, dict[str, int]] | None = None,
    results: dict[str, Any] | None = None,
    seconds: float = 0.0,
    **more: Any,
) -> dict[str, Any]:
    """A manifest without its parts, which `write` adds; `more` holds the dtype and shape of shards."""
    return {
        "kind": kind,
        "version": VERSION,
        "arguments": arguments or {},
        "specification": specification.to_json() if specification else None,
        "specification_fingerprint": specification.fingerprint if specification else None,
        "vocabulary_fingerprint": vocabulary_fingerprint,
        "inputs": list(inputs),
        "counters": counters or {},
        "results": results or {},
        "seconds": round(seconds, 3),
        **more,
    }


def describe_input(path: str | os.PathLike[str], *, crc32: bool = True) -> dict[str, Any]:
    """Path, size in bytes and crc32 (8 hexadecimal digits) of one input file."""
    described: dict[str, Any] = {"path": os.fspath(path), "size": os.path.getsize(path)}
    if crc32:
        crc = 0
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                crc = zlib.crc32(block, crc)
        described["crc32"] = f"{crc:08x}"
    return described


def write(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
    """Adds the parts that are there to the manifest, writes it, then `_SUCCESS`."""
    folder = Path(directory)
    parts = sorted(p for p in folder.iterdir() if p.name.startswith("part-"))
    manifest = {**manifest, "parts": [{"name": p.name, "size": p.stat().st_size} for p in parts]}
    (folder / NAME).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="ascii")
    (folder / SUCCESS).touch()


def read(directory: str | os.PathLike[str], kind: str | None = None) -> dict[str, Any]:
    """The manifest of a whole output.

    Args:
        directory: the output of a job or of training.
        kind: what the output has to be, one of `KINDS`; None takes any.

    Raises:
        UserError: there is no output, it is not whole, not of this kind, or a part is missing or of another size.
    """
    folder = Path(directory)
    wanted = f"{kind} output" if kind else "output"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such {wanted}; run the step that writes it first")
    if not (folder / SUCCESS).exists() or not (folder / NAME).exists():
        raise UserError(f"{folder}: not a whole {wanted} ({SUCCESS} or {NAME} is missing); remove it and run again")
    try:
        manifest = json.loads((folder / NAME).read_bytes())
        if not isinstance(manifest, dict) or manifest["version"] != VERSION or manifest["kind"] not in KINDS:
            raise ValueError("not a manifest of version 1")
        sizes = {str(part["name"]): int(part["size"]) for part in manifest["parts"]}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / NAME}: damaged ({error}); remove {folder} and run again") from None
    if kind and manifest["kind"] != kind:
        raise UserError(f"{folder}: holds {manifest['kind']} output, not {wanted}")
    for name, size in sizes.items():
        part = folder / name
        if os.path.basename(name) != name or not part.is_file() or part.stat().st_size != size:
            raise UserError(f"{part}: missing or not of {size} bytes; remove {folder} and run again")
    return manifest


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


def part_paths(directory: str | os.PathLike[str], manifest: dict[str, Any]) -> list[str]:
    """Paths of the parts, in order."""
    return [os.path.join(directory, part["name"]) for part in manifest["parts"]]

"""Configurations of a training: a TOML file of flags, read for `--config` and written beside every model.

A key is a flag without its dashes; what a run has decided stands as a table of its own, [decisions], that nobody reads
back. This module knows the flags by their parser alone.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from mapreduce.errors import UserError

NAME = "train.toml"
DECISIONS = "decisions"


def arguments(path: str, parser: argparse.ArgumentParser) -> list[str]:
    """The flags of a configuration as arguments of the command line, where they may stand before others.

    Raises:
        UserError: the file cannot be read or is no TOML, Python has no reader of it, or a key is no flag or holds what
            no flag takes.
    """
    flags = {
        option[2:]: action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and option not in ("--help", "--config")
    }
    found: list[str] = []
    for key, value in _load(path).items():
        if key == DECISIONS:
            continue
        if key not in flags:
            near = get_close_matches(key, flags, 1)
            hint = f"did you mean {near[0]}?" if near else "the keys are the flags that --help lists"
            raise UserError(f"{path}: no flag {key!r}; {hint}")
        found += _argument(path, key, flags[key], value)
    return found


def _load(path: str) -> dict[str, Any]:
    if sys.version_info < (3, 11):
        raise UserError(f"--config {path}: Python {sys.version_info[0]}.{sys.version_info[1]} reads no TOML; take 3.11")
    tomllib = importlib.import_module("tomllib")
    try:
        with open(path, "rb") as file:
            found: dict[str, Any] = tomllib.load(file)
            return found
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: not TOML: {error}") from None


def _argument(path: str, key: str, action: argparse.Action, value: Any) -> list[str]:
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UserError(f"{path}: {key} is true or false. Received: {value!r:.60}")
        no = f"--no-{key}"  # some flags can be turned off
        return [f"--{key}"] if value else [no] if no in action.option_strings else []
    several = value if isinstance(value, list) and action.nargs == "+" else [value]
    for one in several:
        if not isinstance(one, (str, int, float)) or isinstance(one, bool) or not several:
            raise UserError(f"{path}: {key} is a string or a number. Received: {one!r:.60}")
    if action.nargs == "+":
        return [f"--{key}", *map(str, several)] if several else []
    return [f"--{key}={several[0]}"]


def text(flags: Mapping[str, Any], decisions: Mapping[str, Any]) -> str:
    """A configuration as TOML; values are strings, numbers, truth values and lists of strings."""
    lines = ["# python -m models.train --config THIS_FILE --output another", *_lines(flags)]
    lines += ["", "# What this run has decided; it is not read back.", f"[{DECISIONS}]", *_lines(decisions)]
    return "\n".join(lines) + "\n"


def _lines(found: Mapping[str, Any]) -> list[str]:
    # JSON's strings, numbers, truth values and lists are TOML's, save that TOML wants DEL escaped.
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f") for key, value in found.items()
    ]

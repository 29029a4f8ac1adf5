"""The flags that say what a token is, in one list, and the specification that they come to.

A further one is a line in FLAGS: of a rule for the character table (then `character_table` in
`mapreduce.tokens.specification` knows it), or with `apply`, which changes a specification.
"""

from __future__ import annotations

import json
from argparse import BooleanOptionalAction
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import WIDEST, up_to_or_widths, whole, widths
from mapreduce.tokens.specification import (
    CASE_RULES,
    MOST_HEAD,
    PRESETS,
    PUNCTUATION_RULES,
    Specification,
    override,
    preset,
)


@dataclass(frozen=True)
class Flag:
    """A flag.

    Attributes:
        name: with underscores, `character_ngrams` for --character-ngrams.
        help: for --help.
        parse: turns the user's word into a value; None takes one of `choices`.
        choices: the words that can be given; None takes any, and without `parse` no word: --name or --no-name.
        apply: gives a specification with the value in it; None where the flag says which table is made.
    """

    name: str
    help: str
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] | None = None
    apply: Callable[[Specification, Any], Specification] | None = None

    @property
    def option(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")

    @property
    def arguments(self) -> dict[str, Any]:
        """What `argparse` takes of it."""
        parsed = {"choices": self.choices} if self.choices else {"action": BooleanOptionalAction}
        return {"help": self.help, **({"type": self.parse} if self.parse else parsed)}


def _feature(name: str, help: str, parse: Callable[[str], Any] | None = None) -> Flag:
    """The flag of a field that says which features there are."""
    return Flag(name, help, parse, apply=lambda found, value: override(found, **{name: value}))


FLAGS = (
    Flag("tokenizer", "tokenizer preset (default: keras)", choices=PRESETS),
    Flag("punctuation", "what becomes of punctuation", choices=PUNCTUATION_RULES),
    Flag("case", "A to Z become a to z, or stay", choices=CASE_RULES),
    _feature("ngrams", "word n-grams: 2 (words and pairs), 1-3, or 2-2 (pairs alone)", up_to_or_widths),
    _feature("character_ngrams", "character n-grams within words, for example 3-5", widths),
    _feature("head", "count the first n words once more, as features of their own", whole(0, MOST_HEAD)),
    _feature("skips", "count pairs of a word and the word after next"),
    _feature(
        "head_pairs", "count the first n pairs of neighbours once more, as features of their own", whole(0, MOST_HEAD)
    ),
    _feature(
        "prefixes",
        "count what a document begins with: its first word, its first two, ... its first n",
        whole(0, WIDEST),
    ),
    _feature(
        "characters_across", "character n-grams across words, the spaces between them included, for example 3-6", widths
    ),
)


def specification(given: Mapping[str, Any], path: str | None = None) -> Specification:
    """The specification that flags come to.

    Args:
        given: values of flags by name; None where a flag is not given.
        path: in place of a preset: a JSON file of a specification, or of a manifest that holds one.

    Raises:
        UserError: the file is none, or flags do not go with each other.
    """
    rules = {flag.name: given.get(flag.name) for flag in FLAGS if flag.apply is None}
    if path is None:
        name = rules.pop("tokenizer") or "keras"
        found = preset(name, **rules)
    else:
        if any(value is not None for value in rules.values()):
            names = [flag.option for flag in FLAGS if flag.apply is None]
            raise UserError(
                f"{', '.join(names[:-1])} and {names[-1]} do not go with --specification, which holds a table"
            )
        found = _read(path)
    for flag in FLAGS:
        if flag.apply is not None and (value := given.get(flag.name)) is not None:
            found = flag.apply(found, value)
    return found


def _read(path: str) -> Specification:
    try:
        with open(path, "rb") as file:
            data = json.load(file)
        if isinstance(data, dict) and "specification" in data:  # the manifest of an output
            data = data["specification"]
        return Specification.from_json(data)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a specification: {error}") from None

"""Encodes a table: every row becomes a line of its hash, its target and the numbers that are made of its columns.

What becomes of a column its figures say, which jobs/schema.py has found in the training rows: numbers are standardised,
categories get a place each, those of many values are hashed, dates become their parts, and what is missing has a place
where it was missing in training. Lines are ordered by hash, which shuffles them. The numbers are little-endian float32
in web-safe base64; the manifest has their shape, and the recipe that they were made by.

Input:   city,price
         Oslo,3
Output:  5a30e2f7b5fb5f2c	3.0	AACAPwAAAAA=        (--figures figures --target price)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import whole
from mapreduce.input import rows
from mapreduce.output import atomic
from mapreduce.output import manifest as manifests
from mapreduce.shuffle.sums import in_order
from mapreduce.tablejob import TableJob
from mapreduce.tables import encoding
from mapreduce.tables.encoding import Recipe, TableEncoder
from mapreduce.tables.misfits import used
from mapreduce.tables.schema import FIELD, Schema


class EncodeTable(TableJob):
    __doc__ = __doc__
    KIND = "encode"
    EXAMPLE = "python jobs/encodetable.py -r local --figures figures --target price --output-dir shards items.csv"

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        figures = "output of jobs/schema.py --top 1000 over the training rows"
        self.arg_parser.add_argument("--figures", metavar="DIR", help=figures)
        add("--target", default="", metavar="COLUMN", help="what is to be learnt")
        add("--task", choices=encoding.TASKS, help="whether that is classes or a number (default: by its values)")
        how = "numbers are standardised, or lie between 0 and 1 (default: standard)"
        add("--numbers", choices=encoding.NUMBERS_AS, default=encoding.STANDARD, help=how)
        most, buckets = encoding.CATEGORIES, encoding.BUCKETS
        add("--categories", type=whole(1, 1000), default=most, help=f"values with a place each, at most ({most})")
        add(
            "--buckets",
            type=whole(2, 1 << 20),
            default=buckets,
            help=f"places of one of more values, or of words ({buckets})",
        )
        add("--words", default="", metavar="A,B", help="columns of texts whose words are read, hashed to --buckets")
        recipe = "in place of figures and target: encode as this output was, or a JSON file of its recipe"
        self.add_driver_arg("--recipe", file=True, help=recipe)
        add("--shards", type=whole(1, 10_000), default=1, help="number of parts (default: 1)")

    def needs_types(self, schema: Schema) -> set[str]:
        return set()  # the recipe has them

    @cached_property
    def recipe(self) -> Recipe:
        """What becomes of the columns."""
        path = self.options.recipe
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: no recipe can be read: {error!s:.100}") from None
        return Recipe.from_json(data.get(encoding.FIELD, data) if isinstance(data, dict) else data, path)

    @cached_property
    def encoder(self) -> TableEncoder:
        """What makes the numbers of a row."""
        names = [*(one.name for one in self.recipe.inputs), self.recipe.target.name]
        return TableEncoder(self.recipe, [self.schema.place(name) for name in names])

    def settle(self) -> None:
        options = self.options
        super().settle()
        if options.find_types:
            return
        if self._is_made:  # mrjob may ask more than once
            return
        if bool(options.figures) == bool(options.recipe):
            raise UserError("name what becomes of the columns: --figures FIGURES --target COLUMN, or --recipe SHARDS")
        if options.figures:
            self._make_recipe(options.figures)
        elif os.path.isdir(options.recipe):
            manifests.read(options.recipe)
            options.recipe = os.path.join(options.recipe, manifests.NAME)
        self._is_made = True
        self.encoder  # noqa: B018 - a column that is not there is an error of the driver, not of a task

    _is_made = False

    def _make_recipe(self, folder: str) -> None:
        options, figures, schema = self.options, *read_figures(folder)
        made = encoding.make(
            figures,
            schema,
            options.target,
            task=options.task,
            numbers=options.numbers,
            categories=options.categories,
            buckets=options.buckets,
            words=[name.strip() for name in options.words.split(",") if name.strip()],
        )
        if not options.quiet:
            for line in encoding.described(made):
                print(f"encodetable: {line}", file=sys.stderr)
        options.recipe = os.path.join(atomic.scratch(), "recipe.json")
        atomic.write(options.recipe, json.dumps(made.to_json()).encode("ascii"))

    def arguments(self) -> dict[str, Any]:
        """The flags, without the recipe, which is a field of its own."""
        found = super().arguments()
        return {name: value for name, value in found.items() if name != "recipe"}

    def manifest_fields(self, parts: str) -> dict[str, Any]:
        """The dtype and shape of a row, and the recipe."""
        own = {"dtype": "float32", "shape": [len(self.recipe.places)], encoding.FIELD: self.recipe.to_json()}
        return {**super().manifest_fields(parts), **own}

    def jobconf(self) -> dict[str, Any]:
        return {**super().jobconf(), "mapreduce.job.reduces": str(self.options.shards)}

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        encoder, salt = self.encoder, self.options.salt.encode()
        for reader, block in self.read(blocks):
            entries = reader.entries(block)
            yield b"".join(used(reader, entries, lambda row: encoder.line(row, rows.split(row), salt)))

    reducer = in_order


def read_figures(folder: str) -> tuple[dict[str, Any], Schema]:
    """The figures of columns in an output of jobs/schema.py, and its schema.

    Raises:
        UserError: there is none.
    """
    found = manifests.read(folder, "schema")
    figures = {}
    for path in manifests.part_paths(folder, found):
        with open(path, "rb") as file:
            for line in file:
                name, _, data = line.rstrip(b"\n").partition(b"\t")
                figures[rows.unescape(name).decode("utf-8", "surrogateescape")] = json.loads(data)
    return figures, Schema.from_json(found[FIELD], folder)


if __name__ == "__main__":
    EncodeTable.run()

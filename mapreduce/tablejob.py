"""The base class of jobs over tables: rows of named and typed columns, whatever file they stand in.

The types come from --schema or --types, from the manifest where the input is the output of a table job, or else from
the input itself: the job then runs once more, before, over all rows (--find-types). What a type is `mapreduce.tables`
knows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

from mapreduce.errors import RecordError, UserError
from mapreduce.input import rows
from mapreduce.input.files import Source
from mapreduce.input.formats import FORMATS, Format, Layout, csv, detect
from mapreduce.input.formats.dialect import named
from mapreduce.input.formats.format import laid_out
from mapreduce.job import MRStep, in_blocks, whole_lines
from mapreduce.output.manifest import RECORDS, Counters
from mapreduce.recordjob import RecordJob
from mapreduce.tables import schema as schemas
from mapreduce.tables import shown, types
from mapreduce.tables.counting import count_columns
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, NUMBERS


class TableJob(RecordJob):
    """A job over the rows of tables."""

    SETTLED = ("names", "schema", "types", "nulls", *RecordJob.SETTLED)
    UNUSUAL = (*SETTLED, "find_types", "test_share")

    def configure_args(self) -> None:
        super().configure_args()
        driver = self.add_driver_arg
        driver("--names", help="names of the columns, as a,b,c (default: those of the header)")
        driver("--schema", help="names and types: the output of the job schema, or a JSON file (default: found out)")
        driver("--types", help="types of some columns in place of what they look like, as age:int,code:text")
        driver("--nulls", help="what is a missing value beside an empty field, as NA,null")
        self.add_passthru_arg("--find-types", action="store_true", help="only find out and print the types of columns")
        printed = self.arg_parser.add_mutually_exclusive_group()
        printed.add_argument("--show", action="store_true", help="print a table for people in place of lines")
        if type(self).output_schema is not TableJob.output_schema:
            printed.add_argument("--csv", action="store_true", help="print CSV with a header line in place of lines")

    def load_args(self, args: list[str]) -> None:
        """To show what there is, it is printed also where it goes to a folder."""
        super().load_args(args)
        options = self.options
        options.cat_output = options.cat_output or options.show or getattr(options, "csv", None) or None

    def keep_input(self) -> None:
        """As others do; a file that stands where a flag may have a value is noticed."""
        for name in ("dropna", "trim"):
            value = getattr(self.options, name, None)
            if value and not self.options.args and os.path.exists(value):
                raise UserError(f"{value} stands behind --{name} and is taken for columns; name files before it")
        super().keep_input()

    @property
    def layout(self) -> Layout:
        """How the rows are laid out, by the flags."""
        flags = vars(self.options)
        return laid_out(flags, strict=self.options.strict, labelled=False, keeps_all=True, names=self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        given = self.options.names
        if not given:
            return ()
        if given.startswith("["):
            return tuple(json.loads(given))  # it is settled
        return named(given.split(","), "--names")

    @cached_property
    def schema(self) -> Schema:
        """The names and types of the columns, once they are settled."""
        return Schema.from_json(json.loads(self.options.schema), "--schema")

    @property
    def nulls(self) -> tuple[str, ...]:
        """What is a missing value beside an empty field."""
        return tuple(filter(None, (self.options.nulls or "").split(",")))

    def find_format(self, named: list[str]) -> str:
        """As others find it; what has no suffix that tells is CSV."""
        files = self.files_behind(named)
        found = detect(map(Source, files))
        return "csv" if FORMATS[found].whole else found

    def check_format(self, format: type[Format]) -> None:
        """Raises UserError where its records have no columns."""
        if not format.has_fields:
            names = ", ".join(one.name for one in FORMATS.values() if one.has_fields)
            raise UserError(f"{self.KIND} reads tables, and {format.name} has no columns; give --format ({names})")

    def settle(self) -> None:
        """Settles the format, the names of the columns, and their types."""
        options = self.options
        self._given = self._given or {name: getattr(options, name) for name in self.SETTLED}
        told = schemas.read(options.schema) if options.schema else self._of_inputs()
        if told is not None and not options.names:
            options.names = json.dumps(told.names)
        super().settle()
        names = self._names
        nulls = self.nulls or (told.nulls if told else ())
        found = Schema(told.columns, nulls) if told else schemas.of_names(names, nulls)
        if found.names != names:
            raise UserError(
                f"the schema has columns {', '.join(found.names)!s:.200}, and the input {', '.join(names)!s:.200}"
            )
        chosen = schemas.parse_types(options.types or "")
        known = {found.of(name, "--types").name for name in chosen}
        if told is None and not options.find_types and not self.needs_types(found) <= known:
            found = Schema(tuple(self._found_types()), nulls)
        options.schema = json.dumps(found.with_types(chosen).to_json())
        options.types = None
        self.__dict__.pop("schema", None)

    def needs_types(self, schema: Schema) -> set[str]:
        """The names of the columns whose types the job has to know, by a schema of their names."""
        return set(schema.names)

    def _of_inputs(self) -> Schema | None:
        """The schema that the manifests of inputs have, where these are outputs of table jobs."""
        found = schemas.of_outputs(self.options.args)
        if found is not None:
            self.options.format = self.options.format or "rows"
        return found

    def _found_types(self) -> Iterator[Column]:
        for name, line in zip(self._names, self.round("--find-types")):
            kind = line.partition(b"\t")[2].decode()
            yield Column(name, types.TEXT if kind == types.NULL else kind)

    def steps(self) -> list[MRStep]:
        """The step that finds types, where that is asked for; else `table_steps`."""
        if self.options.find_types:
            return [
                MRStep(
                    mapper=in_blocks(self._map_types),
                    combiner=_join.__get__(self),
                    reducer=_join.__get__(self),
                    jobconf={"mapreduce.job.reduces": "1"},
                )
            ]
        return self.table_steps()

    def table_steps(self) -> list[MRStep]:
        """The steps of the job."""
        return super().steps()

    def _map_types(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for place, column in enumerate(count_columns(self.read(blocks), schemas.of_names(self._names, self.nulls))):
            yield b"%06d\t%s\n" % (place, column.type.encode())

    def check_counters(self, counters: list[Counters]) -> None:
        """As others do; a table without a row has no answer."""
        super().check_counters(counters)
        if not counters[0].get(RECORDS, {}).get("used"):
            raise RecordError(f"no row in the input ({counters[0].get(RECORDS, {}).get('in', 0)} read)")

    def printed(self, blocks: Iterable[bytes]) -> Iterable[bytes]:
        """The lines, or with --show a table for people, or with --csv one for programs."""
        found = self.output_schema
        if found is None or not (self.options.show or self.options.csv):
            return blocks
        fields = (rows.split(line)[: len(found.columns)] for line in whole_lines(blocks))  # behind a lone one is a tab
        if self.options.csv:
            header = [name.encode("utf-8", "surrogateescape") for name in found.names]
            return map(csv.written, chain([header], fields))
        right = [column.type in NUMBERS for column in found.columns]
        cells = [_digits if column.type == DOUBLE else _plain for column in found.columns]
        return shown.table(found.names, ([cell(field) for cell, field in zip(cells, row)] for row in fields), right)


def _join(job: Any, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The combiner and the reducer of lines `place TAB type`."""
    yield key, types.join_all(kind.decode() for kind in values).encode()


def _plain(field: bytes) -> str:
    return field.decode("utf-8", "replace")


def _digits(field: bytes) -> str:
    """A double for people, in six digits."""
    try:
        value = float(field)
    except ValueError:  # there is none, or it stands as it was
        return _plain(field)
    return f"{value:.6g}" if value - value == 0 else _plain(field)

"""Fits a number as a sum of terms times coefficients, by least squares: linear regression, in one pass.

Terms are columns and expressions of them; conditions are 1 or 0. A line has a term, its coefficient, the standard error
of that and their ratio t; the term 1 is the constant. The sums over all rows are exact, and so is the solution before
it is rounded. R2, the residual deviation and the condition number are in the manifest, and on stderr.

Input:   area,rooms,price
         50,2,200
         ...
Output:  1	12.5	3.1	4.03        (--target price --on area,rooms)
         area	3.2	0.05	64
         rooms	8.1	1.9	4.26
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cached_property
from typing import Any

from mapreduce.errors import UserError
from mapreduce.flag_values import number, whole
from mapreduce.input.rows import join
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.methods import least_squares, terms
from mapreduce.methods.least_squares import ILL, Dependent, Fit
from mapreduce.methods.moments import Moments, sum_up
from mapreduce.output import manifest
from mapreduce.output.manifest import Counters
from mapreduce.tablejob import TableJob
from mapreduce.tables.expressions import Expression, mentioned, split
from mapreduce.tables.schema import Column, Schema
from mapreduce.tables.types import DOUBLE, TEXT, write

_GROUP = "regression"  # of counters, whose names are the results


class Regression(TableJob):
    __doc__ = __doc__
    KIND = "regression"
    EXAMPLE = "python jobs/regression.py -r local --target price --on 'area, rooms, city = \"Oslo\"' --show homes.csv"

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--target", default="", metavar="EXPRESSION", help="the number that is to be explained, a column as a rule")
        add("--on", default="", metavar="A,B", help='terms: columns, or expressions as area*rooms, city = "Oslo"')
        add("--degree", type=whole(1, 8), default=1, help="also the powers of each term up to this (default: 1)")
        add("--interactions", action="store_true", help="also the product of each two terms")
        add("--no-constant", action="store_true", help="fit without a constant term")
        add("--ridge", type=number(0, math.inf), help="add this to the diagonal of X'X, but for the constant")

    def needs_types(self, schema: Schema) -> set[str]:
        return mentioned(f"{self.options.on} {self.options.target}", schema)

    @cached_property
    def terms(self) -> list[Expression]:
        """The terms, and last of all the target."""
        options = self.options
        named = terms.expanded(list(filter(None, split(options.on))), options.degree, options.interactions)
        if not named or not options.target:
            raise UserError("name what is to be explained with --target price, and by what with --on area,rooms")
        found = terms.parsed(named, self.schema, "--on")
        return [*found, *terms.parsed([options.target], self.schema, "--target")]

    def settle(self) -> None:
        super().settle()
        self.__dict__.pop("terms", None)
        if not self.options.find_types:
            self.terms  # noqa: B018 - a wrong term is an error of the driver, not of a task

    def table_steps(self) -> list[MRStep]:
        reducer = reduced_in_blocks(self.solve)
        return [MRStep(mapper=in_blocks(self.map_blocks), reducer=reducer, jobconf={"mapreduce.job.reduces": "1"})]

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return sum_up(self.read(blocks), self.terms, self.schema)

    def solve(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: adds the sums of all tasks, and solves; sends the results as counters."""
        moments = Moments(self.terms, self.schema)
        for block in blocks:
            moments.merge(block.splitlines())
        first = int(self.options.no_constant)
        names = ["1", *(term.text for term in self.terms[:-1])][first:]
        results: dict[str, float] = {"rows": moments.count, "left out": moments.missing}
        try:
            found = self._fit(moments, first)
        except Dependent as dependent:
            others = ", ".join(f"{factor:.6g}*{names[i]}"[:20] for i, factor in dependent.others.items())
            self.increment_counter(_GROUP, f"! {names[dependent.column]} is {others or 0}"[:60])
            return
        if found is not None:
            deviation = math.sqrt(found.residual / free) if (free := moments.count - len(names)) > 0 else math.nan
            results |= {"r2": found.r2, "residual deviation": deviation, "condition": found.condition}
            for name, value, error in zip(names, found.coefficients, found.errors):
                t = value / error if error else math.copysign(math.inf, value)
                yield join([name.encode("utf-8", "surrogateescape"), *map(_number, (value, error, t))]) + b"\n"
        for name, amount in results.items():
            self.increment_counter(_GROUP, f"{name}: {amount!r}")

    def _fit(self, moments: Moments, first: int) -> Fit | None:
        """What least squares finds; None where there are fewer rows than coefficients."""
        size = len(self.terms) + 1
        matrix = [[moments.sum_of(*sorted((i, j))).exact() or Fraction(0) for j in range(size)] for i in range(size)]
        last = size - 1
        if moments.count < last - first:
            return None
        mean = None if first else matrix[0][last] / moments.count
        inner = [row[first:last] for row in matrix[first:last]]
        y = [row[last] for row in matrix[first:last]]
        ridge = self.options.ridge or 0.0
        return least_squares.fit(inner, y, matrix[last][last], moments.count, ridge, mean)

    def check_counters(self, counters: list[Counters]) -> None:
        super().check_counters(counters)
        if self.options.find_types:
            return
        sent, _ = manifest.sent(counters, _GROUP)
        for name in sent:
            if name.startswith("! "):
                raise UserError(f"a column of X is a sum of others: {name[2:]}; leave one of them out, or give --ridge")
        found = _results(sent)
        used, wanted = int(found["rows"]), len(self.terms) - self.options.no_constant
        if "r2" not in found:
            raise UserError(
                f"{used} rows have a value in every term ({int(found['left out'])} lack one), and there are {wanted} "
                "coefficients; leave terms out, or fill what is missing with jobs/clean.py"
            )
        if not self.options.quiet:
            left = f", {int(found['left out'])} left out, as a value is missing (jobs/clean.py fills it)"
            print(
                f"{self.KIND}: R2 {found['r2']:.6g}, residual deviation {found['residual deviation']:.6g}, "
                f"{used} rows{left if found['left out'] else ''}",
                file=sys.stderr,
            )
        if found["condition"] > ILL and not self.options.quiet:
            print(
                f"{self.KIND}: the condition number of X is {found['condition']:.3g}: its columns are nearly sums of "
                "others, so that small errors of the data change the coefficients much; leave one out or give --ridge",
                file=sys.stderr,
            )

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        """The manifest, with the results that the reducer has sent."""
        sent, others = manifest.sent(counters, _GROUP)
        described = super().describe(parts, inputs, others, seconds)
        if self.options.find_types:
            return described
        results = {name.replace(" ", "_"): _plain(value) for name, value in _results(sent).items()}
        return {**described, "results": results}

    @property
    def output_schema(self) -> Schema | None:
        names = ("coefficient", "error", "t")
        return None if self.options.find_types else Schema((Column("term", TEXT), *(Column(n, DOUBLE) for n in names)))


def _results(sent: list[str]) -> dict[str, float]:
    return {name: float(value) for name, _, value in (one.partition(": ") for one in sent)}


def _plain(value: float) -> Any:
    """As JSON has it."""
    if value != value or value in (math.inf, -math.inf):
        return None
    return int(value) if value.is_integer() else value


def _number(value: float) -> bytes:
    return b"" if value != value else write(value)


if __name__ == "__main__":
    Regression.run()

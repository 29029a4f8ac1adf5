"""The terms of a model: numbers that are computed of a row, out of what the flags of its job say.

A term is an expression (`mapreduce.tables.expressions`): a column, a product, a condition, which is 1 or 0. Nothing
here sums or solves.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from mapreduce.errors import UserError
from mapreduce.tables.expressions import Expression
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import BOOLEAN, NUMBERS


def expanded(terms: Sequence[str], degree: int = 1, interactions: bool = False) -> list[str]:
    """Terms, their powers up to a degree, and the product of each two of them.

    Example:
        >>> expanded(["a", "b"], 2, True)
        ['a', 'b', 'a*a', 'b*b', 'a*b']
    """
    bare = [term if term.replace("_", "a").isalnum() else f"({term})" for term in terms]
    powers = ["*".join([one] * n) for n in range(2, degree + 1) for one in bare]
    products = [f"{one}*{other}" for one, other in combinations(bare, 2)] if interactions else []
    return [*terms, *powers, *products]


def parsed(terms: Sequence[str], schema: Schema, flag: str) -> list[Expression]:
    """The expressions of terms.

    Raises:
        UserError: one does not parse, is no number, or is there twice.
    """
    found = []
    for term in terms:
        expression = Expression(term, schema, flag)
        if expression.type not in (*NUMBERS, BOOLEAN):
            raise UserError(
                f"{flag}: {term} is {expression.type}, and a number is wanted; for a category write a term like "
                f'{term} = "a value", which is 1 or 0'
            )
        found.append(expression)
    if len(set(terms)) < len(terms):
        twice = next(term for term in terms if list(terms).count(term) > 1)
        raise UserError(f"{flag}: the term {twice} is there twice")
    return found

"""Linear regression by least squares out of exact sums: the normal equations are solved in rational numbers.

With X'X and X'y exact, the solution is exact too, and is rounded once, whatever the condition of X (Golub and Van Loan,
Matrix Computations, 5.3; here by Bareiss' elimination, 1968, in place of Cholesky's roots). The condition number says
how far the data, which are rounded, decide the coefficients. It knows no job and no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mapreduce.tables.figures import root, rounded

Matrix = list[list[Fraction]]
ILL = 1e4
"""The condition number of X from which on coefficients deserve a warning."""
TOLERANCE = 10**12
"""A column of which the others leave less than one part in so many is a sum of them, but for its own rounding."""


class Dependent(ValueError):
    """A column of X is a sum of others.

    Attributes:
        column: its number.
        others: those of which it is one, with their factors.
    """

    def __init__(self, column: int, others: dict[int, float]) -> None:
        super().__init__(column)
        self.column, self.others = column, others


@dataclass(frozen=True)
class Fit:
    """What regression has found.

    Attributes:
        coefficients: of the columns of X.
        errors: their standard errors; NaN with a ridge, or where no degree of freedom is left.
        residual: the sum of the squares of the residuals.
        r2: the share of the squares of y, about their mean, that X explains; NaN where y is constant.
        condition: the condition number of X, its columns scaled to one length.
    """

    coefficients: list[float]
    errors: list[float]
    residual: float
    r2: float
    condition: float


def solve(matrix: Matrix, sides: Matrix) -> Matrix:
    """The solution of a system with a symmetric matrix, for several right sides, exactly.

    Args:
        matrix: [p, p].
        sides: [p, k].

    Returns:
        [p, k].

    Raises:
        Dependent: the matrix is singular.

    Example:
        >>> solve([[Fraction(2), Fraction(1)], [Fraction(1), Fraction(3)]], [[Fraction(3)], [Fraction(4)]])
        [[Fraction(1, 1)], [Fraction(1, 1)]]
    """
    size = len(matrix)
    scale = math.lcm(*(value.denominator for rows in (matrix, sides) for row in rows for value in row))
    table = [[int(value * scale) for value in (*row, *side)] for row, side in zip(matrix, sides)]
    before = 1
    for k in range(size):  # without pivots: a symmetric matrix of sums has a zero here only where columns depend
        pivot = table[k][k]
        if pivot == 0:
            raise _dependent(matrix, k)
        for i in range(k + 1, size):
            factor = table[i][k]
            table[i] = [(pivot * a - factor * b) // before for a, b in zip(table[i], table[k])]
        before = pivot
    found: Matrix = []
    for k in reversed(range(size)):
        row = [Fraction(value) for value in table[k][size:]]
        for place, solved in zip(range(k + 1, size), reversed(found)):
            row = [a - table[k][place] * b for a, b in zip(row, solved)]
        found.append([value / table[k][k] for value in row])
    return found[::-1]


def _dependent(matrix: Matrix, column: int) -> Dependent:
    """Of which of the columns before it one is a sum."""
    before = [row[:column] for row in matrix[:column]]
    factors = solve(before, [[row[column]] for row in matrix[:column]]) if column else []
    return Dependent(column, {i: rounded(factor) for i, [factor] in enumerate(factors) if abs(factor) > 1e-6})


def fit(
    matrix: Matrix,
    y: Sequence[Fraction],
    squares: Fraction,
    count: int,
    ridge: float = 0.0,
    mean: Fraction | None = None,
) -> Fit:
    """Fits y by the columns of X.

    Args:
        matrix: X'X, [p, p].
        y: X'y, [p].
        squares: y'y.
        count: the number of rows.
        ridge: what is added to the diagonal, but for the column of ones.
        mean: of y, where X has a column of ones, its first; else R2 is about zero.

    Raises:
        Dependent: a column is a sum of others, but for rounding.
    """
    size, first = len(matrix), int(mean is not None)
    penalty = [Fraction(ridge) * (i >= first) for i in range(size)]
    solved = [[value + penalty[i] * (i == j) for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    sides = [[y[i], *(Fraction(int(i == j)) for j in range(size))] for i in range(size)]
    found = solve(solved, sides)
    inflated = [i for i in range(size) if found[i][1 + i] * matrix[i][i] > TOLERANCE]
    if inflated and not ridge:
        raise _dependent(matrix, inflated[-1])
    coefficients = [row[0] for row in found]
    explained = sum(a * b for a, b in zip(coefficients, y))
    quadratic = sum(a * b * value for a, row in zip(coefficients, matrix) for b, value in zip(coefficients, row))
    residual = squares - 2 * explained + quadratic
    total = squares - (mean * mean * count if mean is not None else 0)
    freedom = count - size
    errors = [math.nan] * size
    if freedom > 0 and not ridge:
        errors = [root(residual / freedom * row[1 + i]) for i, row in enumerate(found)]
    return Fit(
        [rounded(value) for value in coefficients],
        errors,
        rounded(residual),
        rounded(1 - residual / total) if total else math.nan,
        condition(matrix),
    )


def condition(matrix: Matrix) -> float:
    """The condition number of X, out of X'X, its columns scaled to one length: the root of the ratio of the largest
    eigenvalue to the least, by Jacobi's rotations; infinite where the least is lost in rounding."""
    size = len(matrix)
    lengths = [root(matrix[i][i]) or 1.0 for i in range(size)]
    a = [[rounded(value) / lengths[i] / lengths[j] for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    for _ in range(30):
        if sum(a[i][j] ** 2 for i in range(size) for j in range(i)) < 1e-28:
            break
        for p in range(size):
            for q in range(p + 1, size):
                if abs(a[p][q]) > 1e-300:
                    _rotate(a, p, q)
    values = [a[i][i] for i in range(size)]
    return math.sqrt(max(values) / min(values)) if values and min(values) > 1e-15 * max(values) else math.inf


def _rotate(a: list[list[float]], p: int, q: int) -> None:
    theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
    t = math.copysign(1, theta) / (abs(theta) + math.hypot(theta, 1))
    c = 1 / math.hypot(t, 1)
    s = t * c
    for row in a:
        row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
    a[p], a[q] = (
        [c * x - s * y for x, y in zip(a[p], a[q])],
        [s * x + c * y for x, y in zip(a[p], a[q])],
    )

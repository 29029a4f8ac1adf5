"""Which tokens become a vocabulary: ranks counted tokens for the shuffle and takes the best of them.

The second step of `jobs/vocabulary.py`. The number of documents travels as the token b"", which is no token and
whose key comes first, so that fractions of it can be taken in one pass. Nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mapreduce.errors import UserError
from mapreduce.flag_values import LARGEST

MOST = 100_000
"""The rows that are held to find the best of them; where more are wanted the shuffle does it, which needs no memory."""
Admits = Callable[[bytes, bytes], bool]
Row = tuple[int, bytes, bytes, bytes]  # the count that ranks, token, term frequency, document frequency


def rank(
    blocks: Iterable[bytes],
    *,
    column: int,
    wanted: int | None,
    stopped: frozenset[bytes],
    kept: frozenset[bytes],
    admits: Admits | None,
    fewest: int = 0,
) -> Iterator[bytes]:
    """Lines `rank TAB token TAB tf TAB df` of blocks of lines `token TAB tf TAB df`.

    The byte order of ranks is that of descending counts, kept tokens before all others, and before them the number
    of documents.

    Args:
        column: where the count stands that ranks, 1 or 2.
        wanted: so many of the highest counts go on, of equal ones the highest tokens; None, or more than MOST, lets all
            go on.
        stopped: tokens that are left out.
        kept: tokens that go on whatever their counts.
        admits: whether a token's (tf, df) let it go on; None lets all.
        fewest: the least count that ranks which it lets go on.
    """
    if wanted is not None and wanted > MOST:
        wanted = None
    always = kept | {b""}
    best: list[Row] = []
    for block in blocks:
        fields = block[:-1].replace(b"\n", b"\t").split(b"\t")
        counts = list(map(int, fields[column::3]))
        tokens = fields[::3]
        first = [] if always.isdisjoint(tokens) else [i for i, token in enumerate(tokens) if token in always]
        yield _ranked(0, _rows(fields, counts, first))
        # Most tokens are below what can be wanted: a look at the counts alone saves making rows of them.
        enough = None if wanted is None or admits else wanted + len(first) + len(stopped)
        least = max(_nth_largest(counts, enough), fewest)
        rows = _rows(fields, counts, [i for i, count in enumerate(counts) if count >= least])
        if stopped or first:
            rows = [row for row in rows if row[1] not in stopped and row[1] not in always]
        if admits:
            rows = [row for row in rows if admits(row[2], row[3])]
        if wanted is None:
            yield _ranked(1, rows)
        else:
            best = _best(best + rows, wanted)
    yield _ranked(1, best)


def _rows(fields: list[bytes], counts: list[int], places: list[int]) -> list[Row]:
    return [(counts[i], fields[3 * i], fields[3 * i + 1], fields[3 * i + 2]) for i in places]


def _nth_largest(counts: list[int], n: int | None) -> int:
    return sorted(counts)[-n] if n is not None and n < len(counts) else 0


def _best(rows: list[Row], wanted: int) -> list[Row]:
    bound = _nth_largest([row[0] for row in rows], wanted)
    best = [row for row in rows if row[0] > bound]
    level = sorted(row for row in rows if row[0] == bound)
    return best + level[len(level) - min(len(level), wanted - len(best)) :]


def _ranked(group: int, rows: list[Row]) -> bytes:
    first = group * LARGEST + LARGEST - 1
    return b"".join(
        [
            b"%019d\t%s\t%s\t%s\n" % (first - count, token, tf, df) if token else b"\t\t%s\t%s\n" % (tf, df)
            for count, token, tf, df in rows
        ]
    )


def read_list(path: str | None) -> frozenset[bytes]:
    """The tokens of a file, one a line, as they stand there; none without a file.

    Raises:
        UserError: it cannot be read.
    """
    if path is None:
        return frozenset()
    try:
        with open(path, "rb") as file:
            return frozenset(line.rstrip(b"\r") for line in file.read().split(b"\n")) - {b""}
    except OSError as error:
        raise UserError(f"{path}: cannot read the list of tokens: {error.strerror}") from None

"""Which tokens become a vocabulary: ranks counted tokens for the shuffle and takes the best of them.

The second step of `jobs/vocabulary.py`. The number of documents travels as the token b"", which is no token and
whose key comes first, so that fractions of it can be taken in one pass. Nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mapreduce import vocabulary
from mapreduce.errors import UserError
from mapreduce.flags import count_or_share
from mapreduce.textjob import TextJob, task_file

_LARGEST = 10**18
_GROUP = "vocabulary"  # of counters
Admits = Callable[[bytes, bytes], bool]
Row = tuple[int, bytes, bytes, bytes]  # the count that ranks, token, term frequency, document frequency


class SelectionJob(TextJob):
    """A job whose last step selects tokens, in descending order of a count, ties by token descending by bytes."""

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--top-k", type=int, help="at most so many tokens")
        add("--rank-by", choices=("tf", "df"), default="tf", help="the count that orders the tokens (default: tf)")
        add("--min-count", type=int, default=1, help="leave out tokens of a lower term frequency")
        add("--min-df", type=count_or_share, default=1, help="leave out tokens of fewer documents; 2, or 0.01 of them")
        add("--max-df", type=count_or_share, default=1.0, help="leave out tokens of more documents; 100, or 0.5")
        self.add_driver_arg("--stop-list", metavar="FILE", help="leave out these tokens, one a line")
        self.add_driver_arg("--keep-list", metavar="FILE", help="take these tokens whatever their counts, one a line")

    def _settle(self, paths: list[str]) -> list[Any]:
        settled = super()._settle(paths)
        if self.options.top_k is not None and self.options.top_k < 1:
            raise UserError(f"--top-k must be at least 1. Received: {self.options.top_k}")
        for flag in ("stop_list", "keep_list"):
            if path := getattr(self.options, flag):
                read_list(path)
                settled += ["--" + flag.replace("_", "-"), task_file(path)]
        return settled

    def rank(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The mapper: lines `rank TAB token TAB tf TAB df`; of more than --top-k can take only the best go on."""
        options = self.options
        shares = isinstance(options.min_df, float) or (isinstance(options.max_df, float) and options.max_df < 1)
        return rank(
            blocks,
            column=_column(options),
            wanted=None if shares else options.top_k,  # how many a share is only the reducer gets to know
            stopped=read_list(options.stop_list),
            kept=read_list(options.keep_list),
            admits=None if shares else self._admission(0),
        )

    def _admission(self, documents: int) -> Admits | None:
        options = self.options
        fewest, most = (b * documents if isinstance(b, float) else b for b in (options.min_df, options.max_df))
        if isinstance(options.max_df, float) and options.max_df == 1:
            most = _LARGEST
        if options.min_count <= 1 and fewest <= 1 and most == _LARGEST:
            return None
        return lambda tf, df: int(tf) >= options.min_count and fewest <= int(df) <= most

    def select_init(self) -> None:
        """Starts with nothing taken."""
        self._left = self.options.top_k if self.options.top_k is not None else _LARGEST
        self._taken: list[tuple[bytes, bytes]] = []
        self._admits: Admits | None = None
        self._fingerprint = vocabulary.Fingerprint()

    def select(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The reducer: takes tokens (token, tf TAB df), rank by rank, until there are enough."""
        options = self.options
        if not key:
            self._admits = self._admission(sum(int(value.split(b"\t")[1]) for value in values))
            return
        if not self._left:
            return
        rows = [value.partition(b"\t") for value in values]
        if self._admits and not key.startswith(b"0"):
            rows = [row for row in rows if self._admits(*row[2].split(b"\t"))]
        rows.sort(reverse=True)
        del rows[self._left :]
        self._left -= len(rows)
        if options.keep_list:  # these came first and have to go to their places
            self._taken += [(token, counts) for token, _, counts in rows]
            return
        self._fingerprint.add(*[token for token, _, _ in rows])
        for token, _, counts in rows:
            yield token, counts

    def select_final(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields what `select` has held back, in order; sends the vocabulary's fingerprint as the name of a counter."""
        column = _column(self.options) - 1
        held = sorted(self._taken, key=lambda pair: (int(pair[1].split(b"\t")[column]), pair[0]), reverse=True)
        self._fingerprint.add(*[token for token, _ in held])
        yield from held
        self.increment_counter(_GROUP, str(self._fingerprint))

    def describe(self, parts: str, inputs: Any, counters: list[dict[str, dict[str, int]]], seconds: float) -> Any:
        """The manifest, with the fingerprint that the reducer has sent: the part may be on a cluster."""
        sent = [name for step in counters for name in step.get(_GROUP, {})]
        others = [{group: names for group, names in step.items() if group != _GROUP} for step in counters]
        described = super().describe(parts, inputs, others, seconds)
        return {**described, "vocabulary_fingerprint": sent[0] if sent else vocabulary.fingerprint([])}


def _column(options: Any) -> int:
    """Where the count that orders the tokens stands in a line `token TAB tf TAB df`."""
    return ("tf", "df").index(options.rank_by) + 1


def rank(
    blocks: Iterable[bytes],
    *,
    column: int,
    wanted: int | None,
    stopped: frozenset[bytes],
    kept: frozenset[bytes],
    admits: Admits | None,
) -> Iterator[bytes]:
    """Lines `rank TAB token TAB tf TAB df` of blocks of lines `token TAB tf TAB df`.

    The byte order of ranks is that of descending counts, kept tokens before all others, and before them the number
    of documents.

    Args:
        column: where the count stands that ranks, 1 or 2.
        wanted: so many of the highest counts go on, of equal ones the highest tokens; None lets all go on.
        stopped: tokens that are left out.
        kept: tokens that go on whatever their counts.
        admits: whether a token's (tf, df) let it go on; None lets all.
    """
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
        least = _nth_largest(counts, enough)
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
    first = group * _LARGEST + _LARGEST - 1
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

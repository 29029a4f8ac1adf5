"""Which tokens become a vocabulary: ranks counted tokens for the shuffle and takes the best of them.

The second step of `jobs/vocabulary.py`. The number of documents travels as the token b"", which is no token and
whose key comes first, so that fractions of it can be taken in one pass. Nothing is counted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce import vocabulary
from mapreduce.errors import UserError
from mapreduce.flags import count_or_share
from mapreduce.textjob import TextJob, task_file

_LARGEST = 10**18
_GROUP = "vocabulary"  # of counters


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

    def rank(self, token: bytes, counts: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The mapper: a key whose byte order is that of the ranks. Kept tokens come before all others."""
        tf, _, df = counts.partition(b"\t")
        rank = _LARGEST - 1 - int(tf if self.options.rank_by == "tf" else df)
        kept = token in self.kept
        if not token:
            yield b"", token + b"\t" + counts
        elif kept or token not in self.stopped:
            yield b"%d%018d" % (not kept, rank), token + b"\t" + counts

    def rank_init(self) -> None:
        """Reads the lists."""
        self.stopped, self.kept = (read_list(path) for path in (self.options.stop_list, self.options.keep_list))

    def select_init(self) -> None:
        """Starts with nothing taken."""
        self._left = self.options.top_k if self.options.top_k is not None else _LARGEST
        self._taken: list[tuple[bytes, bytes]] = []
        self._bounds: tuple[float, float] = (0, 0)
        self._fingerprint = vocabulary.Fingerprint()

    def select(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The reducer: takes tokens (token, tf TAB df), rank by rank, until there are enough."""
        options = self.options
        if not key:
            documents = sum(int(value.split(b"\t")[1]) for value in values)
            bounds = (b * documents if isinstance(b, float) else b for b in (options.min_df, options.max_df))
            self._bounds = tuple(bounds)  # type: ignore[assignment]
            return
        least, most = self._bounds
        for token, tf, df in sorted((tuple(value.split(b"\t")) for value in values), reverse=True):
            if not self._left:
                return
            if key.startswith(b"0") or (int(tf) >= options.min_count and least <= int(df) <= most):
                self._left -= 1
                if options.keep_list:  # these came first and have to go to their places
                    self._taken.append((token, tf + b"\t" + df))
                else:
                    self._fingerprint.add(token)
                    yield token, tf + b"\t" + df

    def select_final(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields what `select` has held back, in order; sends the vocabulary's fingerprint as the name of a counter."""
        column = ("tf", "df").index(self.options.rank_by)
        held = sorted(self._taken, key=lambda pair: (int(pair[1].split(b"\t")[column]), pair[0]), reverse=True)
        for token, counts in held:
            self._fingerprint.add(token)
            yield token, counts
        self.increment_counter(_GROUP, str(self._fingerprint))

    def describe(self, parts: str, inputs: Any, counters: list[dict[str, dict[str, int]]], seconds: float) -> Any:
        """The manifest, with the fingerprint that the reducer has sent: the part may be on a cluster."""
        sent = [name for step in counters for name in step.get(_GROUP, {})]
        others = [{group: names for group, names in step.items() if group != _GROUP} for step in counters]
        described = super().describe(parts, inputs, others, seconds)
        return {**described, "vocabulary_fingerprint": sent[0] if sent else vocabulary.fingerprint([])}


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

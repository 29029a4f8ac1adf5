"""Builds a vocabulary: counts tokens, then selects; one part, in the order of TextVectorization.

Term frequency descending, ties by token descending by bytes. The columns are term and document frequency.

Input:   the cat and the hat
Output:  the	2	1
         hat	1	1
         cat	1	1
         and	1	1
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Any

from mapreduce.features import ranking
from mapreduce.features.counting import count_documents
from mapreduce.flag_values import LARGEST, count_or_share, whole
from mapreduce.job import MRStep, in_blocks, reduced_in_blocks
from mapreduce.output import manifest
from mapreduce.output import vocabulary as vocabularies
from mapreduce.output.manifest import Counters
from mapreduce.shuffle.memory import sorted_lines
from mapreduce.shuffle.sums import add
from mapreduce.textjob import TextJob

_GROUP = "vocabulary"  # of counters
_ROWS = 1000  # taken at a time


class BuildVocabulary(TextJob):
    __doc__ = __doc__
    KIND = "vocabulary"
    EXAMPLE = "python jobs/vocabulary.py -r local --top-k 20000 --output-dir vocabulary train.tsv"

    def configure_args(self) -> None:
        super().configure_args()
        add = self.add_passthru_arg
        add("--top-k", type=whole(1), help="at most so many tokens")
        add("--rank-by", choices=("tf", "df"), default="tf", help="the count that orders the tokens (default: tf)")
        add("--min-count", type=whole(0), default=1, help="leave out tokens of a lower term frequency")
        add("--min-df", type=count_or_share, default=1, help="leave out tokens of fewer documents; 2, or 0.01 of them")
        add("--max-df", type=count_or_share, default=1.0, help="leave out tokens of more documents; 100, or 0.5")
        self.add_driver_arg("--stop-list", file=True, metavar="FILE", help="leave out these tokens, one a line")
        self.add_driver_arg(
            "--keep-list", file=True, metavar="FILE", help="take these tokens whatever their counts, one a line"
        )

    def settle(self) -> None:
        super().settle()
        for path in (self.options.stop_list, self.options.keep_list):
            ranking.read_list(path)

    def steps(self) -> list[MRStep]:
        return [
            MRStep(mapper=in_blocks(self.map_blocks), combiner=add.__get__(self), reducer=add.__get__(self)),
            MRStep(
                mapper=in_blocks(self.rank),
                reducer=reduced_in_blocks(self.select),
                jobconf={"mapreduce.job.reduces": "1"},
            ),
        ]

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        return count_documents(self.texts(blocks), self.tokenizer)

    def rank(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Second mapper: lines `rank TAB token TAB tf TAB df`; of more than --top-k can take only the best go on."""
        options = self.options
        shares = isinstance(options.min_df, float) or (isinstance(options.max_df, float) and options.max_df < 1)
        return ranking.rank(
            blocks,
            column=_column(options),
            wanted=None if shares else options.top_k,  # how many a share is only the reducer gets to know
            stopped=ranking.read_list(options.stop_list),
            kept=ranking.read_list(options.keep_list),
            admits=None if shares else self._admission(0),
            fewest=0 if shares else options.min_df if options.rank_by == "df" else options.min_count,
        )

    def _admission(self, documents: int) -> ranking.Admits | None:
        options = self.options
        fewest, most = (b * documents if isinstance(b, float) else b for b in (options.min_df, options.max_df))
        if isinstance(options.max_df, float) and options.max_df == 1:
            most = LARGEST
        if options.min_count <= 1 and fewest <= 1 and most == LARGEST:
            return None
        return lambda tf, df: int(tf) >= options.min_count and fewest <= int(df) <= most

    def select(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The reducer: of lines `rank TAB token TAB tf TAB df` takes tokens, rank by rank, until there are enough.

        It sends the vocabulary's fingerprint as the name of a counter.
        """
        left = LARGEST if self.options.top_k is None else self.options.top_k
        admits: ranking.Admits | None = None
        kept = deque[bytes]()
        fingerprint = vocabularies.Fingerprint()
        blocks = iter(blocks)
        rows = chain.from_iterable(block[:-1].split(b"\n") for block in blocks)
        for rank, same in groupby(rows, _first):
            values = (row.partition(b"\t")[2] for row in same)
            if not rank:
                admits = self._admission(sum(int(value.split(b"\t")[1]) for value in values))
                continue
            first = rank.startswith(b"0")
            if admits and not first:
                values = (value for value in values if admits(*value.split(b"\t")[1:]))
            ordered = sorted_lines(values, _first, reverse=True)
            while some := list(islice(ordered, min(left, _ROWS))):
                left -= len(some)
                if first:  # these come before others, in order, and have to go to their places
                    kept += some
                    continue
                yield _written([*self._with_kept(some, kept)] if kept else some, fingerprint)
            if not left:
                break
        for _ in blocks:
            pass  # Hadoop takes a reducer that leaves input unread for one that has failed
        yield _written([*kept], fingerprint)
        self.increment_counter(_GROUP, str(fingerprint))

    def _with_kept(self, rows: list[bytes], kept: deque[bytes]) -> Iterator[bytes]:
        """Rows, and the kept ones that stand before the last of them, in order."""
        column = _column(self.options)

        def place(row: bytes) -> tuple[int, bytes]:
            fields = row.split(b"\t")
            return int(fields[column]), fields[0]

        for row in rows:
            while kept and place(kept[0]) > place(row):
                yield kept.popleft()
            yield row

    def describe(self, parts: str, inputs: Any, counters: list[Counters], seconds: float) -> Any:
        """The manifest, with the fingerprint that the reducer has sent: the part may be on a cluster."""
        sent, others = manifest.sent(counters, _GROUP)
        described = super().describe(parts, inputs, others, seconds)
        return {**described, "vocabulary_fingerprint": sent[0] if sent else vocabularies.fingerprint([])}


def _first(row: bytes) -> bytes:
    return row.partition(b"\t")[0]


def _written(rows: list[bytes], fingerprint: vocabularies.Fingerprint) -> bytes:
    """Rows `token TAB tf TAB df` as lines, behind those that the fingerprint has taken."""
    if not rows:
        return b""
    fingerprint.add(*b"\t".join(rows).split(b"\t")[::3])
    return b"\n".join(rows) + b"\n"


def _column(options: Any) -> int:
    """Where the count that orders the tokens stands in a line `token TAB tf TAB df`."""
    return ("tf", "df").index(options.rank_by) + 1


if __name__ == "__main__":
    BuildVocabulary.run()

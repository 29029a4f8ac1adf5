"""Ranking before the shuffle lets through all that the reducer would take, at any split of the input."""

from __future__ import annotations

from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.vocabulary import BuildVocabulary
from mapreduce.features import ranking

counts = st.dictionaries(
    st.binary(min_size=1, max_size=2).filter(lambda token: not set(token) & set(b"\t\n")),
    st.tuples(st.integers(1, 5), st.integers(1, 5)).map(lambda pair: (max(pair), min(pair))),
    min_size=1,
    max_size=40,
)
flags = st.fixed_dictionaries(
    {},
    optional={
        "--top-k": st.integers(1, 12),
        "--rank-by": st.sampled_from(["tf", "df"]),
        "--min-count": st.integers(1, 4),
        "--min-df": st.sampled_from(["1", "2", "3", "0.3"]),
        "--max-df": st.sampled_from(["1", "3", "0.5", "1.0"]),
    },
)


def expected(tokens: dict[bytes, tuple[int, int]], documents: int, options: Any) -> list[bytes]:
    """The selection, from its definition."""

    def bound(limit: float) -> float:
        return limit * documents if isinstance(limit, float) else limit

    most = documents if options.max_df == 1.0 and isinstance(options.max_df, float) else bound(options.max_df)
    rows = [
        (tf if options.rank_by == "tf" else df, token)
        for token, (tf, df) in tokens.items()
        if tf >= options.min_count and bound(options.min_df) <= df <= most
    ]
    return [token for _, token in sorted(rows, reverse=True)][: options.top_k]


@settings(deadline=None, max_examples=150)
@given(
    tokens=counts,
    flags=flags,
    cuts=st.lists(st.integers(0, 40), max_size=3),
    tasks=st.integers(1, 3),
    most=st.sampled_from([ranking.MOST, 3]),
)
def test_selects_as_defined(
    tokens: dict[bytes, tuple[int, int]], flags: dict[str, Any], cuts: list[int], tasks: int, most: int
) -> None:
    job = BuildVocabulary([str(word) for pair in flags.items() for word in pair])
    documents = 6
    lines = [b"\t%d\t%d\n" % (documents, documents)] + [b"%s\t%d\t%d\n" % (t, *tokens[t]) for t in sorted(tokens)]
    ranked: list[bytes] = []
    for task in range(tasks):
        mine = lines[task::tasks]
        borders = [0, *sorted(min(cut, len(mine)) for cut in cuts), len(mine)]
        blocks = [b"".join(mine[a:b]) for a, b in zip(borders, borders[1:]) if a < b]
        with mock.patch.object(ranking, "MOST", most):
            passed = b"".join(job.rank(blocks))
        for line in passed.split(b"\n")[:-1]:
            ranked.append(line + b"\n")
    ranked.sort(key=lambda line: line.partition(b"\t")[0])  # as the shuffle does: of equal keys in any order
    borders = [0, *sorted(min(cut, len(ranked)) for cut in cuts), len(ranked)]
    blocks = (b"".join(ranked[a:b]) for a, b in zip(borders, borders[1:]) if a < b)
    found = b"".join(job.select(blocks))
    assert [line.split(b"\t")[0] for line in found.split(b"\n")[:-1]] == expected(tokens, documents, job.options)
    assert next(blocks, None) is None

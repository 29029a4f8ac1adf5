"""Our tokenizer, counts and ids in a Spark program of one's own: functions that take and give DataFrames.

They say the same as the jobs wordcount, featurecount and encode, in rows in place of lines; nothing
is written, and the rows are in no order. Where Spark runs on a cluster, the code is sent there with the first call; the
nodes need Python alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from mapreduce.errors import UserError
from mapreduce.output import atomic, manifest, vocabulary
from mapreduce.tokens.specification import Specification, preset

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 1000
"""Documents that are counted or encoded together."""
KERAS = preset("keras")


def count_terms(frame: DataFrame, column: str, specification: Specification = KERAS) -> DataFrame:
    """The term frequency of every feature in a column of texts; null is no document.

    Returns:
        Rows (feature string, tf bigint).

    Raises:
        UserError: there is no such column of strings.

    Example:
        count_terms(spark.read.parquet("reviews"), "text").orderBy("tf", ascending=False).show()
    """
    rules = specification.to_json()

    def count(rows: Iterable[Any]) -> Iterator[tuple[bytes, int]]:
        from mapreduce.features import counting
        from mapreduce.tokens.tokenizer import Tokenizer

        texts = (b"".join([_line(row[0]) + b"\n" for row in some]) for some in _several(rows))
        for block in counting.count_terms(texts, Tokenizer(Specification.from_json(rules))):
            for line in block.split(b"\n")[:-1]:
                feature, _, tf = line.partition(b"\t")
                yield feature, int(tf)

    found = _texts(frame, column).rdd.mapPartitions(count).reduceByKey(lambda a, b: a + b)
    rows = found.map(lambda pair: (pair[0].decode("utf-8", "replace"), pair[1]))
    return frame.sparkSession.createDataFrame(rows, "feature string, tf bigint")


def feature_counts(
    frame: DataFrame, text: str, label: str, specification: Specification = KERAS, minimum_df: int = 1
) -> DataFrame:
    """Term and document frequencies of every feature by label; a null text or label is no document.

    Args:
        minimum_df: features of fewer documents, of all labels together, are left out.

    Returns:
        Rows (feature string, label string, tf bigint, df bigint).

    Raises:
        UserError: there is no such column of strings.
    """
    rules = specification.to_json()

    def count(rows: Iterable[Any]) -> Iterator[tuple[tuple[bytes, bytes], tuple[int, int]]]:
        from mapreduce.features import counting
        from mapreduce.tokens.tokenizer import Tokenizer

        documents = ([(_line(row[1]), _line(row[0])) for row in some] for some in _several(rows))
        for block in counting.count_labelled(documents, Tokenizer(Specification.from_json(rules))):
            for line in block.split(b"\n")[:-1]:
                feature, of, tf, df = line.split(b"\t")
                yield (feature, of), (int(tf), int(df))

    added = _texts(frame, text, label).rdd.mapPartitions(count).reduceByKey(lambda a, b: (a[0] + b[0], a[1] + b[1]))
    if minimum_df > 1:
        of_all = added.map(lambda pair: (pair[0][0], pair[1][1])).reduceByKey(lambda a, b: a + b)
        kept = of_all.filter(lambda pair: pair[1] >= minimum_df)
        joined = added.map(lambda pair: (pair[0][0], (pair[0][1], *pair[1]))).join(kept)
        added = joined.map(lambda pair: ((pair[0], pair[1][0][0]), pair[1][0][1:]))
    rows = added.map(lambda pair: (*(one.decode("utf-8", "replace") for one in pair[0]), *pair[1]))
    return frame.sparkSession.createDataFrame(rows, "feature string, label string, tf bigint, df bigint")


def encode(
    frame: DataFrame,
    column: str,
    tokens: Sequence[str] | str | os.PathLike[str],
    specification: Specification | None = None,
    name: str = "ids",
) -> DataFrame:
    """A frame with a further column: the ids of each text's features, as `jobs/encode.py` has them; null for null.

    Args:
        tokens: in the order of their ids, the first of which is 2; or the output of jobs/vocabulary.py.
        specification: of the tokens; that of the output where one is given, else the preset `keras`.
        name: of the column, array<int>.

    Raises:
        UserError: there is no such column of strings, or no such vocabulary, or the specification is not that of it.
    """
    from pyspark.sql.types import ArrayType, IntegerType

    if isinstance(tokens, (str, os.PathLike)):
        found = manifest.read(tokens, "vocabulary")
        own = manifest.specification(found)
        if specification is not None and specification.fingerprint != own.fingerprint:
            raise UserError(f"{tokens}: made with specification {own.fingerprint}; leave specification out")
        specification, known = own, vocabulary.read_tokens(manifest.part_paths(tokens, found)[0])
    else:
        known = [token.encode() for token in tokens]
    rules = (specification or KERAS).to_json()
    place = _place(frame, column)
    context = frame.sparkSession.sparkContext
    _send(context)
    given = context.broadcast(known)

    def ids(rows: Iterable[Any]) -> Iterator[Any]:
        from mapreduce.features.encoding import Encoder, unpack
        from mapreduce.tokens.tokenizer import Tokenizer

        encoder = Encoder(Tokenizer(Specification.from_json(rules)), given.value)
        for some in _several(rows):
            texts = [(b"", _line(row[place])) for row in some if row[place] is not None]
            lines = iter(b"".join(encoder.lines([texts])).split(b"\n"))
            for row in some:
                yield (*row, None if row[place] is None else unpack(next(lines).rpartition(b"\t")[2]))

    schema = type(frame.schema)([*frame.schema.fields]).add(name, ArrayType(IntegerType()))
    return frame.sparkSession.createDataFrame(frame.rdd.mapPartitions(ids), schema)


def _line(text: str) -> bytes:
    """A text as one line: a line end within it is a space, as in a table's field."""
    return text.encode("utf-8", "replace").replace(b"\n", b" ")


def _several(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while some := list(islice(rows, ROWS)):
        yield some


def _texts(frame: DataFrame, *columns: str) -> Any:
    """Those columns alone, of rows in which none of them is null."""
    for column in columns:
        _place(frame, column)
    _send(frame.sparkSession.sparkContext)
    return frame.select(*columns).na.drop()


def _place(frame: DataFrame, column: str) -> int:
    kinds = dict(frame.dtypes)
    if kinds.get(column) != "string":
        what = f"is {kinds[column]}; cast it" if column in kinds else "is none of its columns"
        raise UserError(f"column {column!r} {what}; strings are wanted, and there are {', '.join(kinds)}")
    return list(frame.columns).index(column)


@cache
def _send(context: Any) -> None:
    """Sends the code to the nodes, once; where Spark runs here it is there."""
    if context.master.startswith("local"):
        return
    from mapreduce.cluster import archive

    path = os.path.join(atomic.scratch(), "featuremill.zip")
    archive.write_archive(path, None)
    context.addPyFile(path)

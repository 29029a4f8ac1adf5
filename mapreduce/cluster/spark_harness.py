"""What spark-submit runs for `-r spark`: mrjob's harness, with Hadoop's partitions and order of keys.

mrjob's own shuffle leaves keys in no order. Jobs here rely on Hadoop's: a reducer sees its keys in order of their
bytes. Combiners are left out; a mapper of blocks adds up by itself. It runs as a script, where pyspark is.
"""

from __future__ import annotations

from typing import Any

from mapreduce import mrjob_compat
from mapreduce.shuffle.partition import hash_partition, key_field_partition


def shuffle_and_sort(rdd: Any, sort_values: bool = False, num_reducers: int | None = None, **_: Any) -> Any:
    """Lines partitioned by key as on Hadoop, and in order of their keys, or of whole lines where values are sorted."""
    reduces = num_reducers or 1
    if sort_values:
        pairs = rdd.map(lambda line: ((line.partition(b"\t")[0], line), line))
        return pairs.repartitionAndSortWithinPartitions(
            reduces, lambda key: key_field_partition(key[0], reduces)
        ).values()
    pairs = rdd.map(lambda line: (line.partition(b"\t")[0], line))
    return pairs.repartitionAndSortWithinPartitions(reduces, lambda key: hash_partition(key, reduces)).values()


def without_combiner(combiner_job: Any, rdd: Any, sort_values: bool = False, num_reducers: int | None = None) -> Any:
    """The shuffle in place of mrjob's combiner, which calls the job for every pair of values."""
    return shuffle_and_sort(rdd, sort_values, num_reducers)


def main() -> None:
    """Runs mrjob's harness with the flags that its runner gives."""
    with mrjob_compat.stand_ins():
        from mrjob.spark import harness
    harness._shuffle_and_sort = shuffle_and_sort
    harness._run_combiner = without_combiner
    harness.main()


if __name__ == "__main__":
    main()

"""What spark-submit runs for `-r spark`: a job's steps by Spark's own API, each task as the local runner runs it.

A map task hands its sorted runs to the shuffle, which carries bytes and knows of no records; a reduce task merges them.
So parts are those of any other runner, byte for byte. What runs is told by a file (`mapreduce.cluster.spark`); what is
below `if __name__` is sent to the nodes by value, and imports there what it needs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import unquote

_PART, _BLOCK, _SUM, _COUNTERS = "part", "block", "sum", "counters"
Item = tuple[str, Any]  # one of these and what it holds


def settings(plan: dict[str, Any], number: int, output: str) -> Any:
    """The `StepSettings` of a step."""
    from mapreduce.local import attempt

    module, name = plan["job"].rsplit(".", 1)
    step, job_class = plan["steps"][number], getattr(import_module(module), name)
    flags = {task: [f"--{task}", f"--step-num={number}"] for task in ("mapper", "combiner", "reducer")}
    return attempt.settings(
        job_class(plan["arguments"]),
        step["description"],
        number,
        {task: [*plan["arguments"], *own] for task, own in flags.items()},
        reduces=step["reduces"],
        sort_values=plan["sort_values"],
        output=output,
    )


def _unpack(archive: str) -> None:
    """Puts an archive of code in the current folder on Python's path, unpacked, as it holds the native library."""
    folder = os.path.abspath(f"code-{os.getpid()}")  # a process runs many tasks, one after the other
    if not os.path.isdir(folder):
        with zipfile.ZipFile(archive) as code:
            for name in code.namelist():
                code.extract(name, folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)


@contextmanager
def _reporting() -> Iterator[list[Any]]:
    """What a task raises is raised again as the line that the driver reads it from (`mapreduce.cluster.failures`).

    The list takes the job and its input, where these say which record it was.
    """
    place: list[Any] = []
    try:
        yield place
    except Exception as error:
        from mapreduce.cluster import node

        raise RuntimeError(node.said(error, *place)) from None


def _written_here(plan: dict[str, Any], step: int) -> bool:
    """Whether a step's tasks put their parts into the output by themselves."""
    return bool(plan["output_here"] and step == len(plan["steps"]) - 1)


def _is_summed(plan: dict[str, Any], step: int) -> bool:
    """Whether the manifest has to be told of a step's parts, which are where nobody looks at them."""
    return not plan["fetch"] and step == len(plan["steps"]) - 1


class _Folder:
    """While the block runs, the current folder is that of the job's side files; gives a folder of its own."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan

    def __enter__(self) -> str:
        from pyspark import SparkFiles

        os.environ.update(self._plan["environment"])
        os.chdir(SparkFiles.getRootDirectory())
        if self._plan["code"]:
            _unpack(self._plan["code"])
        self._name = tempfile.mkdtemp(prefix="mapreduce.", dir=self._plan["scratch"])
        return self._name

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self._name, ignore_errors=True)


def map_task(plan: dict[str, Any], step: int) -> Callable[[int, Iterable[Any]], Iterator[Any]]:
    """The map tasks of a step: from splits, rows of files, or what the step before has written to the shuffle's pairs.

    A pair is a partition and (map task, number of the run, bytes); the one behind the last partition takes counters.
    """

    def run(index: int, items: Iterable[Any]) -> Iterator[Any]:
        with _Folder(plan) as folder, _reporting() as place:
            from mapreduce.cluster import spark_tasks

            here = _written_here(plan, step)
            given = settings(plan, step, plan["output"] if here else os.path.join(folder, "out"))
            os.makedirs(given.output, exist_ok=True)
            source = spark_tasks.source(items)
            place += [given.job("mapper"), source]
            runs, counters = spark_tasks.run_map(given, source, index, folder)
            yield given.reduces, (index, -1, json.dumps([*source.counters, [step, counters]]).encode())
            if not given.reduces:
                if not here:
                    yield from spark_tasks.part(given.output, index, _is_summed(plan, step))
                return
            for partition, paths in enumerate(runs):
                for number, path in enumerate(paths):
                    with open(path, "rb") as file:
                        yield partition, (index, number, file.read())

    return run


def reduce_task(plan: dict[str, Any], step: int) -> Callable[[int, Iterable[Any]], Iterator[Item]]:
    """The reduce tasks of a step: from the shuffle's pairs to its part, and the counters."""

    def run(index: int, items: Iterable[Any]) -> Iterator[Item]:
        if index == plan["steps"][step]["reduces"]:
            for _, (_, _, counters) in items:
                yield _COUNTERS, counters
            return
        with _Folder(plan) as folder, _reporting():
            from mapreduce.cluster import spark_tasks

            here = _written_here(plan, step)
            given = settings(plan, step, plan["output"] if here else os.path.join(folder, "out"))
            os.makedirs(given.output, exist_ok=True)
            counters = spark_tasks.run_reduce(given, items, index, folder)
            yield _COUNTERS, json.dumps([[step, counters]]).encode()
            if not here:
                for _, item in spark_tasks.part(given.output, index, _is_summed(plan, step)):
                    yield item

    return run


def read(context: Any, plan: dict[str, Any]) -> Any:
    """An RDD of what the map tasks of the first step read: splits of files here, rows of those on the cluster."""
    found = []
    if plan["here"]:
        from mapreduce.cluster import spark_tasks

        with _Folder(plan):  # where the job's side files are
            job = settings(plan, 0, "").job("mapper")
            planned = spark_tasks.plan(job, plan["here"], context.defaultParallelism)
        found.append(context.parallelize(planned, len(planned)))
    if plan["there"]:
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import col

        session = SparkSession(context)
        whole = plan["one_task_a_file"]
        for paths in [[path] for path in plan["there"]] if whole else [plan["there"]]:
            lines = session.read.option("lineSep", "\n").text(paths)
            names = col("_metadata.file_path"), col("_metadata.file_block_start")
            rows = lines.select(col("value").cast("binary"), *names)
            found.append(
                (rows.coalesce(1) if whole else rows).rdd.map(lambda row: (unquote(row[1]), row[2], bytes(row[0])))
            )
    return found[0] if len(found) == 1 else context.union(found)


def run_steps(context: Any, plan: dict[str, Any]) -> dict[str, Any]:
    """Runs all steps and writes the output; returns the counters, a step each, and what is known of the parts."""
    items = read(context, plan)
    for number, step in enumerate(plan["steps"]):
        items = items.mapPartitionsWithIndex(map_task(plan, number))
        reduces = step["reduces"]
        if reduces:
            shuffled = items.partitionBy(reduces + 1, lambda partition: partition)
            items = shuffled.mapPartitionsWithIndex(reduce_task(plan, number))
        else:
            items = items.map(lambda pair: pair[1] if pair[0] else (_COUNTERS, pair[1][2]))
    if plan["output_here"]:
        found = items.collect()
    else:
        from pyspark import StorageLevel

        items = items.persist(StorageLevel.DISK_ONLY)
        found = items.filter(lambda item: item[0] in (_SUM, _COUNTERS)).collect()
        if plan["fetch"]:
            _fetch(items, plan["output"])
        else:
            _write(context, items, plan["output"])
    counters: list[dict[str, Counter[str]]] = [{} for _ in plan["steps"]]
    for several in [held for kind, held in found if kind == _COUNTERS]:
        for number, groups in json.loads(several):
            for group, names in groups.items():
                counters[number].setdefault(group, Counter()).update(names)
    return {"counters": counters, "parts": [held for kind, held in found if kind == _SUM]}


def _fetch(items: Any, output: str) -> None:
    """Brings the parts to this machine, one after the other."""
    file: Any = None
    for kind, block in items.filter(lambda item: item[0] in (_PART, _BLOCK)).toLocalIterator():
        if kind == _PART:
            if file is not None:
                file.close()
            file = open(os.path.join(output, f"part-{block:05d}"), "wb")
        else:
            file.write(block)
    if file is not None:
        file.close()


def _write(context: Any, items: Any, output: str) -> None:
    """Writes the parts where Spark has its files: each partition is one, and gets the name of a part."""
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col

    blocks = items.filter(lambda item: item[0] == _BLOCK).map(lambda item: (bytearray(item[1][:-1]),))
    frame = SparkSession(context).createDataFrame(blocks, "value binary").select(col("value").cast("string"))
    frame.write.option("lineSep", "\n").text(output)
    java = context._jvm.org.apache.hadoop.fs
    folder = java.Path(output)
    files = folder.getFileSystem(context._jsc.hadoopConfiguration())
    for found in files.listStatus(folder):
        name = found.getPath().getName()
        if name.startswith("part-"):
            files.rename(found.getPath(), java.Path(folder, name[:10]))
    for _, number in items.filter(lambda item: item[0] == _PART).collect():
        path = java.Path(folder, f"part-{number:05d}")
        if not files.exists(path):
            files.create(path).close()


def main() -> None:
    """Runs the plan in the file that is named; writes what it has come to beside it."""
    from pyspark import SparkContext

    with open(sys.argv[1], encoding="ascii") as file:
        plan = json.load(file)
    context = SparkContext()
    for path in plan["files"]:
        context.addFile(path)
    found = run_steps(context, plan)
    with open(sys.argv[1] + ".results", "w", encoding="ascii") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()

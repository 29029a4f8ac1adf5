"""The runners by name, as -r has them. A further one is a class like those named here, and a line in RUNNERS.

None is imported before it is asked for: a local run needs no cluster's code.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Runner:
    """A runner.

    Attributes:
        place: its class, as `module:Class`; one of mrjob's runners that takes a `job`.
        reads_clusters: whether it reads hdfs:// and the like.
    """

    place: str
    reads_clusters: bool = False

    def load(self) -> Any:
        """The class."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(module), name)


RUNNERS = {
    "inline": Runner("mapreduce.local.runner:InlineRunner"),
    "local": Runner("mapreduce.local.runner:LocalRunner"),
    "hadoop": Runner("mapreduce.cluster.hadoop:HadoopRunner", reads_clusters=True),
    "spark": Runner("mapreduce.cluster.spark:SparkRunner", reads_clusters=True),
}

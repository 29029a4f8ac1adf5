"""Adds up outputs of counting jobs: of wordcount, featurecount, labelcount or imagestats, yesterday's and today's.

The sum is, byte for byte, the output of one run over all the inputs. --subtract takes the other outputs out of the
first. Outputs that were made with other flags or another specification are refused. Those on a cluster are fetched,
and checked by their manifests, first.

Input:   old/: cat	2    new/: cat	1
                          dog	1
Output:  cat	3
         dog	1
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from mapreduce.features import addition
from mapreduce.job import Job, MRStep, in_blocks
from mapreduce.recordjob import input_file
from mapreduce.shuffle.reducers import default_reduces
from mapreduce.textjob import TextJob


class Merge(Job):
    __doc__ = __doc__
    KIND = "merge"
    EXAMPLE = "python jobs/merge.py -r local --output-dir both old new"
    INPUT_PROTOCOL = TextJob.INPUT_PROTOCOL
    INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = TextJob.OUTPUT_PROTOCOL

    def configure_args(self) -> None:
        super().configure_args()
        self.add_driver_arg("--kind", choices=addition.ADDERS, help="of which job the outputs are (default: it shows)")
        self.add_passthru_arg("--subtract", action="store_true", help="take the other outputs out of the first")

    @cached_property
    def outputs(self) -> addition.Outputs:
        names = self.options.args
        return addition.Outputs(names, self.fetched(names), self.options.subtract)

    def settle(self) -> None:
        super().settle()
        self.options.kind = self.outputs.kind

    def keep_input(self) -> None:
        """Nothing: what is named are outputs."""

    def _non_option_kwargs(self) -> dict[str, Any]:
        return {**super()._non_option_kwargs(), "input_paths": self.outputs.paths()}

    def jobconf(self) -> dict[str, Any]:
        return {**super().jobconf(), "mapreduce.job.reduces": str(self.outputs.reduces(default_reduces))}

    def map_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield addition.negate(block, self.options.kind) if addition.is_subtracted(input_file()) else block

    def subtract(self, key: bytes, values: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        kind = self.options.kind
        return addition.left_over(addition.ADDERS[kind](self, key, values), kind)

    def steps(self) -> list[MRStep]:
        add = addition.ADDERS[self.options.kind or self.outputs.kind].__get__(self)
        return [MRStep(mapper=in_blocks(self.map_blocks), reducer=self.subtract if self.options.subtract else add)]

    def describe(self, parts: str, inputs: Any, counters: Any, seconds: float) -> dict[str, Any]:
        return self.outputs.describe(seconds)


if __name__ == "__main__":
    Merge.run()

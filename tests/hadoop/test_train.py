"""Training with the jobs on Hadoop, from records on HDFS: the same shards and the same accuracy as locally."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.hadoop.conftest import Hadoop, parts


def test_shards_and_accuracy_are_those_of_local_jobs(hadoop: Hadoop, tmp_path: Path) -> None:
    random.seed(3)
    words = {label: [f"{label}{n}" for n in range(40)] + [f"w{n}" for n in range(400)] for label in ("pos", "neg")}
    lines = [f"{label}\t{' '.join(random.choices(words[label], k=12))}" for label in words for _ in range(400)]
    random.shuffle(lines)
    (tmp_path / "train.tsv").write_text("\n".join(lines[:600]) + "\n")
    (tmp_path / "test.tsv").write_text("\n".join(lines[600:]) + "\n")
    hadoop("fs", "-put", "-f", tmp_path / "train.tsv", "/train.tsv")
    # In Hadoop's client, which is quicker.
    settings = {"runners": {"hadoop": {"jobconf": {"mapreduce.framework.name": "local"}}}}
    (tmp_path / "mrjob.conf").write_text(json.dumps(settings))
    runs = {}
    for runner, source in (("local", f"{tmp_path}/train.tsv"), ("hadoop", "hdfs:///train.tsv")):
        command = [sys.executable, "-m", "models.train", "--train", source, "--test", tmp_path / "test.tsv"]
        runs[runner] = subprocess.Popen(
            [*command, "--runner", runner, "--output", tmp_path / runner],
            cwd=ROOT,
            env={**os.environ, "MRJOB_CONF": str(tmp_path / "mrjob.conf")},
            stdout=subprocess.PIPE,
        )
    said = {runner: run.communicate()[0] for runner, run in runs.items()}
    assert [run.returncode for run in runs.values()] == [0, 0]
    assert said["hadoop"] == said["local"]
    assert float(said["local"].split()[-1]) > 0.8  # a third of the texts hold no word that tells
    shards = {
        runner: {p.name: parts(p) for p in (tmp_path / f"{runner}.work").glob("*-shards")}
        for runner in ("local", "hadoop")
    }
    assert len(shards["local"]) == 1  # of all candidates
    assert shards["hadoop"] == shards["local"]

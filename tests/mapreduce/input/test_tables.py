"""Tables as the world writes them: fields as pandas reads them, whatever the dialect, the splits and the runner."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from mapreduce.errors import RecordError, UserError
from mapreduce.input.files import Source
from mapreduce.input.formats import FORMATS, Layout, cut, detect
from mapreduce.input.formats.csv import UNCLOSED, Csv
from mapreduce.input.records import RecordReader
from mapreduce.input.splits import plan
from mapreduce.native import library as native
from tests.conftest import Run

NAMES = ["label", "text", "id"]
ROWS = [
    ["pos", 'a "good" film', "1"],
    ["neg", "a bad, bad; one\tor | so", "2"],
    ["pos", "two\nlines", ""],
    ["neg", 'ends in a quote"', '"'],
    ["né", "a\r\nb\n\nc", "007"],
    ["pos", " spaces ", "NA"],
    ["pos", "", "null"],
]


def rows(data: bytes, path: Path, **layout: object) -> list[list[str]]:
    """All fields of a file, the header's too."""
    path.write_bytes(data)
    source = Source(str(path), encoding=layout.get("encoding"))  # type: ignore[arg-type]
    settled = Csv.settle(Layout(labelled=False, text_field="1", **layout), [source])  # type: ignore[arg-type]
    table = Csv(settled)
    found = []
    with table.open_file(str(path)) as file:
        cutter = cut.Cut(settled.delimiter or b",", 1 << 20)
        for record, _ in cutter.records(file.read().removeprefix(b"\xef\xbb\xbf")):
            line = record.removesuffix(b"\r")
            if line.strip(b" "):
                found.append([field.decode() for field in table.row(line)])
        if rest := cutter.rest()[0]:
            found.append([field.decode() for field in table.row(rest)])
    return found


def as_pandas(data: bytes, delimiter: str, encoding: str) -> list[list[str]]:
    read = pandas.read_csv(io.BytesIO(data), sep=delimiter, encoding=encoding, dtype=str, keep_default_na=False)
    return [list(read.columns), *read.values.tolist()]


def write(table: list[list[str]], delimiter: str, end: str, quoting: int) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[call-overload]
    return file.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_dialect_is_recognised_and_read_as_pandas_reads_it(
    delimiter: str, end: str, quoting: int, encoding: str, tmp_path: Path
) -> None:
    data = write([NAMES, *ROWS], delimiter, end, quoting).encode(encoding)
    assert rows(data, tmp_path / "x.csv") == as_pandas(data, delimiter, encoding) == [NAMES, *ROWS]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16-le", "utf-16-be"])
def test_an_encoding_that_is_given(encoding: str, tmp_path: Path) -> None:
    data = write([NAMES, *ROWS], ",", "\n", csv.QUOTE_MINIMAL).encode(encoding)
    assert rows(data, tmp_path / "x.csv", encoding=encoding) == as_pandas(data, ",", encoding)


@pytest.mark.parametrize(
    "data",
    [
        b"id,text\n1,no end",
        b'id,text\n1,"no end"',
        b"\n\nid,text\n\n1,a\n\n",
        b"id,text\n  \n1,a\n",
        b'id,text\n1,a 5" disk\n2,5"\n',
        b'id,text\n1, "a"\n',
        b'id,text\n1,""\n2,""""\n',
        b'id,text\n"1","a,\n""b"", c"\n',
        b"id,text\n1,\n,\n",
    ],
)
def test_corners_that_pandas_reads_alike(data: bytes, tmp_path: Path) -> None:
    assert rows(data, tmp_path / "x.csv") == as_pandas(data, ",", "utf-8")


@pytest.mark.parametrize("tables", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_random_tables_are_read_as_pandas_reads_them(tables: int, tmp_path: Path) -> None:
    draw = random.Random(tables)
    for _ in range(tables):
        delimiter, end = draw.choice(",;\t|"), draw.choice(["\n", "\r\n"])
        width = draw.randint(2, 4)
        quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        header = [f"c{i}" for i in range(width)]
        # A CR outside quotes ends a line in pandas, and is white space here.
        characters = 'ab,;\t|"\n é' + "\r" * (quoting == csv.QUOTE_ALL)
        cells = [
            "".join(draw.choices(characters, k=draw.choice([0, 1, 2, 9]))) for _ in range(draw.randint(1, 8) * width)
        ]
        table = [header, *[cells[i : i + width] for i in range(0, len(cells), width)]]
        data = write(table, delimiter, end, quoting).encode()
        name = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}[delimiter]
        found = rows(data, tmp_path / "x.csv", delimiter=delimiter.encode())
        assert found == as_pandas(data, delimiter, "utf-8"), name
        for piece in (1, 7):
            cutter, pieces = cut.Cut(delimiter.encode(), 1 << 20), []
            for start in range(0, len(data), piece):
                pieces += cutter.records(data[start : start + piece])
            assert [len(pieces), b"".join(record + b"\n" for record, _ in pieces)] == [len(found), data]


@pytest.mark.parametrize("delimiter", [b",", b"\t"])
def test_the_twins_cut_alike(delimiter: bytes) -> None:
    if (library := native.load()) is None:
        pytest.skip("no native library")
    draw = random.Random(3)
    for _ in range(5000):
        data = bytes(draw.choices(b'a",\t\n\r', k=draw.randrange(40)))
        for state in range(4):
            room = draw.choice([1, 2, 100])
            assert native.csv_cut(library, data, delimiter[0], state, room) == cut._ends(data, delimiter, state, room)


@pytest.mark.parametrize("maps", [1, 2, 5])
def test_every_record_is_of_one_split(maps: int, tmp_path: Path) -> None:
    draw = random.Random(maps)
    table = [["p", "\n".join("w" * draw.randrange(40) + ',"' for _ in range(draw.randrange(60)))] for _ in range(6000)]
    path = tmp_path / "x.csv"
    path.write_text(write([["label", "text"], *table], ",", "\n", csv.QUOTE_MINIMAL), newline="")
    layout = Csv.settle(Layout(), [Source(str(path))])
    found, lines = [], 0
    tasks = plan([str(path)], maps, format=Csv(layout))
    assert len(tasks) == min(maps, round(path.stat().st_size / (1 << 20)))
    for split in (split for splits in tasks for split in splits):
        reader = RecordReader("csv", layout=layout, begins=split.start == 0)
        found += [text for block in split.blocks(10_000) for _, text in reader.read(block)]
        reader.finish()
        lines += reader.lines
    assert found == [text.replace("\n", " ").encode() for _, text in table if text.strip()]
    assert lines == path.read_bytes().count(b"\n")


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_quoted_line_ends_are_of_the_record(runner: str, run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('label,text\na,"Dear all,\nplease note, this is new\nregards"\nb,fine\n')
    done = run_job("labelcount", "-r", runner, str(path))
    assert done.stdout == b"a\t1\t8\t8:1\nb\t1\t1\t1:1\n"


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_quote_that_is_never_closed_fails_whatever_may_be_rejected(runner: str, run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('label,text\na,b\nb,"open\nc,d\ne,f\n')
    done = run_job("labelcount", "-r", runner, "--max-rejected", "100", str(path), code=3)
    assert b"a quote that is never closed (3); the first: " in done.stderr and b"x.csv, line 3" in done.stderr
    done = run_job("labelcount", "-r", runner, "--quotes", "no", str(path))
    assert done.stdout.count(b"\n") == 4


def settled(path: Path, format: str = "csv", **flags: object) -> Layout:
    return FORMATS[format].settle(Layout(**flags), [Source(str(path))])  # type: ignore[arg-type]


def test_columns_are_found_whatever_their_case_and_others_are_proposed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("ID,Label,TEXT\n1,a,b\n")
    found = settled(path)
    assert (found.columns, found.text_field, found.label_field) == ((2, 1, 3), "TEXT", "Label")
    path.write_text("id,Sentiment,Review\n1,a,b\n")
    with pytest.raises(UserError, match="perhaps --text-field Review"):
        settled(path)
    with pytest.raises(UserError, match="perhaps --label-field Sentiment"):
        settled(path, text_field="review")
    assert settled(path, text_field="3", label_field="2").columns == (2, 1, 3)
    assert settled(path, text_field="Review,id", label_field="sentiment").joined == (0,)
    path.write_text("1,a,b\n")
    assert settled(path, header=False, text_field="3", label_field="2").columns == (2, 1, 3)
    with pytest.raises(UserError, match="columns have numbers, 1 to 3"):
        settled(path, header=False)


@pytest.mark.parametrize(
    ("data", "flags", "columns", "header"),
    [
        (b"pos\ta good film\n", {}, None, False),
        (b'pos\t"A good" film\nneg\t"\n', {}, None, False),
        (b'"label"\t"text"\npos\ta\n', {}, (1, 0, 2), True),
        (b"label\ttext\npos\ta\n", {}, (1, 0, 2), True),
        (
            b"Sentence\tid\tSentiment\na\t1\tpos\n",
            {"text_field": "sentence", "label_field": "sentiment"},
            (0, 2, 3),
            True,
        ),
        (b"a good film\t1\n", {"text_field": "1", "label_field": "2"}, (0, 1, 2), False),
        (b"Review\tLiked\na\t1\n", {"text_field": "1", "label_field": "2"}, (0, 1, 2), True),
        (b"x\ty\na\t1\n", {"header": True, "text_field": "x", "label_field": "y"}, (0, 1, 2), True),
        (b"7\tpos\tab\n", {"text_field": "3", "label_field": "2"}, (2, 1, 3), False),
    ],
)
def test_tsv_is_a_table_where_a_header_or_a_flag_says_so(
    data: bytes, flags: dict[str, object], columns: object, header: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(data)
    found = settled(path, "tsv", **flags)
    assert (found.columns, found.header) == (columns, header)


def test_quotes_in_tsv_are_quotes_where_they_stand_around_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b'label\ttext\npos\t"a\nb"\n')
    assert settled(path, "tsv").quotes
    path.write_bytes(b'label\ttext\npos\t"Well" said he\npos\t5" disk\n')
    assert settled(path, "tsv").quotes is False


def test_no_flag_is_taken_and_ignored(run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"a good film\t1\nbad\t0\n")
    done = run_job("labelcount", "--text-field", "1", "--label-field", "2", str(path))
    assert done.stdout == b"0\t1\t1\t1:1\n1\t1\t3\t3:1\n"
    done = run_job("labelcount", "--text-field", "review", str(path), code=2)
    assert b"columns have numbers" in done.stderr or b"no one column" in done.stderr


KINDS = {
    "Parquet": b"PAR1\x15\x04\x15",
    "ORC": b"ORC\x0a\x0b\x1f",
    "SequenceFile": b"SEQ\x06\x19org.apache",
    "Avro": b"Obj\x01\x04",
    "xlsx": b"PK\x03\x04\x14",
    "old Office": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "gzip": b"\x1f\x8b\x08\x00",
    "lzop": b"\x89LZO\x00\r\n\x1a\n",
    "Zstandard": b"\x28\xb5\x2f\xfd\x04",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".txt"])
def test_what_is_no_text_is_refused_by_its_name(kind: str, suffix: str, run_job: Run, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(KINDS[kind] + b"some, bytes\n" * 5)
    if suffix == ".txt":
        done = run_job("wordcount", str(path), code=2)
        assert kind.encode() in done.stderr and str(path).encode() in done.stderr and not done.stdout
        return
    with pytest.raises(UserError, match=kind):
        from mapreduce.input.formats import refuse_unreadable

        refuse_unreadable(FORMATS[detect([Source(str(path))])], [Source(str(path))])


def test_a_task_that_reads_what_is_no_text_refuses_it_too() -> None:
    with pytest.raises(UserError, match="Avro"):
        RecordReader("text", begins=True).takes_whole(b"Obj\x01abc\n")


@pytest.mark.parametrize("begins", [True, None])
def test_what_begins_a_later_block_is_text(begins: bool | None) -> None:
    reader = RecordReader("text", begins=begins)
    for block in (b"a\n", b"%PDF-1.4 is a version\n", b"GIF89a\n"):
        assert reader.takes_whole(block)
    assert reader.used == 3


def test_a_cluster_gets_a_record_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'label,text\r\na,"b\r\nc"\r\nd,e\r\n')
    table = Csv(settled(path))
    assert not table.is_lines(str(path)) and b"".join(table.lines(str(path))) == b'label,text\na,"b c"\nd,e\n'
    whole = Csv(replace(table.layout, names=("label", "text")))
    assert not whole.is_lines(str(path)) and b"".join(whole.lines(str(path))) == path.read_bytes()
    path.write_bytes(b'label,text\na,"b"\n')
    assert table.is_lines(str(path))
    path.write_bytes("label,text\na,b\n".encode("utf-16"))
    assert not table.is_lines(str(path)) and b"".join(table.lines(str(path))) == b"label,text\na,b\n"
    path.write_bytes(b'label,text\na,"b\nc\n')
    with pytest.raises(RecordError, match=f"line 2: {UNCLOSED} swallows 2 lines"):
        list(table.lines(str(path)))


def test_a_record_of_any_length_takes_bounded_memory() -> None:
    reader = RecordReader("csv", layout=Layout(columns=(1, 0, 2), delimiter=b","), max_line=1000, keep=1)
    for _ in range(50):
        assert reader.read(b'a,"' + b"x" * 100_000 if _ == 0 else b"y\n" * 50_000) == []
    assert reader._cut is not None and sum(map(len, reader._cut._begun)) <= 1001
    assert reader.read(b'"\nb,c\n') == [(b"b", b"c")]
    assert reader.rejected == {"too long": 1} and reader.lines == 49 * 50_000 + 2

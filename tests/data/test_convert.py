"""data/convert.py as a command, on small made-up collections; coreutils and iconv say what is expected."""

from __future__ import annotations

import gzip
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pytest

from tests.conftest import ROOT
from tests.data.conftest import idx, picture

CONVERT = ROOT / "data" / "convert.py"


def convert(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(CONVERT), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, check=False)


def shell(command: str, cwd: Path) -> bytes:
    """What an outside tool says."""
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, check=True).stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (
        ("pos/10_8.txt", "the tenth\n"),
        ("pos/2_9.txt", "the  second "),
        ("pos/.hidden", "no"),
        ("neg/1.txt", "caf\u00e9\u0085au\u2028lait"),
        ("neg/3.txt", "one\r\ntwo\nthree\tfour\rfive\r\n"),
        ("neg/deeper/1.txt", "no"),
        ("list.txt", "no"),
    ):
        path = tmp_path / "reviews" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path / "reviews"


def test_a_folder_per_class_keeps_the_texts_and_their_number_order(folder: Path) -> None:
    done = convert("reviews", cwd=folder.parent)
    assert done.stdout.decode() == (
        "neg\tcaf\u00e9\u0085au\u2028lait\nneg\tone two three four five\npos\tthe  second \npos\tthe tenth\n"
    )
    assert done.returncode == 0
    assert done.stderr.decode() == (
        "stdout: 4 documents, 2 labels; files beside the class folders left out: 1; folders and hidden files "
        "inside class folders left out: 2; line breaks became a space: 3; tabs became a space: 1\n"
    )


def test_many_files_equal_what_coreutils_make_of_them(tmp_path: Path) -> None:
    for label in ("a", "b c"):
        (tmp_path / "in" / label).mkdir(parents=True)
        for number in range(120):
            (tmp_path / "in" / label / f"{number}.txt").write_text(f"text {number} of {label}\n" * (number % 3 + 1))
    golden = shell(
        """cd in; for label in *; do ls "$label" | sort -n | while read -r name; do
           printf '%s\\t' "$label"; tr '\\n' ' ' < "$label/$name" | sed 's/ $//'; echo; done; done""",
        tmp_path,
    )
    assert convert("in", cwd=tmp_path).stdout == golden
    assert golden.count(b"\n") == 240


def test_output_has_the_bytes_of_stdout_and_is_never_replaced(folder: Path) -> None:
    cwd = folder.parent
    shown = convert("reviews", cwd=cwd)
    assert convert("reviews", "--output", "made/all.tsv", cwd=cwd).stdout == b""
    assert (cwd / "made" / "all.tsv").read_bytes() == shown.stdout
    again = convert("reviews", "--output", "made/all.tsv", cwd=cwd)
    assert again.returncode == 2
    assert b"made/all.tsv: exists" in again.stderr
    assert [path.name for path in (cwd / "made").iterdir()] == ["all.tsv"]


def test_labels_choose_class_folders_and_squeeze_is_python_split(folder: Path) -> None:
    done = convert("reviews", "--labels", "pos", "--squeeze", cwd=folder.parent)
    assert done.stdout == b"pos\tthe second\npos\tthe tenth\n"


def test_a_file_per_class_in_latin_1_equals_iconv_and_sed(tmp_path: Path) -> None:
    (tmp_path / "rt.neg").write_bytes(b"dull , \x85 and caf\xe9 \nwithout end")
    (tmp_path / "rt.pos").write_bytes(b"fine \n")
    done = convert("--per-line", "neg=rt.neg", "pos=rt.pos", "--encoding", "latin-1", cwd=tmp_path)
    golden = shell(
        "for l in neg pos; do (cat rt.$l; [ $l = pos ] || echo) | "
        r"iconv -f latin1 -t utf8 | sed s/^/$l'\t'/; done",
        tmp_path,
    )
    assert done.stdout == golden
    assert done.stdout.count(b"\n") == 3


def test_lines_with_a_separator_equal_sed_and_blank_ones_are_counted(tmp_path: Path) -> None:
    (tmp_path / "trec").write_bytes(b"NUM:dist How far is  it ?\r\n\nDESC:def What is it ?\nNUM\n no label\n:x y\n")
    done = convert("trec", "--separator", "space", "--max-left-out", "2", cwd=tmp_path)
    assert done.stdout == shell(r"tr -d '\r' < trec | sed -n 's/^\([^ ]\+\) /\1\t/p'", tmp_path)
    assert done.stderr.decode() == (
        "stdout: 3 documents, 3 labels; blank lines left out: 1; lines without a label and a separator left out "
        "(the first: trec, line 4): 2\n"
    )
    flags = ["--separator", "space", "--label-until", ":", "--rename", "NUM=number", "--max-left-out", "3"]
    coarse = convert("trec", *flags, cwd=tmp_path)
    assert coarse.stdout == b"number\tHow far is  it ?\nDESC\tWhat is it ?\n"
    assert b"documents with an empty label left out (the first: document 3): 1" in coarse.stderr


ORANGE = (
    "Category\tTitle\tText\nd\tstring\tstring\nclass\t\tinclude=True\n"
    'x\tone\tfirst row\n\t\t\n\ny\ttwo\t"a ""quoted""\nbreak\tand tab"\nz\tshort\n\tno label\ttext\n'
)


def test_an_orange_table_keeps_its_first_row_and_undoes_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.tab").write_text("\ufeff" + ORANGE)
    done = convert("a.tab", "--max-left-out", "0.5", cwd=tmp_path)
    assert done.stdout == b'x\tfirst row\ny\ta "quoted" break and tab\n'
    assert done.stderr.decode() == (
        "stdout: 2 documents, 2 labels; blank rows left out: 2; byte order marks left out: 1; "
        "line breaks became a space: 1; "
        "rows with more or fewer columns than names left out (the first: a.tab, line 9): 1; "
        "rows without a label left out (the first: a.tab, line 10): 1; tabs became a space: 1\n"
    )
    strict = convert("a.tab", cwd=tmp_path)
    assert (strict.returncode, strict.stdout) == (3, b"")
    assert b"all classes: 2 of 4 left out, more than --max-left-out 0.01; rows with more" in strict.stderr
    titles = convert("a.tab", "--max-left-out", "9", "--text-field", "Title", "--label-field", "Text", cwd=tmp_path)
    assert titles.stdout.splitlines()[0] == b"first row\tone"


def test_a_field_longer_than_the_csv_default_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.tab").write_text("l\tt\nd\tstring\nclass\t\nx\t" + "word " * 50_000 + "\n")
    assert len(convert("a.tab", cwd=tmp_path).stdout) == 2 + 250_000 + 1


def test_a_reader_that_stops_early_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x y\n" * 200_000)
    command = shlex.join([sys.executable, str(CONVERT), "t", "--separator", "space"])
    command = f"set -o pipefail; {command} | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x\ty\n", b"")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "either one folder or file, or --per-line"),
        ("reviews --per-line a=b", "either one folder or file, or --per-line"),
        ("nowhere", "nowhere: no such file or folder"),
        ("reviews/pos", "reviews/pos: holds no class folder"),
        ("reviews --labels pos other", "no class folder other; there are neg, pos"),
        ("empty", "empty/none: an empty class folder"),
        ("latin", "latin/a/2.txt: not utf-8 at byte 3 (0xe9)"),
        ("latin --encoding no-such", "--encoding no-such"),
        ("latin --encoding base64", "--encoding base64"),
        ("reviews/list.txt", "neither a folder nor a .tab file"),
        ("blank --separator space", "blank: no record found; blank lines left out: 1; nothing was written"),
        ("book.csv", "book.csv: is a zip archive, as .xlsx, .ods and .docx files are, by its first bytes"),
        ("book.csv --separator ,", "book.csv: is a zip archive, as .xlsx"),
        ("parquet --separator ,", "parquet: is Parquet, by its first bytes, and no text"),
        ("--per-line a=parquet", "parquet: is Parquet, by its first bytes, and no text"),
        ("quoted --separator ,", "quoted: 5 of 30 records hold a field in quotes, as CSV has them, and --separator"),
        ("swapped --separator ,", "swapped: 29 labels in 30 records: nearly every record has a label of its own;"),
        ("reviews/list.txt --labels pos", "--labels"),
        ("reviews --text-field x", "--text-field x: does not go with"),
        ("reviews --rename pos", "--rename pos: write OLD=NEW"),
        ("--per-line reviews/list.txt", "not LABEL=FILE"),
        ("--per-line a=nowhere", "nowhere: no such file"),
        ("--per-line a=void", "void: an empty class"),
        ("void.tab", "void.tab: not a .tab file"),
        ("two.tab", "two.tab: 2 columns will do; give --text-field, one of l, t, u"),
        ("two.tab --text-field v", "--text-field v is not one column; there are l, t, u"),
        ("--no-such-flag", "--no-such-flag"),
    ],
)
def test_an_error_is_one_line_and_leaves_nothing(folder: Path, arguments: str, expected: str) -> None:
    cwd = folder.parent
    (cwd / "empty" / "none").mkdir(parents=True)
    (cwd / "latin" / "a").mkdir(parents=True)
    (cwd / "latin" / "a" / "1.txt").write_bytes(b"good")
    (cwd / "latin" / "a" / "2.txt").write_bytes(b"caf\xe9")
    (cwd / "blank").write_text("\n")
    with zipfile.ZipFile(cwd / "book.csv", "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    (cwd / "parquet").write_bytes(b"PAR1\x15\0\x15")
    rows = [f'pos,"one, two ""{n}"""' if n % 6 == 0 else f"pos,text {n}" for n in range(30)]
    (cwd / "quoted").write_text("\n".join(rows))
    (cwd / "swapped").write_text("\n".join(f"text {max(n, 1)},pos" for n in range(30)))
    (cwd / "void").touch()
    (cwd / "void.tab").touch()
    (cwd / "two.tab").write_text("l\tt\tu\nd\tstring\tstring\nclass\t\t\nx\ty\tz\n")
    before = sorted(cwd.rglob("*"))
    for output in ([], ["--output", "out.tsv"]):
        done = convert(*arguments.split(), *output, cwd=cwd)
        assert done.returncode == 2
        assert done.stdout == b""
        assert expected in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
        assert sorted(cwd.rglob("*")) == before


def test_texts_with_quotes_and_few_labels_of_their_own_are_no_csv(tmp_path: Path) -> None:
    lines = [f'pos,"so" he said "{n}"' for n in range(30)] + [f"one{n},text" for n in range(19)] + ['neg,"whole"']
    (tmp_path / "a").write_text("\n".join(lines))
    done = convert("a", "--separator", ",", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "".join(line.replace(",", "\t", 1) + "\n" for line in lines)


def test_the_commands_that_help_shows_run_as_they_stand(tmp_path: Path) -> None:
    shown = convert("--help", cwd=tmp_path)
    assert shown.returncode == 0
    commands = shown.stdout.decode().split("Examples:\n")[1].splitlines()
    for label in ("neg", "pos"):
        (tmp_path / "aclImdb" / "train" / label).mkdir(parents=True)
        (tmp_path / "aclImdb" / "train" / label / "0_3.txt").write_text("text")
        (tmp_path / f"rt-polarity.{label}").write_text("text\n")
    (tmp_path / "TREC_10.label").write_text("NUM:dist How far ?\n")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(bytes(4), 1, 2, 2)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(b"\7", 1)))
    picture(tmp_path / "pictures" / "seven" / "1.png", np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "reviews.tab").write_text("Category\tContent\nd\tstring\n\t\nx\tfine\n")
    for command in commands:
        program, script, *arguments = shlex.split(command)
        assert (program, script) == ("python", "data/convert.py")
        if ">" in arguments:
            arguments = arguments[: arguments.index(">")]
        done = convert(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    made = {path.name: path.read_text() for path in tmp_path.rglob("*.tsv")}
    assert made.pop("pictures.tsv").startswith("seven\t32x32x1:AAAA")
    assert made == {
        "imdb-train.tsv": "neg\ttext\npos\ttext\n",
        "trec.tsv": "NUM\tHow far ?\n",
        "mr.tsv": "neg\ttext\npos\ttext\n",
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".jsonl"])
def test_tables_are_read_as_the_jobs_read_them(suffix: str, tmp_path: Path) -> None:
    rows = [('a, good\r\n"film"', "pos"), ("bad\tone", "neg")] * 2
    frame, path = pandas.DataFrame(rows, columns=["Review", "Stars"]), tmp_path / f"x{suffix}"
    {
        ".csv": lambda: frame.to_csv(path, index=False, sep=";", encoding="utf-16"),
        ".parquet": lambda: frame.to_parquet(path),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }[suffix]()
    named = ("--text-field", "Review", "--label-field", "Stars")
    done = convert(path, *named, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b'pos\ta, good "film"\nneg\tbad one\n' * 2


def test_a_quote_that_is_never_closed_leaves_nothing_written(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('label,text\na,b\nc,"d\ne,f\n')
    done = convert("x.csv", "--max-left-out", "100", cwd=tmp_path)
    assert done.returncode == 3 and not done.stdout and b"never closed swallows the last 2 lines" in done.stderr

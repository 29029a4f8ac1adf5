"""Every job on both executors: equal bytes, and the right ones."""

import json
import random
import subprocess
from array import array
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from mapreduce.input.records import record_hash
from mapreduce.output import manifest, vocabulary
from mapreduce.shuffle.partition import hash_partition
from mapreduce.tokens.hashing import bucket
from tests.conftest import Run

LABELLED = {"featurecount", "labelcount", "encode"}
JOBS = ("wordcount", "featurecount", "labelcount", "vocabulary", "encode")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.5 MB of made-up records, enough for several splits, hostile bytes among them."""
    random.seed(7)
    words = [b"w%d" % int(random.paretovariate(0.6)) for _ in range(300_000)]
    odd = [b"\xff\xfe", "Ünï".encode(), b"NUL\0", b"don't", b"a-b", "\u0085\u2028".encode(), b"x" * 70]
    lines = []
    for start in range(0, len(words), 100):
        text = b" ".join([*words[start : start + 100], random.choice(odd)])
        lines.append(b"%s\t%s" % (random.choice([b"pos", b"neg", "né".encode()]), text))
    path = tmp_path_factory.mktemp("records") / "records.tsv"
    path.write_bytes(b"\n".join(lines) + b"\r\n")
    return path


def arguments(job: str, records: Path) -> list[object]:
    if job != "encode":
        return []
    folder = records.parent / "vocabulary"
    if not folder.exists():
        tokens = [b"w1", b"w2", b"dont", b"w3"]
        from mapreduce.tokens.specification import preset

        vocabulary.write(folder, tokens, [1] * 4, [1] * 4, preset("keras"))
    return ["--vocabulary", folder]


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("reduces", [1, 3])
def test_inline_and_local_write_the_same_bytes(
    job: str, reduces: int, records: Path, tmp_path: Path, run_job: Run
) -> None:
    flags = ["--shards" if job == "encode" else "--jobconf"]
    flags.append(str(reduces) if job == "encode" else f"mapreduce.job.reduces={reduces}")
    outputs = []
    for runner, seed, maps in (("inline", "1", "1"), ("local", "2", "3")):
        out = tmp_path / runner
        more = ["--jobconf", f"mapreduce.job.maps={maps}"]
        env = {"PYTHONHASHSEED": seed}
        done = run_job(
            job, "-r", runner, *arguments(job, records), *flags, *more, "--output-dir", out, records, env=env
        )
        assert done.stdout == b""
        outputs.append({p.name: p.read_bytes() for p in out.iterdir() if p.name.startswith("part-")})
        assert (out / "_SUCCESS").exists()
        assert sorted(p.name for p in tmp_path.iterdir() if "_temporary" in p.name) == []
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == (1 if job == "vocabulary" else reduces)
    if job != "vocabulary":  # whose lines are ordered by count
        for name, data in outputs[0].items():
            keys = [line.split(b"\t")[0] for line in data.splitlines()]
            assert keys == sorted(keys)
            assert {hash_partition(key, reduces) for key in keys} <= {int(name[-5:])}


def test_wordcount_against_coreutils(records: Path, run_job: Run) -> None:
    pipeline = f"tr -s '\\t\\n\\v\\f\\r ' '\\n' < {records} | grep -av '^$' | LC_ALL=C sort | LC_ALL=C uniq -c"
    counted = subprocess.run(pipeline, shell=True, capture_output=True, check=True).stdout
    expected = [tuple(reversed(line.split())) for line in counted.split(b"\n")[:-1]]
    done = run_job("wordcount", "-r", "local", "--format", "text", "--tokenizer", "whitespace", records)
    assert [tuple(line.split(b"\t")) for line in done.stdout.split(b"\n")[:-1]] == expected


def test_splits_add_up_to_all(records: Path, run_job: Run) -> None:
    def counts(split: str) -> dict[bytes, int]:
        out = run_job("wordcount", "--split", split, records).stdout
        return {k: int(n) for k, n in (line.split(b"\t") for line in out.split(b"\n")[:-1])}

    whole, train, validation = counts("all"), counts("train"), counts("validation")
    assert validation
    assert whole == {k: train.get(k, 0) + validation.get(k, 0) for k in whole}


def test_featurecount(run_job: Run) -> None:
    lines = b"pos\tgood good film\nneg\tbad film\nneg\tbad bad\n"
    flags = ("--format", "tsv", "--ngrams", "2", "--min-df", "2")
    assert run_job("featurecount", *flags, stdin=lines).stdout == b"bad\tneg\t3\t2\nfilm\tneg\t1\t1\nfilm\tpos\t1\t1\n"


@pytest.mark.parametrize("runner", ["inline", "local"])
@pytest.mark.parametrize("native", ["1", "0"])
def test_the_flags_of_features(runner: str, native: str, tmp_path: Path, run_job: Run) -> None:
    flags = ("-r", runner, "--ngrams", "2-2", "--skips", "--head-pairs", "1", "--prefixes", "2")
    flags += ("--characters-across", "8", "--format", "tsv")
    env = {"MAPREDUCE_NATIVE": native}
    run_job("featurecount", *flags, "--output-dir", tmp_path / "f", stdin=b"pos\tone two six\n", env=env)
    lines = b"".join(part.read_bytes() for part in sorted((tmp_path / "f").glob("part-*")))
    features = [line.removesuffix(b"\tpos\t1\t1") for line in lines.split(b"\n")[:-1]]
    expected = [b" &one two", b" <one", b" <one two", b" _one six", b"one two", b"two six"]
    expected += [b" =" + b" one two six "[i : i + 8] for i in range(6)]
    assert sorted(features) == sorted(expected)
    # An output says what it was made with, and flags override that.
    again = ("--specification", tmp_path / "f" / "_manifest.json", "--no-skips", "--characters-across", "13")
    found = run_job("featurecount", "-r", runner, "--format", "tsv", *again, stdin=b"a\tone two six\n", env=env).stdout
    assert b" _one" not in found and b" <one two" in found and found.count(b" = one two six ") == 1


def test_labelcount(run_job: Run) -> None:
    lines = b"pos\tgood good film\nneg\tbad\nneg\tso bad\nneg\tbad!\n"
    assert run_job("labelcount", "--format", "tsv", stdin=lines).stdout == b"neg\t3\t4\t1:2 2:1\npos\t1\t3\t3:1\n"


@pytest.mark.parametrize(
    ("flags", "tokens"),
    [
        ([], "b c a e d"),
        (["--top-k", 2], "b c"),
        (["--min-count", 2], "b c a"),
        (["--min-df", 2], "b a"),
        (["--min-df", 0.9], "b"),
        (["--max-df", 1], "c e d"),
        (["--max-df", 0.7], "c a e d"),
        (["--min-df", 2, "--max-df", 2, "--top-k", 1], "a"),
        (["--rank-by", "df", "--top-k", 3], "b a e"),
        (["--stop-list", "LIST"], "b e"),
        (["--keep-list", "LIST", "--min-count", 3], "b c a d"),
        (["--keep-list", "LIST", "--top-k", 2], "c a"),
    ],
)
def test_vocabulary(flags: list[object], tokens: str, tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "LIST").write_text("a\nc\r\nd\n")
    flags = [tmp_path / "LIST" if flag == "LIST" else flag for flag in flags]
    lines = b"a b b c c\na b d\nb e\n"  # tf: a 2, b 4, c 2, d 1, e 1; df: a 2, b 3, c 1, d 1, e 1
    out = run_job("vocabulary", *flags, stdin=lines).stdout
    assert [line.split(b"\t")[0].decode() for line in out.split(b"\n")[:-1]] == tokens.split()


def test_encode(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "v").write_bytes(b"the\t3\t1\ncat\t1\t1\n")
    out = run_job("encode", "--format", "tsv", "--vocabulary", tmp_path / "v", stdin=b"x\tThe cat, the rat.\n").stdout
    # 2, 3, 2, 1 as little-endian int32, by `printf '\2\0\0\0\3\0\0\0\2\0\0\0\1\0\0\0' | base64`
    assert out == record_hash(b"The cat, the rat.").encode() + b"\tx\tAgAAAAMAAAACAAAAAQAAAA==\n"


def test_encode_by_hashing(run_job: Run) -> None:
    out = run_job("encode", "--format", "tsv", "--hash-buckets", 1000, stdin=b"x\tthe cat the\n").stdout
    ids = array("i", urlsafe_b64decode(out.split(b"\t")[2]))
    assert ids.tolist() == [2 + bucket(word, 1000) for word in (b"the", b"cat", b"the")]


@pytest.mark.parametrize(
    ("suffix", "data", "flags"),
    [
        ("tsv", "x\ta b\ny\tc\n", []),
        ("csv", "id,body,class\n1,a b,x\n2,c,y\n", ["--text-field", "body", "--label-field", "class"]),
        ("jsonl", '{"text": "a b", "label": "x"}\n{"text": "c", "label": "y"}\n', []),
        ("txt", "__label__x a b\n__label__y c\n", ["--format", "fasttext"]),
    ],
)
def test_formats(suffix: str, data: str, flags: list[str], tmp_path: Path, run_job: Run) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_text(data)
    assert run_job("labelcount", "-r", "local", *flags, path).stdout == b"x\t1\t2\t2:1\ny\t1\t1\t1:1\n"


def test_standard_input_globs_and_several_files(tmp_path: Path, run_job: Run) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("x\n")
    out = run_job("wordcount", tmp_path / "a.txt", f"{tmp_path}/*.txt", "-", stdin=b"x\ny").stdout
    assert out == b"x\t4\ny\t1\n"


def test_an_empty_input(tmp_path: Path, run_job: Run) -> None:
    assert run_job("wordcount", "-r", "local", stdin=b"").stdout == b""


@pytest.mark.parametrize(
    ("job", "flags", "data", "code", "words"),
    [
        ("wordcount", ["none.txt"], b"", 2, "none.txt: no such input file"),
        ("wordcount", ["hdfs://host/x"], b"", 2, "use -r hadoop"),
        ("wordcount", ["--ngrams", "0"], b"x", 2, "from 1 to 100"),
        ("featurecount", ["--prefixes", "101"], b"x", 2, "from 0 to 100"),
        ("wordcount", ["--jobconf", "mapreduce.job.reduces=x"], b"x", 2, "mapreduce.job.reduces"),
        ("featurecount", [], b"x", 2, "needs labelled records"),
        ("featurecount", ["--format", "tsv"], b"no label\n", 3, "no label (1)"),
        ("featurecount", ["--format", "tsv"], b"", 3, "no labelled record"),
        ("encode", ["--format", "tsv"], b"x\ty\n", 2, "--vocabulary"),
        ("encode", ["--format", "tsv", "--vocabulary", "none"], b"x\ty\n", 2, "none"),
        ("encode", ["--format", "tsv", "--hash-buckets", "0"], b"x\ty\n", 2, "--hash-buckets"),
        ("vocabulary", ["--top-k", "0"], b"x\n", 2, "--top-k"),
    ],
)
@pytest.mark.parametrize("runner", ["inline", "local"])
def test_errors_are_one_line(
    job: str, flags: list[str], data: bytes, code: int, words: str, runner: str, tmp_path: Path, run_job: Run
) -> None:
    out = tmp_path / "out"
    done = run_job(job, "-r", runner, "--output-dir", out, *flags, stdin=data, code=code)
    lines = done.stderr.decode().strip().split("\n")
    assert len(lines) == 1 and words in lines[0] and lines[0].startswith(job)
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_refused(tmp_path: Path, run_job: Run) -> None:
    (tmp_path / "out").mkdir()
    done = run_job("wordcount", "--output-dir", tmp_path / "out", stdin=b"x", code=2)
    assert b"already exists" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_another_specification_is_refused(records: Path, run_job: Run) -> None:
    flags = arguments("encode", records)
    done = run_job("encode", *flags, "--tokenizer", "words", records, code=2)
    named = manifest.read(str(flags[1]))["specification_fingerprint"]
    assert named.encode() in done.stderr and b"Traceback" not in done.stderr


def test_the_manifest_says_what_it_is(records: Path, tmp_path: Path, run_job: Run) -> None:
    run_job("vocabulary", "--top-k", "10", "--output-dir", tmp_path / "v", records)
    found = manifest.read(tmp_path / "v", "vocabulary")
    read = vocabulary.read(tmp_path / "v")
    assert found["arguments"]["top_k"] == len(read.tokens) == 10
    assert found["vocabulary_fingerprint"] == read.fingerprint
    size, crc = records.stat().st_size, subprocess.run(["gzip", "-c", records], capture_output=True).stdout[-8:-4]
    assert found["inputs"] == [{"path": str(records), "size": size, "crc32": crc[::-1].hex()}]
    json.dumps(found)


@pytest.mark.parametrize("job", [*JOBS, "duplicates", "imagestats", "merge"])
def test_help_ends_in_a_command(job: str, run_job: Run) -> None:
    out = run_job(job, "--help").stdout.decode()
    last = out.rstrip().split("\n")[-1].strip()
    assert last.startswith(f"python jobs/{job}.py ")
    assert "Input:" in out and "Output:" in out


@pytest.mark.parametrize("columns", ["", "1", "a,b,c", "1,0,2,3"])
def test_columns_that_are_none_are_one_line(columns: str, run_job: Run) -> None:
    done = run_job("labelcount", "--format", "csv", f"--columns={columns}", stdin=b"a,b\n", code=2)
    assert done.stderr.startswith(b"labelcount: --columns is text,label,count") and done.stderr.count(b"\n") == 1

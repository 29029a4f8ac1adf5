"""Tables against duckdb and PySpark: counting by group, describing, joining; whole processes, interleaved, the same
answer.

The table is made: ten columns, three of them text, some of these in quotes. Types are given on both sides but to
`schema`, which finds them, as duckdb's SUMMARIZE and PySpark's inferSchema do. duckdb's queries:

    SELECT category, count(*), sum(price), avg(quantity), min(day), max(day) FROM t
    WHERE quantity > 3 AND rating IS NOT NULL GROUP BY category
    SUMMARIZE t
    SELECT * FROM l JOIN r USING ("user")

For the join a left table of five million rows is made, and a right one of 100,000, four short columns each.

Example:
  python tests/benchmarks/bench_tables.py --megabytes 500 --rounds 5 --peers duckdb
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench_wordcount import ROOT, command, timed

TYPES = {
    "id": ("int", "INTEGER"),
    "user": ("long", "BIGINT"),
    "price": ("double", "DOUBLE"),
    "quantity": ("int", "INTEGER"),
    "rating": ("double", "DOUBLE"),
    "day": ("date", "DATE"),
    "moment": ("timestamp", "TIMESTAMP"),
    "category": ("text", "VARCHAR"),
    "city": ("text", "VARCHAR"),
    "comment": ("text", "VARCHAR"),
}
COLUMNS = ", ".join(f"'{name}': '{kind}'" for name, (_, kind) in TYPES.items())
COUNT = """
import sys, duckdb
duckdb.sql(f'''copy (select category, count(*), sum(price), avg(quantity), min(day), max(day)
    from read_csv('{sys.argv[1]}', header=true, columns={{COLUMNS}})
    where quantity > 3 and rating is not null group by category order by category)
    to '{sys.argv[2]}' (delimiter '\t', header false)''')
""".replace("COLUMNS", COLUMNS)
SUMMARIZE = """
import sys, duckdb
duckdb.sql(f'''copy (summarize select * from read_csv('{sys.argv[1]}', header=true, sample_size=-1))
    to '{sys.argv[2]}' (delimiter '\t', header false)''')
"""
SPARK = """
import sys
from pyspark.sql import SparkSession, functions as f
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
table = spark.read.csv(sys.argv[1], header=True, inferSchema=True)
"""
SPARK_COUNT = (
    SPARK
    + """
table.where("quantity > 3 and rating is not null").groupBy("category").agg(
    f.count("*"), f.sum("price"), f.avg("quantity"), f.min("day"), f.max("day")).write.csv(sys.argv[2], sep="\\t")
"""
)
SPARK_DESCRIBE = (
    SPARK
    + """
table.summary().write.csv(sys.argv[2], sep="\\t")
"""
)
LEFT = {
    "id": ("int", "INTEGER"),
    "user": ("int", "INTEGER"),
    "price": ("double", "DOUBLE"),
    "city": ("text", "VARCHAR"),
}
RIGHT = {"user": LEFT["user"], "name": LEFT["city"], "group": LEFT["city"], "score": LEFT["price"]}
JOIN = """
import sys, duckdb
l, r = (f"read_csv('{path}', header=true, columns={columns})" for path, columns in zip(
    (sys.argv[1], sys.argv[1].replace("left.csv", "right.csv")), COLUMNS))
duckdb.sql(f'''copy (select "user", id, price, city, name, "group", score from {l} as l join {r} as r using ("user"))
    to '{sys.argv[2]}' (delimiter '\t', header false)''')
""".replace("COLUMNS", repr([{name: kind for name, (_, kind) in table.items()} for table in (LEFT, RIGHT)]))
SPARK_JOIN = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
left, right = (spark.read.csv(path, header=True, schema=schema) for path, schema in zip(
    (sys.argv[1], sys.argv[1].replace("left.csv", "right.csv")), SCHEMAS))
left.join(right, "user").write.csv(sys.argv[2], sep="\\t")
""".replace(
    "SCHEMAS",
    repr([", ".join(f"`{n}` {k.replace('VARCHAR', 'STRING')}" for n, (_, k) in t.items()) for t in (LEFT, RIGHT)]),
)
Contender = Callable[[Path, Path], None]
LIMITS = {"duckdb": {"groupcount": 1.5, "schema": 1.5, "join": 3.0}, "pyspark": {"groupcount": 0.2, "schema": 0.2}}


def make_table(path: Path, size: int) -> None:
    """A CSV file of about so many bytes, the same at every call."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=2 + i % 8)) for i in range(2000)]
    states = [f'"{draw.choice(words).title()}, {draw.choice(words)[:2].upper()}"' for _ in range(250)]
    cities = [*states, *(f"City{i}" for i in range(750))]
    written = number = 0
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(TYPES) + "\n")
        while written < size:
            lines = []
            for _ in range(50_000):
                number += 1
                comment = " ".join(draw.choices(words, k=3 + number % 6))
                comment = f'"{comment}, ""{words[number % 2000]}"""' if number % 5 == 0 else comment
                day = f"20{10 + number % 14}-{1 + number % 12:02d}-{1 + number % 28:02d}"
                rating = "" if number % 11 == 0 else f"{draw.random() * 5:.3f}"
                lines.append(
                    f"{number},{draw.randrange(10**10)},{draw.randrange(10**6) / 100},{draw.randrange(20)},{rating},"
                    f"{day},{day} {number % 24:02d}:{number % 60:02d}:{number * 7 % 60:02d},cat{draw.randrange(20)},"
                    f"{cities[draw.randrange(1000)]},{comment}\n"
                )
            block = "".join(lines)
            written += len(block)
            file.write(block)


def make_tables(left: Path, rows: int, keys: int = 100_000) -> None:
    """Two tables to be joined, the same at every call: one of so many rows, and one with a row for each key."""
    draw = random.Random(0)
    with open(left, "w", encoding="utf-8") as file:
        file.write(",".join(LEFT) + "\n")
        for begin in range(0, rows, 50_000):
            lines = (
                f"{number},{draw.randrange(keys)},{draw.randrange(10**6) / 100},City{draw.randrange(1000)}\n"
                for number in range(begin, min(begin + 50_000, rows))
            )
            file.write("".join(lines))
    with open(left.with_name("right.csv"), "w", encoding="utf-8") as file:
        file.write(",".join(RIGHT) + "\n")
        for user in draw.sample(range(keys), keys):
            file.write(f"{user},name{draw.randrange(10**6)},g{draw.randrange(20)},{draw.randrange(1000) / 10}\n")


def contenders(folder: Path, peers: list[str]) -> dict[str, dict[str, Contender]]:
    """By task and name, what reads one path and writes another."""
    types = ",".join(f"{name}:{kind}" for name, (kind, _) in TYPES.items())
    flags = [
        "--by",
        "category",
        "--sum",
        "price",
        "--mean",
        "quantity",
        "--min",
        "day",
        "--max",
        "day",
        "--types",
        types,
    ]
    where = ["--where", "quantity > 3 and rating is not null"]

    def ours(job: str, *arguments: str) -> Contender:
        script = ROOT / "jobs" / f"{job}.py"
        fixed = ("-r", "local", "-q", "--num-cores", "2", *arguments, "--output-dir")
        return lambda source, target: command(script, *fixed, target, source)

    def theirs(name: str, text: str) -> Contender:
        script = folder / f"{name}.py"
        script.write_text(text)
        return lambda source, target: command(script, source, target)

    sides = (("--types", LEFT), ("--right-types", RIGHT))
    given = [f"{flag}={','.join(f'{name}:{kind}' for name, (kind, _) in table.items())}" for flag, table in sides]

    def joined(source: Path, target: Path) -> None:
        fixed = ("-r", "local", "-q", "--num-cores", "2", "--on", "user", *given, "--output-dir", target)
        command(ROOT / "jobs" / "join.py", *fixed, source, source.with_name("right.csv"))

    found = {
        "groupcount": {"ours": ours("groupcount", *flags, *where)},
        "schema": {"ours": ours("schema")},
        "join": {"ours": joined},
    }
    scripts = {
        "duckdb": {"groupcount": COUNT, "schema": SUMMARIZE, "join": JOIN},
        "pyspark": {"groupcount": SPARK_COUNT, "schema": SPARK_DESCRIBE, "join": SPARK_JOIN},
    }
    for peer in peers:
        for task, text in scripts[peer].items():
            found[task][peer] = theirs(f"{peer}_{task}", text)
    return found


def lines_of(target: Path) -> list[list[str]]:
    """The rows of an output, in order."""
    files = sorted(target.glob("part-*")) if target.is_dir() else [target]
    return sorted(line.split("\t") for file in files for line in file.read_text().splitlines())


def check(task: str, ours: list[list[str]], theirs: list[list[str]]) -> None:
    """Exits where the answers differ: counts, least and largest exactly, sums but for rounding."""
    if task == "join":
        if ours != theirs:
            sys.exit(f"bench_tables: different answers: {len(ours)} rows and {len(theirs)}")
    elif task == "groupcount":
        for mine, other in zip(ours, theirs, strict=True):
            same = mine[:2] + mine[4:] == other[:2] + other[4:]
            if not same or any(abs(float(a) / float(b) - 1) > 1e-9 for a, b in zip(mine[2:4], other[2:4])):
                sys.exit(f"bench_tables: different answers: {mine} and {other}")
    else:
        found = {name: json.loads(figures) for name, figures in ours}
        for name, *other in theirs if len(theirs) == len(found) else ():
            if str(found[name]["count"] + found[name]["missing"]) != other[-2]:
                sys.exit(f"bench_tables: different answers for {name}: {found[name]} and {other}")


def main() -> None:
    """Checks that all have the same answer, then measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500, help="of the table (default: 500)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="+", default=["duckdb", "pyspark"], choices=("duckdb", "pyspark"))
    parser.add_argument("--tasks", nargs="+", default=["groupcount", "schema", "join"])
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the left table of the join (default: 5000000)")
    parser.add_argument("--input", type=Path, help="a table that was made before")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task, runs in contenders(folder, options.peers).items():
            if task not in options.tasks:
                continue
            source = folder / "left.csv" if task == "join" else options.input or folder / "table.csv"
            if task == "join":
                make_tables(source, options.rows)
            elif not source.exists():
                make_table(source, options.megabytes * 1_000_000)
            answers = {}
            for contender, run in runs.items():
                timed(run, source, folder / contender)
                answers[contender] = lines_of(folder / contender)
            for peer in options.peers:
                if peer == "duckdb":
                    check(task, answers["ours"], answers[peer])
                pairs = []
                for number in range(options.rounds):
                    order = ("ours", peer) if number % 2 else (peer, "ours")
                    found = {one: timed(runs[one], source, folder / "target") for one in order}
                    pairs.append((found["ours"], found[peer]))
                ratio = statistics.median(a / b for a, b in pairs)
                ours, theirs = (statistics.median(times) for times in zip(*pairs))
                print(
                    f"{source.stat().st_size / 1e6:6.0f} MB  {task:10s} ours {ours:6.2f} s   {peer:8s} {theirs:6.2f} s"
                    f"   ratio {ratio:.3f} (at most {LIMITS[peer].get(task, 'any')})   rounds {options.rounds}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

# The commands of the project. Each target names files; what is out of date is found out by the programs themselves.
# Words and progress go to stderr; stdout holds results alone.

PYTHON ?= python3
DATA ?= 20ng
MODEL ?= linear
RUNNER ?= local
SEED ?= 0

BIN := .venv/bin
export TRAIN TEST TARGET

.SILENT:
.DELETE_ON_ERROR:
.PHONY: help install dev data train accuracy test test-slow test-data check-faults lint fuzz benchmark clean \
  hadoop-up hadoop-down hadoop-status test-hadoop spark-up spark-down spark-status test-spark

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make install      the project into .venv
install: .venv/installed

.venv/installed: setup.cfg setup.py pyproject.toml $(wildcard mapreduce/native/*.[ch])
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v <= (3, 13) else \
	  "make: Python 3.10 to 3.13 is needed and $(PYTHON) is %d.%d; try make PYTHON=python3.12" % v)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv 1>&2 || \
	  { rm -rf .venv; echo "make: $(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	echo "installing into .venv (TensorFlow is large; about a minute)" >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[models]' 1>&2
	$(BIN)/python -c 'from mapreduce.native import library; print(end=library.missing() and f"make: {library.missing()}\n")' 1>&2
	touch $@

## make dev          and what its tests and checks need
dev: .venv/dev

.venv/dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' 1>&2
	touch $@

## make data         DATA=20ng|r8|r52|mnist, or the tables flights|penguins|birdstrikes: fetches them, checked by sha256
data: .venv/installed
	$(BIN)/python data/fetch.py $(DATA) 1>&2

## make train        trains MODEL=linear, or one of the README's networks, on DATA, or on TRAIN=my/train.tsv
##                   TEST=my/test.tsv, whose model is data/derived/my-train.tsv/linear; RESUME=1 goes on with what was
##                   interrupted; ARGS="--epochs 5" passes further flags; prints the accuracy. TRAIN=my.csv TARGET=price
##                   learns a column of a table from the others, by MODEL=mlp or linear
# The names of files reach the shell as variables, so they may hold spaces and quotes. In the folder's name - is a slash,
# and _ says that the character behind it is itself, so that no two files share one.
train: .venv/installed $(if $(TRAIN),,data)
	test -n "$$TRAIN" && name=$$(printf %s "$$TRAIN" | sed 's,[_-],_&,g; s,/,-,g') || \
	  { name=$(DATA) TRAIN=data/raw/$(DATA)-train.tsv TEST=data/raw/$(DATA)-test.tsv; }; \
	$(BIN)/python -m models.train --train "$$TRAIN" $${TEST:+--test "$$TEST"} $${TARGET:+--target "$$TARGET"} --model $(MODEL) --runner $(RUNNER) \
	  --seed $(SEED) $(if $(RESUME),--resume) --output "data/derived/$$name/$(MODEL)" $(ARGS)

## make accuracy     fills the README's tables of accuracies; ARGS="r8 trec --trec data/raw" names data sets and folders,
##                   ARGS="networks mnist" those of the table of networks
accuracy: .venv/dev
	$(BIN)/python -m tests.benchmarks.accuracy $(ARGS)

## make test         the tests, two at a time, under four minutes
test: .venv/dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

## make test-slow    the tests that take longer, two at a time
test-slow: .venv/dev
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "slow and not data"

## make test-data    the tests on fetched data
test-data: .venv/dev
	$(BIN)/python -m pytest -q -m data

## make hadoop-up    a practice cluster on this machine: HDFS and YARN, two nodes each (needs Java and Maven)
hadoop-up:
	$(PYTHON) tests/hadoop/cluster.py up

## make hadoop-down  stops it
hadoop-down:
	$(PYTHON) tests/hadoop/cluster.py down

## make hadoop-status  what of it runs
hadoop-status:
	$(PYTHON) tests/hadoop/cluster.py status

## make test-hadoop  the tests on it: at most 25 minutes; it is stopped afterwards unless it ran before
test-hadoop: .venv/dev .venv/spark
	$(BIN)/python -m pytest -q -m hadoop tests/hadoop

## make spark-up      a practice cluster of Spark on this machine: a standalone master and two workers (needs Java)
spark-up: .venv/spark
	$(BIN)/python tests/spark/cluster.py up

## make spark-down    stops it
spark-down:
	$(BIN)/python tests/spark/cluster.py down

## make spark-status  what of it runs
spark-status:
	$(BIN)/python tests/spark/cluster.py status

.venv/spark: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[spark]' 1>&2
	touch $@

## make test-spark    the tests on it and on Spark on this machine alone: at most 15 minutes; ARGS goes to pytest
test-spark: .venv/dev .venv/spark
	$(BIN)/python -m pytest -q -m spark tests/spark $(ARGS)

## make check-faults  what happens when disks are full, inputs vanish and drivers die: at most 8 minutes, best as root
check-faults: .venv/dev
	$(BIN)/python -m pytest -q -m "faults or slow or not slow" tests/jobs/test_faults.py tests/mapreduce/local/test_faults.py

## make fuzz         the native library under sanitizers, two minutes
fuzz: .venv/dev
	$(BIN)/python -m pytest -q -m slow tests/mapreduce/native/test_native_fuzz.py

## make lint         ruff and mypy
lint: .venv/dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy mapreduce jobs models data

## make benchmark    speed against named peers on texts that are made (tests/benchmarks; bench_hadoop.py needs a cluster)
benchmark: .venv/dev
	$(BIN)/python -m pip install --quiet -r tests/benchmarks/requirements.txt 1>&2
	for bench in wordcount vocabulary encode featurecount bridge; do \
	  echo "== $$bench"; $(BIN)/python tests/benchmarks/bench_$$bench.py || exit 1; done

clean:
	rm -rf data/derived build *.egg-info

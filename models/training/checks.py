"""What is told about labels and leaks before training starts: `check` reads the records once and warns on stderr.

It looks at labels with one record, likely typing errors, imbalance, labels of the test set that training never sees,
and texts that both sets hold. Nothing is mended and no model is made; similar texts are found by jobs/duplicates.py.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from mapreduce.errors import LeakError, UserError
from mapreduce.input.files import Source, expand
from mapreduce.input.formats import detect
from mapreduce.input.formats.dialect import LABEL_NAMES, TEXT_NAMES
from mapreduce.input.formats.tsv import Tsv
from mapreduce.input.records import record_hash
from mapreduce.paths import absolute
from models import inputs
from models.training.candidates import TextCandidate
from models.training.runs import Unfit
from models.training.salts import Sides
from models.training.settings import VALIDATION

IMBALANCE = 20
"""Warned of where the largest label has so many times the records of the smallest."""
RARE = 10
"""A label is taken for a typing error of another one that has at least so many times its records."""
SHOWN = 5
FEW, MANY = 20, 1000
"""Labels are no classes where there are more than half of so many records, or more than MANY and a fifth."""
LEAST, MEASURED = 5, 50
"""Nor where each of so many records has its own, or where more than FEW have decimals and fewer records each."""


def check(
    train: Sequence[str],
    test: Sequence[str] = (),
    *,
    forbid_leaks: bool = False,
    validation: float | str = VALIDATION,
    group_field: str | None = None,
    **reading: Any,
) -> dict[str, Any]:
    """Warns, a line each, of what is wrong with the labels and of test texts that are in the training set.

    Args:
        train, test: record files; `reading` says how `models.inputs.read` reads them.
        forbid_leaks: whether a leak is an error.
        validation: share of the validation split, or the path of its records, which are of the training set, too.
        group_field: the training set's, as the jobs take it.

    Returns:
        For the manifest's results: {"labels": {label: records}, "leaks": number of test records whose text is in the
        training set, "salt": the first of `models.training.salts.SALTS` that puts every label into both splits}.

    Raises:
        LeakError: there are leaks and they are forbidden.
        UserError: a file cannot be read, the test or the validation set has no labelled record, or the labels of the
            training set are no classes.
    """
    held_out = [validation] if isinstance(validation, str) else []
    trained = {*map(absolute, expand(list(train)))}
    if both := sorted(trained & {*map(absolute, expand(held_out))}):
        raise UserError(f"{both[0]}: a file of --train and of --validation; leave it out of one of them")
    unseen, tested = _labelled(test, "--test", reading)
    validated, held = _labelled(held_out, "--validation", reading)
    labels = Counter[str]()
    texts: set[str] = set()
    first: tuple[str, bytes] | None = None
    longer, differ = 0, False
    sides = None if held_out else Sides(VALIDATION if isinstance(validation, str) else validation)
    for label, text, key in _records(train, {**reading, "group_field": group_field}):
        first = first or (label, text)
        labels[label] += 1
        longer += len(label.encode("utf-8", "surrogateescape")) - len(text)
        differ = differ or text != first[1]
        if sides is not None:
            sides.add(label, key)
        if (tested or held) and ((name := record_hash(text)) in tested or name in held):
            texts.add(name)
    check_classes(labels, train[0], reading if longer > 0 else None)
    if first and not differ and len(labels) > 1:
        one = first[1][:40].decode("utf-8", "replace")
        raise UserError(f"{train[0]}: all {labels.total()} texts are {one!r}, so nothing tells labels apart; mend them")
    if missing := sorted(set(labels) ^ set(validated)) if held_out else []:
        names = _list(list(map(repr, missing)))
        print(f"warning: labels of --train or --validation alone: {names}", file=sys.stderr)
    if repeated := sum(held[name] for name in texts):
        share = f"{repeated} of {held.total()} --validation records are in the training set as well"
        print(f"warning: {share}, so that its scores say too much", file=sys.stderr)
    labels += validated
    seen = {name for name in (*texts, *held) if name in tested}
    if first and reading.get("header") is None and is_header(*first) and labels[first[0]] <= len(trained):
        names = f"{first[0]!r} and {first[1][:60].decode('utf-8', 'replace')!r} in the first record"
        print(f"warning: {train[0]}: {names}: a header line? give --header yes", file=sys.stderr)
    # With one label only training itself says what is wrong.
    for line in [*warnings(labels), *test_warnings(unseen, labels)] if len(labels) > 1 else []:
        print(f"warning: {line}", file=sys.stderr)
    leaks = sum(tested[name] for name in seen)
    if leaks:
        share = f"{leaks} of {tested.total()} test records ({len(seen)} texts) are in the training set as well"
        if forbid_leaks:
            raise LeakError(f"{share}; list them with jobs/duplicates.py and take them out, or allow leaks")
        print(f"warning: {share}; jobs/duplicates.py lists them, and similar ones", file=sys.stderr)
    salt, said = sides.salt() if sides is not None and len(labels) > 1 else ("", "")
    if said:
        print(said, file=sys.stderr)
    return {"labels": dict(sorted(labels.items())), "leaks": leaks, "salt": salt}


def _labelled(paths: Sequence[str], flag: str, reading: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """How many records have each label, and how many each text, by its hash.

    Raises:
        UserError: none has a label.
    """
    labels, texts = Counter[str](), Counter[str]()
    for label, text, _ in _records(paths, reading):
        labels[label] += 1
        texts[record_hash(text)] += 1
    if paths and not any(labels):
        raise UserError(
            f"{paths[0]}: {'no label in its records' if labels else 'no record'}; give a labelled {flag} file"
        )
    return labels, texts


def _records(paths: Sequence[str], reading: dict[str, Any]) -> Iterator[tuple[str, bytes, bytes]]:
    for block in inputs.keyed(paths, **reading) if paths else ():
        for label, text, key in block:
            yield label.decode("utf-8", "surrogateescape"), text, key


def warnings(labels: Counter[str]) -> Iterator[str]:
    """What is wrong with the labels of a training set, a line each."""
    if single := sorted(label for label, n in labels.items() if n == 1):
        yield f"labels with one record, which cannot be validated: {_list(list(map(repr, single)))}"
    for rare, common in typing_errors(labels):
        yield f"label {rare!r} ({labels[rare]}) may be a typing error of {common!r} ({labels[common]})"
    if labels:
        (most, many), (least, few) = (
            labels.most_common(1)[0],
            min(labels.items(), key=lambda entry: (entry[1], entry[0])),
        )
        if many >= IMBALANCE * few:
            share = 100 * many / labels.total()
            yield f"imbalanced: {most!r} has {many} records ({share:.0f} %) and {least!r} {few}"


def is_header(label: str, text: bytes) -> bool:
    """Whether a record is made of the usual names of columns."""
    return label.strip().lower() in LABEL_NAMES or text.strip().lower().decode("utf-8", "replace") in TEXT_NAMES


def check_classes(labels: Counter[str], path: str, swapped: dict[str, Any] | None = None) -> None:
    """Raises UserError, with the likely cause, where labels are no classes: nearly every record has its own, or they
    are measured numbers.

    Args:
        swapped: how the records are read, where the labels are longer than the texts.
    """
    records, kinds = labels.total(), len(labels)
    numbers = sum(map(_is_number, labels))
    decimals = sum(_is_number(label) and not label.strip("+- ").isdigit() for label in labels)
    if (
        not (records >= FEW and kinds > records / 2)
        and not (kinds > MANY and kinds > records / 5)
        and not (records >= LEAST and kinds == records)
        and not (kinds > FEW and decimals > kinds / 2 and records < MEASURED * kinds)
    ):
        return
    if numbers > 0.9 * kinds:
        cause = "they are numbers, and this is regression, which is not here yet; make classes of them"
    elif swapped is not None:
        cause = f"they are longer than the texts; if the columns are swapped, give {_other_way_round(path, swapped)}"
    else:
        cause = "they may be ids; give another --label-field"
    raise UserError(f"{path}: {kinds} labels in {records} records, such as {min(labels):.40}: {cause}")


def _other_way_round(path: str, reading: dict[str, Any]) -> str:
    fields = reading.get("label_field", "label"), reading.get("text_field", "text")
    format = reading.get("format") or detect([Source(expand([path])[0])])
    text, label = ("1", "2") if format == Tsv.name and fields == ("label", "text") else fields
    return f"--text-field {text} --label-field {label}"


def _is_number(label: str) -> bool:
    try:
        float(label.replace(",", "."))
    except ValueError:
        return False
    return True


def test_warnings(tested: Counter[str], labels: Counter[str]) -> Iterator[str]:
    """A line on the labels of a test set that the training set lacks."""
    unseen = sorted(set(tested) - set(labels))
    if unseen:
        close = dict(typing_errors(Counter({**dict.fromkeys(unseen, 1), **dict.fromkeys(labels, RARE)})))
        named = [f"{label!r} (for {close[label]!r}?)" if label in close else repr(label) for label in unseen]
        records = sum(tested[label] for label in unseen)
        yield f"{records} test records have labels that training never sees and count as wrong: {_list(named)}"


def typing_errors(labels: Counter[str]) -> list[tuple[str, str]]:
    """Pairs (rare label, common label) that differ in case, in white space or in one character.

    One character is one more, one less, another one, or two that changed places; labels of less than four characters
    and those that differ in digits alone are left out.
    """
    groups: dict[str, set[str]] = {}
    for label in labels:
        for form in _forms(label):
            groups.setdefault(form, set()).add(label)
    found = set()
    for group in groups.values():
        for one, other in combinations(sorted(group, key=lambda label: (labels[label], label)), 2):
            if labels[other] >= RARE * labels[one] and not _are_numbered(one, other):
                found.add((one, other))
    return sorted(found)


def _are_numbered(one: str, other: str) -> bool:
    """Whether labels differ in digits alone, as "item 1" and "item 2" do."""
    (a, b), (x, y) = (
        (re.sub(r"\d", "", plain), re.sub(r"\D", "", plain))
        for plain in (" ".join(s.casefold().split()) for s in (one, other))
    )
    return a == x and b != y


def _forms(label: str) -> Iterable[str]:
    """Labels that are one character apart have one of these in common."""
    plain = " ".join(label.casefold().split())
    if len(plain) < 4:
        return {plain}
    return {plain, *(plain[:i] + plain[i + 1 :] for i in range(len(plain)))}


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def check_labels(labels: Sequence[str], seen: Collection[int], where: str, candidate: TextCandidate) -> None:
    """Whether a candidate's features tell labels apart.

    Args:
        labels: names of those of the train split.
        seen: the numbers of those that hold a feature.
        where: which records these are.

    Raises:
        UserError: there is one label only, or one whose documents hold no token.
        Unfit: they hold none that is frequent enough for the candidate.
    """
    if len(labels) < 2:
        raise one_label(labels, where)
    empty = [name for i, name in enumerate(labels) if i not in seen]
    if empty and candidate.minimum_df > 1:
        held = f"no document of label {empty[0]!r} holds a token of {candidate.minimum_df} or more documents"
        raise Unfit(f"candidate {candidate.name}: {where}: {held}")
    if empty:
        raise UserError(f"{where}: no document of label {empty[0]!r} holds a token; remove the label or give it text")


def one_label(labels: Iterable[str], where: str) -> UserError:
    """The error of records that nothing can be told apart in."""
    return UserError(f"{where}: one label only, {', '.join(map(repr, labels))}; a classifier needs two or more")

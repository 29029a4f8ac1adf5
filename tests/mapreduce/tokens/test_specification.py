"""The specification: presets, JSON, fingerprints and what is refused."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import UserError
from mapreduce.tokens import specification
from mapreduce.tokens.specification import PRESETS, PUNCTUATION, Specification, preset
from tests.conftest import ROOT


def test_punctuation_is_ascii_punctuation() -> None:
    assert sorted(PUNCTUATION) == sorted(string.punctuation)


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str) -> None:
    specification = preset(name, ngrams=3, character_ngrams=(3, 4), head=2, skips=True, characters_across=(3,))
    again = Specification.from_json(json.loads(json.dumps(specification.to_json())))
    assert again == specification
    assert again.fingerprint == specification.fingerprint


@pytest.mark.slow
def test_fingerprints_tell_specifications_apart() -> None:
    features: list[dict[str, Any]] = [{}, {"ngrams": 2}, {"head": 1}, {"character_ngrams": (3,)}]
    features += [{"skips": True}, {"head_pairs": 1}, {"prefixes": 1}, {"characters_across": (3,)}]
    made = [preset(name, **some) for name in PRESETS for some in features]
    assert len({s.fingerprint for s in made}) == len(made)


def test_the_fingerprint_is_stable() -> None:
    # Outputs on disk carry it: a change here makes every stored vocabulary unusable.
    assert preset("keras").fingerprint == "98f97aca1f05774b"
    assert preset("words", ngrams=2, character_ngrams=(3, 4), head=2).fingerprint == "c12df2c0c13a6205"


def test_what_says_nothing_of_later_fields_is_written_as_before() -> None:
    written = preset("keras", skips=False, head_pairs=0, prefixes=0, characters_across=()).to_json()
    assert set(written) == {"version", "level", "table", "split", "ngrams", "character_ngrams", "head"}
    explicit = {**written, "skips": False, "head_pairs": 0, "prefixes": 0, "characters_across": []}
    assert Specification.from_json(explicit) == Specification.from_json(written) == preset("keras")
    assert preset("keras", prefixes=2).to_json() == {**written, "prefixes": 2}


def test_an_integer_of_ngrams_means_up_to_it() -> None:
    assert preset("keras", ngrams=3).ngrams == (1, 2, 3)
    assert preset("keras", ngrams=(2,)).ngrams == (2,)


@given(
    st.dictionaries(st.integers(0, 99), st.sampled_from(["x", "y", " {} ", " # ", ""]), max_size=30)
    | st.just({unit: chr(unit + 1) for unit in range(20, 60)})
    | st.just({unit: f" {chr(unit)} " for unit in range(20, 60)})
)
def test_packed_tables_come_back(table: dict[int, str]) -> None:
    table.pop(10, None)
    specification = Specification(table=tuple(sorted((u, t) for u, t in table.items() if t != chr(u))))
    assert Specification.from_json(json.loads(json.dumps(specification.to_json()))) == specification


@pytest.mark.parametrize(
    "fields",
    [
        {"level": "word"},
        {"split": "comma"},
        {"ngrams": (2, 1)},
        {"ngrams": (0,)},
        {"head": -1},
        {"head_pairs": -1},
        {"prefixes": True},
        {"skips": 1},
        {"characters_across": (3, 3)},
        {"ngrams": ()},
        {"table": ((200, "x"),)},
        {"table": ((65, "é"),)},
        {"table": ((10, ""),)},
        {"table": ((65, "A"),)},
        {"level": "codepoint", "table": ((65, "\ud800"),)},
    ],
)
def test_refused(fields: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError):
        Specification(**fields)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"version": 2}, {"version": 1, "table": {"x": "y"}}, {"version": 1, "a": 1}]
)
def test_json_that_is_no_specification(data: object) -> None:
    with pytest.raises(UserError):
        Specification.from_json(data)


@pytest.mark.parametrize(
    "fields",
    [
        {"table": ((65, "x" * 65),)},
        {"table": ((65, "x" * 1_000_000),)},
        {"level": "codepoint", "table": ((0x4E00, "é" * 65),)},
        {"ngrams": (101,)},
        {"ngrams": (1, 10**20)},
        {"character_ngrams": (10**400,)},
        {"head": 1_000_001},
        {"head": 2**32},
        {"head_pairs": 1_000_001},
        {"prefixes": 101},
        {"characters_across": (101,)},
        {"skips": "yes" * 1000},
    ],
)
def test_what_makes_much_of_little_is_refused_in_a_line(fields: dict[str, object]) -> None:
    with pytest.raises(UserError) as caught:
        Specification(**fields)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)
    data = json.loads(json.dumps(preset("keras").to_json()))
    data |= {name: value for name, value in fields.items() if name != "table"}
    if "table" in fields:
        data["table"] = {str(unit): text for unit, text in fields["table"]}  # type: ignore[attr-defined]
    with pytest.raises(UserError):
        Specification.from_json(data)


def test_the_limits_are_on_the_page_and_above_the_presets() -> None:
    longest = max(len(text) for name in PRESETS for _, text in preset(name).table)
    assert 3 * longest < specification.LONGEST == 64
    page = (ROOT / "mapreduce" / "tokens" / "SPECIFICATION.md").read_text()
    assert f"at most {specification.LONGEST} characters" in page
    assert f"from 1 to {specification.WIDEST}" in page and f"{specification.MOST_HEAD:,}" in page
    with pytest.raises(UserError, match="from 1 to 100"):
        preset("keras", ngrams=10**20)

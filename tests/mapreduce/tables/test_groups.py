"""Keys of groups: what stands in one comes back as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.input import rows
from mapreduce.tables.groups import DISTINCT, SEPARATOR, key_part, key_row

BYTES = [b"a", b"1", b"2", b"t", b"\\", b"\t", b"\n", b"\r", SEPARATOR, DISTINCT]


@given(st.lists(st.lists(st.sampled_from(BYTES), max_size=8).map(b"".join), min_size=1, max_size=3))
def test_a_key_gives_its_values_back(values: list[bytes]) -> None:
    key = SEPARATOR.join(map(key_part, values))
    assert DISTINCT not in key and b"\t" not in key and b"\n" not in key
    assert rows.split(key_row(key)) == values

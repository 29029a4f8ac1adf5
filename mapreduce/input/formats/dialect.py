"""What the first bytes of a table say: what stands between its fields, whether it has a header, where columns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from mapreduce.errors import UserError
from mapreduce.input.files import BLOCK
from mapreduce.input.formats import cut
from mapreduce.input.formats.format import Format, Layout, delimiter_name, field_names

TEXT_NAMES = ("text", "review", "sentence", "content", "message")
LABEL_NAMES = ("label", "class", "category", "sentiment", "target")
_DELIMITERS = (b",", b"\t", b";", b"|")


def delimiter(head: bytes, layout: Layout) -> bytes:
    """The byte between the fields of a table: where the header then names the wanted fields; else the one that most of
    the first records have equally often."""
    best, most = b",", (0, 0.0)
    for one in _DELIMITERS:
        ends = cut.ends(head, one, room=100)[0] or [len(head)]
        counts = [_fields(head[begin:end], one) for begin, end in zip([0, *ends], ends)]
        names = {name.strip(b'" \r\n').decode("utf-8", "replace").casefold() for name in head[: ends[0]].split(one)}
        wanted = sum(any(name in names for name in _wanted(field)) for field in (layout.text_field, layout.label_field))
        common, times = Counter(counts).most_common(1)[0]
        score = (wanted, times / len(counts) if common > 1 else 0.0)
        if score > most:
            best, most = one, score
    return best


def _wanted(field: str) -> list[str]:
    return [field.casefold(), *(name.strip().casefold() for name in field.split(","))]


def _fields(record: bytes, delimiter: bytes) -> int:
    """How many fields a record has."""
    if b'"' not in record:
        return record.count(delimiter) + 1
    outside = b"".join(record.split(b'"')[::2])  # what stands in quotes is every other piece
    return outside.count(delimiter) + 1


def has_header(row: list[str], layout: Layout) -> bool:
    """Whether a first row names the fields that are wanted, or has usual names for them."""
    names = [name.strip().casefold() for name in row]
    wanted = [layout.label_field, *field_names(layout.text_field, row)]
    if layout.names_fields and all(not field.isdigit() for field in wanted):
        return all(field.casefold() in names for field in wanted[not layout.labelled :])
    if layout.names_fields:  # by number
        return len(set(names)) == len(names) and any(name in (*TEXT_NAMES, *LABEL_NAMES) for name in names)
    return (
        len(set(names)) == len(names) > 1
        and any(name in TEXT_NAMES for name in names)
        and any(name in LABEL_NAMES for name in names)
    )


def columns(layout: Layout, row: list[str], name: str) -> Layout:
    """The layout with the columns that the flags name, by the first row of a table.

    Raises:
        UserError: there is no such column.
    """
    header = layout.header is not False
    texts = [
        _place(row, field, header, "--text-field", TEXT_NAMES, name) for field in field_names(layout.text_field, row)
    ]
    label = -1
    if layout.labelled or layout.label_field != "label" or _has(row, layout.label_field, header):
        label = _place(row, layout.label_field, header, "--label-field", LABEL_NAMES, name)
    group = layout.group_field
    if group is not None:
        group = str(_place(row, group, header, "--group-field", (), name) + 1)
    return replace(
        layout,
        columns=(texts[0], label, len(row)),
        joined=tuple(texts[1:]),
        text_field=row[texts[0]] if header else layout.text_field,
        label_field=row[label] if header and label >= 0 else layout.label_field,
        group_field=group,
        header=header,
    )


def rows(layout: Layout, row: list[str], name: str) -> Layout:
    """The layout with the names of all columns, by the first row of a table.

    Raises:
        UserError: two columns have one name.
    """
    header = layout.header is not False
    names = named(row if header else [""] * len(row), f"{name}, line 1")
    return replace(layout, names=names, header=header)


def named(names: Sequence[str], where: str) -> tuple[str, ...]:
    """Names of columns; one that has none is called by its number, c1 and so on.

    Raises:
        UserError: two columns have one name.
    """
    found = tuple(name.strip() or f"c{number}" for number, name in enumerate(names, 1))
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        places = " and ".join(str(number) for number, one in enumerate(found, 1) if one == twice)
        raise UserError(f"{where}: columns {places} are both called {twice!r}; name them all with --names a,b,c")
    return found


def _has(row: list[str], field: str, header: bool) -> bool:
    return header and sum(name.strip().casefold() == field.casefold() for name in row) == 1


def _place(row: list[str], field: str, header: bool, flag: str, usual: tuple[str, ...], name: str) -> int:
    if header and row.count(field) == 1:
        return row.index(field)
    if _has(row, field, header):
        return next(i for i, one in enumerate(row) if one.strip().casefold() == field.casefold())
    if field.isascii() and field.isdigit() and 1 <= int(field) <= len(row):
        return int(field) - 1
    if not header:
        raise UserError(
            f"{name}: without a header columns have numbers, 1 to {len(row)}; give {flag} 2. Received: {field}"
        )
    found = [one for one in row if one.strip().casefold() in usual]
    hint = f"; perhaps {flag} {found[0]}" if found else ""
    raise UserError(
        f"{name}, line 1: no one column {field!r} in the header {row!s:.200}; name it, or its number, with {flag}{hint}"
    )


def is_quoted(head: bytes, delimiter: bytes) -> bool:
    """Whether the quotes in a table of tabs stand around fields: each that opens one has its end, before a delimiter or
    a line end. Else they are characters, as in tables that are written without quoting."""
    at = opened = 0
    while at < len(head):
        found = head.find(b'"', at)
        if found < 0:
            break
        if found and head[found - 1 : found] not in (delimiter, b"\n"):
            at = found + 1
            continue
        end = cut.closing(head, found)
        if end < 0:
            return opened > 0 and len(head) >= BLOCK  # the rest of it is behind the first MiB
        if head[end + 1 : end + 2] not in (delimiter, b"\r", b"\n", b""):
            return False
        opened, at = opened + 1, end + 1
    return opened > 0


def found_out(given: Layout, settled: Layout, format: type[Format]) -> str:
    """What was found out of a table that the flags have not said and a reader may not expect, for one line; or ""."""
    said = []
    if (settled.columns is not None and given.columns is None) or (settled.names and not given.names):
        if given.delimiter is None and settled.delimiter and settled.delimiter != format.usual:
            said.append(f"{delimiter_name(settled.delimiter)} between the fields")
        if format.name == "tsv" and given.header is None:
            said.append("the first line names the columns" if settled.header else "no header line")
        if format.name == "tsv" and given.quotes is None and settled.quotes:
            said.append("fields in quotes")
        names = [(given.text_field, settled.text_field), (given.label_field, settled.label_field)]
        said += [
            f"field {now!r}"
            for then, now in names
            if settled.header and now != then and then.casefold() == now.casefold()
        ]
    return f"{format.name}: {', '.join(said)}" if said else ""

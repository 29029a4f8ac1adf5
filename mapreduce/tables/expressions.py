"""Expressions over the columns of a row: what `--where` and computed columns say. They are parsed, never run as Python.

    expression  or: and, joined by `or`; and: not, joined by `and`; not: [`not`] comparison
    comparison  sum [= | != | <> | < | <= | > | >=  sum]  |  sum is [not] null  |  sum [not] in (sum, ...)
                |  sum [not] between sum and sum
    sum         term, joined by + or -;  term: factor, joined by * / %;  factor: [-] value
    value       12  1.5e3  "text"  'text'  true  false  null  name  `any name`  function(sum, ...)  (expression)

A quote inside its own kind of quotes is written twice. Missing values behave as in SQL: what is computed from one is
missing, `and` and `or` know three values, and a row is taken where a condition is true. Whole numbers are exact; what
does not fit its type is missing, as is what is divided by 0. NaN equals itself and is larger than any number. A text
beside a date is read as one. The functions are `FUNCTIONS`. docs/tables.md has all of it for users.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cached_property, partial
from typing import Any

from mapreduce.errors import UserError
from mapreduce.tables import types
from mapreduce.tables.schema import Schema
from mapreduce.tables.types import BOOLEAN, DATE, DECIMAL, DOUBLE, INT, LONG, NULL, NUMBERS, TEXT, TIMESTAMP

Value = Any
Function = Callable[[Sequence[Value]], Value]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<text>\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*')"
    r"|(?P<quoted>`(?:[^`]|``)*`)|(?P<word>[^\W\d]\w*)|(?P<sign><=|>=|<>|!=|==|[-+*/%=<>(),]))"
)
_WORDS = ("and", "or", "not", "is", "null", "in", "between", "true", "false")
_MOST_DEPTH, _MOST_PARTS = 50, 200
"""Levels of parentheses, and parts one in the other, as those of a + b + c: both take room on Python's stack."""


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        kind: "column", "literal", "and", "or", "not", "is null", "in", a comparison, an operator, or a function.
        type: of its value.
        parts: what it is made of.
        value: of a literal; of a column its place.
        at: where it begins in the text.
    """

    kind: str
    type: str
    parts: tuple[Node, ...] = ()
    value: Value = None
    at: int = 0

    @cached_property
    def depth(self) -> int:
        """How many parts are one in the other."""
        return 1 + max((part.depth for part in self.parts), default=0)


def a(kind: str) -> str:
    """A type with its article."""
    return f"{'an' if kind == INT else 'a'} {kind}"


class Expression:
    """An expression over the rows of a table.

    Args:
        text: as the user has written it.
        schema: of the table.
        flag: what the user has given it with, for errors.

    Attributes:
        root: the parsed expression.
        type: of its value.
        columns: the places of the columns that it needs.

    Raises:
        UserError: it does not parse, names no column, or compares what cannot be compared; with the place.

    Example:
        >>> table = Schema.from_json({"columns": [{"name": "x", "type": "int"}]}, "")
        >>> holds = Expression("x > 3 and not x = 5", table).function()
        >>> [holds([b]) for b in (4, 5, None)]
        [True, False, None]
    """

    def __init__(self, text: str, schema: Schema, flag: str = "--where") -> None:
        self.text, self._schema, self._flag = text, schema, flag
        self._tokens = self._split()
        self._at = self._depth = 0
        self.root = self._or()
        if self._peek() is not None:
            raise self._error("nothing is expected here")
        self.type = self.root.type
        self.columns = sorted(set(_columns(self.root)))

    def condition(self) -> Expression:
        """The expression, where it is true or false.

        Raises:
            UserError: it is something else.
        """
        if self.type not in (BOOLEAN, NULL):
            raise UserError(f"{self._flag}: {self.text!r} is {a(self.type)}, and a condition is wanted, as in x > 3")
        return self

    def function(self) -> Function:
        """What computes it from the values of a row, by the places of columns; None is a missing value."""
        return _compiled(self.root)

    def _split(self) -> list[tuple[str, str, int]]:
        found, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if match is None:
                rest = self.text[at:].lstrip()
                what = f"{rest[0]!r} means nothing; the name of a column that is no word stands in `backquotes`"
                what = "a quote that is not closed" if rest[0] in "\"'`" else what
                raise self._fail(what, len(self.text) - len(rest))
            kind = str(match.lastgroup)
            found.append((kind, match[kind], match.start(kind)))
            at = match.end()
        return found

    def _fail(self, what: str, at: int) -> UserError:
        before, behind = self.text[max(0, at - 30) : at], self.text[at : at + 30]
        return UserError(f"{self._flag}, character {at + 1}: {what}: {before} >>> {behind}")

    def _error(self, what: str) -> UserError:
        token = self._peek()
        return self._fail(what, token[2] if token else len(self.text))

    def _peek(self) -> tuple[str, str, int] | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _is(self, *words: str) -> bool:
        """Takes the next tokens, where they are these words or signs."""
        there = self._tokens[self._at : self._at + len(words)]
        fits = len(there) == len(words) and all(
            kind in ("word", "sign") and text.lower() == word for (kind, text, _), word in zip(there, words)
        )
        self._at += len(words) * fits
        return fits

    def _need(self, sign: str) -> None:
        if not self._is(sign):
            raise self._error(f"{sign!r} is expected")

    def _level(self, part: Callable[[], Node]) -> Node:
        """A part that may hold parts of its own kind."""
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise self._error(f"more than {_MOST_DEPTH} levels")
        node = part()
        self._depth -= 1
        return node

    def _or(self) -> Node:
        return self._level(partial(self._joined, "or", partial(self._joined, "and", self._not)))

    def _joined(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._is(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        for one in parts:
            self._want_boolean(one)
        return Node(word, BOOLEAN, tuple(parts), at=parts[0].at)

    def _want_boolean(self, node: Node) -> None:
        if node.type not in (BOOLEAN, NULL):
            raise self._fail(f"a condition is wanted, and this is {a(node.type)}", node.at)

    def _not(self) -> Node:
        token = self._peek()
        if self._is("not"):
            node = self._level(self._not)
            self._want_boolean(node)
            return Node("not", BOOLEAN, (node,), at=token[2] if token else 0)
        return self._comparison()

    def _comparison(self) -> Node:
        left = self._sum()
        for sign in ("=", "==", "!=", "<>", "<", "<=", ">", ">="):
            if self._is(sign):
                right = self._sum()
                return self._compared({"==": "=", "<>": "!="}.get(sign, sign), left, right)
        if self._is("is", "not", "null"):
            return Node("not", BOOLEAN, (Node("is null", BOOLEAN, (left,), at=left.at),), at=left.at)
        if self._is("is", "null"):
            return Node("is null", BOOLEAN, (left,), at=left.at)
        negated = self._is("not", "in") or self._is("not", "between")
        word = self._tokens[self._at - 1][1].lower() if negated else ""
        if word == "in" or (not negated and self._is("in")):
            self._need("(")
            parts = [self._compared("=", left, self._sum())]
            while self._is(","):
                parts.append(self._compared("=", left, self._sum()))
            self._need(")")
            found = parts[0] if len(parts) == 1 else Node("or", BOOLEAN, tuple(parts), at=left.at)
        elif word == "between" or (not negated and self._is("between")):
            low = self._compared(">=", left, self._sum())
            self._need("and")
            found = Node("and", BOOLEAN, (low, self._compared("<=", left, self._sum())), at=left.at)
        else:
            return left
        return Node("not", BOOLEAN, (found,), at=left.at) if negated else found

    def _compared(self, sign: str, left: Node, right: Node) -> Node:
        for one, other, swap in ((left, right, False), (right, left, True)):
            if one.type in (DATE, TIMESTAMP) and other.kind == "literal" and other.type == TEXT:
                try:
                    kind = DATE if one.type == DATE and types.of(other.value) == DATE else TIMESTAMP
                    read = Node("literal", kind, (), types.reader(kind)(other.value), other.at)
                except ValueError:
                    raise self._fail("no date or time stamp, as 2020-01-31 or 2020-01-31 10:00:00", other.at) from None
                left, right = (read, one) if swap else (one, read)
        kinds = {left.type, right.type} - {NULL}
        alike = any(kinds <= set(group) for group in (NUMBERS, (DATE, TIMESTAMP), (TEXT,), (BOOLEAN,)))
        if not alike:
            hint = "; write a text in quotes" if right.type in NUMBERS else ""
            raise self._fail(f"{a(left.type)} and {a(right.type)} cannot be compared{hint}", right.at)
        return Node(sign, BOOLEAN, (left, right), at=left.at)

    def _sum(self) -> Node:
        node = self._term()
        while token := self._peek():
            if not (self._is("+") or self._is("-")):
                break
            node = self._computed(token[1], node, self._term())
        return node

    def _term(self) -> Node:
        node = self._factor()
        while token := self._peek():
            if not (self._is("*") or self._is("/") or self._is("%")):
                break
            node = self._computed(token[1], node, self._factor())
        return node

    def _computed(self, sign: str, left: Node, right: Node) -> Node:
        if sign == "-" and left.type == right.type == DATE:
            return self._shallow(Node("days", INT, (left, right), at=left.at))
        for one in (left, right):
            if one.type not in (*NUMBERS, NULL):
                raise self._fail(f"{sign} wants numbers, and this is {a(one.type)}", one.at)
        kinds = {left.type, right.type}
        kind = DOUBLE if sign == "/" or DOUBLE in kinds else DECIMAL if DECIMAL in kinds else LONG
        return self._shallow(Node(sign, kind, (left, right), at=left.at))

    def _shallow(self, node: Node) -> Node:
        if node.depth > _MOST_PARTS:
            raise self._fail(f"more than {_MOST_PARTS} operators one upon the other", node.parts[-1].at)
        return node

    def _factor(self) -> Node:
        token = self._peek()
        if self._is("-"):
            at = token[2] if token else 0
            node = self._level(self._factor)
            if node.kind == "literal" and node.type in NUMBERS:
                return Node("literal", node.type, (), -node.value, at)
            return self._computed("-", Node("literal", INT, (), 0, at), node)
        return self._value()

    def _value(self) -> Node:
        token = self._peek()
        if token is None:
            raise self._error("it ends, and a value is expected")
        kind, text, at = token
        self._at += 1
        if kind == "number":
            found = types.of(text.encode())
            if found not in NUMBERS:
                raise self._fail("too large a number", at)
            return Node("literal", found, (), types.reader(found)(text.encode()), at)
        if kind == "text":
            value = text[1:-1].replace(text[0] * 2, text[0]).encode("utf-8", "surrogateescape")
            return Node("literal", TEXT, (), value, at)
        if kind == "quoted":
            return self._column(text[1:-1].replace("``", "`"), at)
        if kind == "sign":
            self._at -= 1
            if self._is("("):
                node = self._or()
                self._need(")")
                return node
            raise self._error("a value is expected")
        word = text.lower()
        if word in ("true", "false"):
            return Node("literal", BOOLEAN, (), word == "true", at)
        if word == "null":
            return Node("literal", NULL, (), None, at)
        following = self._peek()
        if following and following[1] == "(" and (word in FUNCTIONS or text not in self._schema.names):
            return self._call(word, at)
        if word in _WORDS and text not in self._schema.names:
            raise self._fail("a value is expected", at)
        return self._column(text, at)

    def _column(self, name: str, at: int) -> Node:
        try:
            place = self._schema.place(name)
        except UserError as error:
            raise self._fail(str(error), at) from None
        return Node("column", self._schema.columns[place].type, (), place, at)

    def _call(self, name: str, at: int) -> Node:
        if name not in FUNCTIONS:
            raise self._fail(f"no function {name!r}; there are {', '.join(sorted(FUNCTIONS))}", at)
        self._need("(")
        parts = [self._or()]
        while self._is(","):
            parts.append(self._or())
        self._need(")")
        wanted, result, _ = FUNCTIONS[name]
        if wanted is not None:
            least = sum(not what.endswith("?") for what in wanted)
            most = max(len(parts), least + 1) if wanted[-1].endswith("...") else len(wanted)
            if not least <= len(parts) <= most:
                amounts = f"{least}" if least == most else f"{least} or {'more' if most > len(wanted) else most}"
                raise self._fail(f"{name} takes {amounts} {'value' if amounts == '1' else 'values'}", at)
            for part, what in zip(parts, (*wanted, *wanted[-1:] * len(parts))):
                what = what.rstrip("?.")
                if part.type not in (*_GROUPS[what], NULL):
                    raise self._fail(f"{name} wants {a(what)}, and this is {a(part.type)}", part.at)
        elif name == "if":
            if len(parts) != 3:
                raise self._fail("if takes a condition and two values", at)
            self._want_boolean(parts[0])
        if wanted is None:
            result = self._one_type(name, parts[name == "if" :], at)
        elif result is None:
            result = LONG if parts[0].type in (INT, NULL) else parts[0].type
        return self._shallow(Node(name, result, tuple(parts), at=at))

    def _one_type(self, name: str, parts: Sequence[Node], at: int) -> str:
        found = types.join_all(part.type for part in parts)
        if found == TEXT and any(part.type not in (TEXT, NULL) for part in parts):
            raise self._fail(f"the values of {name} are of several types", at)
        return found


_GROUPS = {
    "text": (TEXT,),
    "number": NUMBERS,
    "date": (DATE, TIMESTAMP),
    "whole number": (INT, LONG),
    "value": types.TYPES,
}


def _lower(text: bytes) -> bytes:
    return text.lower()  # of bytes: ASCII alone, the same in every Python


def _round(value: float, digits: int = 0) -> Value:
    """Halves are rounded away from zero, as in SQL; a double is the decimal that it is written as: 2.675."""
    if isinstance(value, float) and value - value != 0:
        return value
    with localcontext() as context:
        context.prec = 800
        unit = Decimal(1).scaleb(-max(-400, min(400 if isinstance(value, float) else 0, digits)))
        found = (Decimal(repr(value)) / unit).to_integral_value(ROUND_HALF_UP) * unit
    return float(found) if isinstance(value, float) else int(found)


def _floor(value: float) -> Value:
    return None if value - value != 0 else math.floor(value)


def _ceil(value: float) -> Value:
    return None if value - value != 0 else math.ceil(value)


def _read(kind: str) -> Callable[[bytes], Value]:
    read = types.reader(kind)

    def as_value(text: bytes) -> Value:
        try:
            return read(text) if text else None
        except ValueError:
            return None

    return as_value


FUNCTIONS: dict[str, tuple[tuple[str, ...] | None, str | None, Callable[..., Value] | None]] = {
    "lower": (("text",), TEXT, _lower),
    "upper": (("text",), TEXT, lambda text: text.upper()),
    "trim": (("text",), TEXT, lambda text: text.strip()),
    "length": (("text",), LONG, lambda text: len(text.decode("utf-8", "surrogateescape"))),
    "contains": (("text", "text"), BOOLEAN, lambda text, part: part in text),
    "starts_with": (("text", "text"), BOOLEAN, lambda text, part: text.startswith(part)),
    "ends_with": (("text", "text"), BOOLEAN, lambda text, part: text.endswith(part)),
    "replace": (("text", "text", "text"), TEXT, lambda text, old, new: text.replace(old, new) if old else text),
    "concat": (("text", "text..."), TEXT, lambda *texts: b"".join(texts)),
    "text": (("value",), TEXT, types.write),
    "number": (("text",), DOUBLE, _read(DOUBLE)),
    "date": (("text",), DATE, _read(DATE)),
    "abs": (("number",), None, abs),
    "round": (("number", "whole number?"), None, _round),
    "floor": (("number",), LONG, _floor),
    "ceil": (("number",), LONG, _ceil),
    "sqrt": (("number",), DOUBLE, lambda value: math.sqrt(value) if value >= 0 else float("nan")),
    "year": (("date",), INT, lambda when: when.year),
    "month": (("date",), INT, lambda when: when.month),
    "day": (("date",), INT, lambda when: when.day),
    "weekday": (("date",), INT, lambda when: when.isoweekday()),
    "hour": (("date",), INT, lambda when: getattr(when, "hour", 0)),
    "if": (None, None, None),
    "coalesce": (None, None, None),
}
"""By name: what it takes (None: any number of values of one type), the type of its value (None: that of the first, or
of all), and what it does. It is not asked for missing values. `lower` and `upper` know ASCII letters, `trim` the white
space of ASCII; `weekday` has 1 for Monday; `length` counts characters; `number` and `date` read a text, and are missing
where it is none. `coalesce(a, b, ...)` is the first that is not missing."""


def mentioned(text: str, schema: Schema) -> set[str]:
    """The names of the columns that a text may mean, whatever their case; it need not parse."""
    found = _TOKEN.finditer(text)
    meant = {(match["word"] or (match["quoted"] or "")[1:-1].replace("``", "`")).casefold() for match in found}
    return {name for name in schema.names if name.casefold() in meant}


def split(text: str, separator: str = ",") -> list[str]:
    """The pieces of a text between separators; what is in quotes or brackets is not cut.

    Example:
        >>> split("a, if(b > 1, 2, 3), 'x,y'")
        ['a', 'if(b > 1, 2, 3)', "'x,y'"]
    """
    pieces, depth, at = [""], 0, 0
    while at < len(text):
        if depth <= 0 and text.startswith(separator, at):
            pieces.append("")
            at += len(separator)
        elif piece := _PIECE.match(text, at):
            depth += (piece[0] == "(") - (piece[0] == ")")
            pieces[-1] += piece[0]
            at = piece.end()
    return list(map(str.strip, pieces))


_PIECE = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|`(?:[^`]|``)*`|.", re.DOTALL)


def _columns(node: Node) -> list[int]:
    if node.kind == "column":
        return [node.value]
    return [place for part in node.parts for place in _columns(part)]


def order(value: Value) -> Value:
    """What sorts and compares as the value does: NaN is above all numbers, and equal to itself."""
    if isinstance(value, float):
        return (1, 0.0) if value != value else (0, value)
    if isinstance(value, int) and not isinstance(value, bool):
        return (0, value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


_COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(sign: str, kinds: set[str]) -> Callable[[Value, Value], bool]:
    """What compares values of these types, by their `order` where their own is another."""
    compare = _COMPARE[sign]
    if DOUBLE not in kinds and kinds != {DATE, TIMESTAMP}:
        return compare
    return lambda a, b: compare(order(a), order(b))


def _modulo(a: Value, b: Value) -> Value:
    """What is left of a division towards zero: of the sign of `a`."""
    if b == 0:
        return None
    if isinstance(a, int) and isinstance(b, int):
        return -(-a % abs(b)) if a < 0 else a % abs(b)
    return math.nan if a - a != 0 else math.fmod(a, b)


_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: None if b == 0 else a / b,
    "%": _modulo,
    "days": lambda a, b: (a - b) // timedelta(days=1),
}


def _compiled(node: Node) -> Function:
    kind, parts = node.kind, [_compiled(part) for part in node.parts]
    if kind == "literal":
        constant = node.value
        return lambda row: constant
    if kind == "column":
        place = node.value
        return lambda row: row[place]
    if kind in ("and", "or"):
        return partial(_all_of if kind == "and" else _any_of, parts)
    if kind == "not":
        return lambda row: None if (found := parts[0](row)) is None else not found
    if kind == "is null":
        return lambda row: parts[0](row) is None
    if kind in ("if", "coalesce"):
        return _fitting(node.type, partial(_chosen if kind == "if" else _first, parts))
    if (known := FUNCTIONS.get(kind)) and (compute := known[2]):
        return _fitting(node.type, partial(_called, compute, parts))
    if kind in _ARITHMETIC:
        return _fitting(node.type, partial(_two, _ARITHMETIC[kind], parts[0], parts[1]))
    return partial(_two, _compare(kind, {part.type for part in node.parts} - {NULL}), parts[0], parts[1])


def _fitting(kind: str, function: Function) -> Function:
    """What computes a value of a type: a whole number that does not fit it is missing, and others are brought to it."""

    def whole(row: Sequence[Value]) -> Value:
        value = function(row)
        return value if value is None or -most - 1 <= value <= most else None

    def double(row: Sequence[Value]) -> Value:
        value = function(row)
        return None if value is None else float(value)

    def timestamp(row: Sequence[Value]) -> Value:
        value = function(row)
        return None if value is None else order(value)

    most = _LARGEST.get(kind, 0)
    return whole if most else {DOUBLE: double, TIMESTAMP: timestamp}.get(kind, function)


_LARGEST = {INT: 2**31 - 1, LONG: 2**63 - 1, DECIMAL: 10**types.MOST_DIGITS - 1}


def _chosen(parts: list[Function], row: Sequence[Value]) -> Value:
    return parts[1](row) if parts[0](row) else parts[2](row)


def _first(parts: list[Function], row: Sequence[Value]) -> Value:
    return next((value for part in parts if (value := part(row)) is not None), None)


def _all_of(parts: list[Function], row: Sequence[Value]) -> bool | None:
    found: bool | None = True
    for part in parts:
        value = part(row)
        if value is None:
            found = None
        elif not value:
            return False
    return found


def _any_of(parts: list[Function], row: Sequence[Value]) -> bool | None:
    found: bool | None = False
    for part in parts:
        value = part(row)
        if value is None:
            found = None
        elif value:
            return True
    return found


def _two(compute: Callable[[Value, Value], Value], left: Function, right: Function, row: Sequence[Value]) -> Value:
    a, b = left(row), right(row)
    return None if a is None or b is None else compute(a, b)


def _called(compute: Callable[..., Value], parts: list[Function], row: Sequence[Value]) -> Value:
    values = [part(row) for part in parts]
    return None if any(value is None for value in values) else compute(*values)

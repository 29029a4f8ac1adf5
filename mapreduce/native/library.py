"""The native twin: loads the library built from native.c, if there is one, and wraps its functions.

The library is no Python extension module: ctypes calls it, so one build serves every CPython, and on a cluster it is
a file of the archive. Where it is missing, made for another machine, or fails its self-test, `load()` is None and
the Python twins in `mapreduce.features` and `mapreduce.shuffle` do the work, with the same output.
"""

from __future__ import annotations

import logging
import os
import threading
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from mapreduce.tokens.specification import WIDTHS, Specification

try:
    import ctypes
except ImportError as error:  # built without libffi, as some small builds of Python are
    ctypes, _no_ctypes = None, str(error)  # type: ignore[assignment]

log = logging.getLogger(__name__)

PREFIX = "_native"
VERSION = 4
NO_MEMORY, UNSUPPORTED = -100001, -100002
TERMS, DOCUMENTS, LABELLED = range(3)
AS_IS, ADD, ADD_LABELLED, IN_ORDER = range(4)  # what becomes of lines of one key
BY_KEY, BY_LINE, BY_VALUE = range(3)  # what lines are sorted by; BY_VALUE is by key, then by value
OFF = "MAPREDUCE_NATIVE"  # in the environment: 0 turns the library off

_library: Any = None
_tried = False
_trying = threading.Lock()
_why = ""


class Unsupported(Exception):
    """Something that the Python twin has to do: nothing was lost, and it can go on from here."""


def load() -> Any:
    """The library, or None; says once at -v why there is none."""
    global _library, _tried
    if not _tried:
        with _trying:
            if not _tried:
                _library = _find()
                _tried = True
    return _library if os.environ.get(OFF) != "0" else None


def missing() -> str:
    """Why there is no library, and what that means; "" where there is one."""
    if load() is not None:
        return ""
    why = _why or f"{OFF} is 0"
    return f"no native library ({why}): jobs run in plain Python, with the same output and more slowly"


def paths() -> list[str]:
    """Files beside this module that may be the library."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if not os.path.isdir(folder):  # in a .zip file, as on Spark's nodes
        return []
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith(PREFIX)]


def _find() -> Any:
    global _why
    _why = "it was not built; is there no compiler?" if ctypes else f"this Python has no ctypes ({_no_ctypes})"
    for path in paths() if ctypes else ():
        try:
            library = ctypes.CDLL(path)
            _declare(library)
            library.fm_start(os.urandom(32))
            _test(library)
            return library
        except (OSError, AttributeError, ValueError) as error:
            _why = f"{path}: {error}"
    log.info("no native library, plain Python does the work: %s", _why)
    return None


def _declare(library: Any) -> None:
    pointer, number, text = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
    small, flag, signed = ctypes.c_uint32, ctypes.c_int, ctypes.c_int64
    place, real = ctypes.POINTER(ctypes.c_void_p), ctypes.c_float
    functions: dict[str, tuple[Any, list[Any]]] = {
        "version": (flag, []),
        "start": (None, [text]),
        "scan": (signed, [text, number]),
        "csv_cut": (signed, [text, signed, flag, pointer, pointer, signed, pointer]),
        "csv_state": (flag, [text, signed, flag, flag]),
        "use_simd": (None, [flag]),
        "counts_rows": (flag, []),
        "tokenizer_new": (pointer, [text, pointer, flag, *[pointer, small] * 3, *[small] * 4]),
        "tokenizer_free": (None, [pointer]),
        "counter_new": (pointer, [pointer, flag, number]),
        "counter_free": (None, [pointer]),
        "counter_label": (signed, [pointer, text, number]),
        "counter_id": (signed, [pointer, text, number, number]),
        "counter_ids": (signed, [pointer, text, pointer, number, number]),
        "counter_used": (number, [pointer]),
        "count_block": (signed, [pointer, text, number]),
        "count_lines": (signed, [pointer, text, number]),
        "count_documents": (signed, [pointer, text, pointer, pointer, number]),
        "drain": (signed, [pointer, place]),
        "encode": (signed, [pointer, *(text, pointer) * 3, number, text, number, place]),
        "bags": (signed, [text, number, signed, signed, *[pointer] * 8]),
        "select": (signed, [*[pointer] * 4, signed, *[pointer] * 4]),
        "label_counts": (signed, [*[pointer] * 5, signed, signed, *[pointer] * 6]),
        "normalize": (None, [pointer, signed, pointer]),
        "shuffle": (None, [pointer, signed, number]),
        "linear_logits": (None, [pointer] * 3 + [signed, pointer, pointer, real, signed, pointer]),
        "linear_epoch": (
            None,
            [pointer] * 6 + [signed, pointer, pointer, real, signed, ctypes.c_double, signed, signed, pointer, pointer],
        ),
        "spill_new": (pointer, [small, small, flag, flag, number]),
        "spill_free": (None, [pointer]),
        "spill_write": (signed, [pointer, text, number]),
        "spill_flush": (signed, [pointer, ctypes.POINTER(text), pointer]),
        "merge_new": (pointer, [ctypes.POINTER(text), small, flag, flag, signed, ctypes.POINTER(signed)]),
        "merge_free": (None, [pointer]),
        "merge_next": (signed, [pointer, place]),
    }
    of_rows: dict[str, tuple[Any, list[Any]]] = {
        "rows_take": (signed, [pointer, text, number, flag, pointer, place]),
        "groups_new": (pointer, [pointer, signed, pointer, text, *(text, number) * 3, number]),
        "groups_free": (None, [pointer]),
        "groups_drain": (signed, [pointer, place]),
        "columns_new": (pointer, [pointer, signed, pointer, *(text, number) * 2]),
        "columns_free": (None, [pointer]),
        "columns_aside": (signed, [pointer, place]),
        "clusters_new": (pointer, [pointer, signed, pointer, pointer, *(text, number) * 2]),
        "clusters_free": (None, [pointer]),
        "clusters_sums": (signed, [pointer, pointer, place]),
        "moments_new": (pointer, [pointer, signed, pointer, pointer, *(text, number) * 2]),
        "moments_free": (None, [pointer]),
        "moments_sums": (signed, [pointer, pointer, place]),
        "columns_state": (signed, [pointer, small, pointer, *[place] * 3, pointer]),
    }
    library.fm_counts_rows.restype = flag
    if library.fm_counts_rows():
        functions.update(of_rows)
    for name, (result, arguments) in functions.items():
        function = getattr(library, f"fm_{name}")
        function.restype, function.argtypes = result, arguments


def _test(library: Any) -> None:
    """Counts and encodes one line, and compares with what is known to be right.

    Raises:
        ValueError: something else came out.
    """
    if library.fm_version() != VERSION:
        raise ValueError(f"version {library.fm_version()} of the library, and {VERSION} is needed")
    specification = Specification(
        table=((33, ""), (65, "a"), (66, " B ")),
        ngrams=(1, 2),
        character_ngrams=(3,),
        head=1,
        skips=True,
        head_pairs=1,
        prefixes=2,
        characters_across=(11,),
    )
    counter = Counter(library, specification, DOCUMENTS)
    counter.lines(b"A! ba aBb a!\n")
    found = b"".join(counter.drain())
    if found != (
        b"\t1\t1\n &a ba\t1\t1\n <a\t1\t1\n <a ba\t1\t1\n = a ba a B b\t1\t1\n = ba a B b a\t1\t1\n"
        b" =a ba a B b \t1\t1\n =ba a B b a \t1\t1\n ^a\t1\t1\n"
        b" _B a\t1\t1\n _a a\t1\t1\n _a b\t1\t1\n _ba B\t1\t1\n"
        b" ~ B \t1\t1\n ~ a \t3\t1\n ~ b \t1\t1\n ~ ba\t1\t1\n ~ba \t1\t1\n"
        b"B\t1\t1\nB b\t1\t1\na\t3\t1\na B\t1\t1\na ba\t1\t1\nb\t1\t1\nb a\t1\t1\nba\t1\t1\nba a\t1\t1\n"
    ):
        raise ValueError("the library fails its self-test")


def checked(result: int) -> int:
    if result >= 0:
        return result
    if result == NO_MEMORY:
        raise MemoryError
    if result == UNSUPPORTED:
        raise Unsupported
    raise OSError(-result, os.strerror(-result))


def _place(numbers: array[int]) -> int:
    return numbers.buffer_info()[0]


def scan(library: Any, data: bytes) -> tuple[int, bool]:
    """The number of line ends, and whether the bytes are valid UTF-8."""
    lines = int(library.fm_scan(data, len(data)))
    return max(lines, ~lines), lines >= 0


def csv_cut(library: Any, data: bytes, delimiter: int, state: int, room: int) -> tuple[list[int], int, int]:
    """The offsets behind the first `room` records that end in the bytes of a delimited file, the state of its fields
    where the search ended (0 at the start of a file), and where that was."""
    ends, places = array("q", bytes(8 * room)), array("q", [0, state])
    at = _place(places)
    found = library.fm_csv_cut(data, len(data), delimiter, at + 8, _place(ends), room, at)
    return ends[:found].tolist(), places[1] & 0xFF, places[0]


def csv_state(library: Any, data: bytes, delimiter: int, state: int) -> int:
    """The state that the bytes of a delimited file leave, from the one before them."""
    return int(library.fm_csv_state(data, len(data), delimiter, state))


def bags(library: Any, lines: bytes, first: int, place: Any) -> tuple[tuple[Any, Any, Any], list[bytes], Any, Any]:
    """Whole shard lines as bags, NumPy's arrays: ends int64 [documents], ids and counts int32 [values]; the labels; the
    hashes, uint64 [documents]; and how many ids each line has, int64 [documents].

    Args:
        first: the least id that is a feature's.
        place: int64 [ids], which the library writes to.

    Raises:
        Unsupported: a line is none, or has an id beyond the last.
    """
    import numpy as np  # in a task of a job nobody calls this

    size, number = len(lines) * 3 // 16 + 1, lines.count(b"\n") + 1
    ids, counts = np.empty(size, np.int32), np.empty(size, np.int32)
    ends, begins, sizes, held = (np.empty(number, np.int64) for _ in range(4))
    hashes = np.empty(number, np.uint64)
    arrays = _places(place, ids, counts, ends, begins, sizes, hashes, held)
    found = checked(library.fm_bags(lines, len(lines), first, len(place), *arrays))
    last = int(ends[found - 1]) if found else 0
    labels = [lines[a : a + n] for a, n in zip(begins[:found].tolist(), sizes[:found].tolist())]
    bags = ends[:found].copy(), ids[:last].copy(), counts[:last].copy()
    return bags, labels, hashes[:found].copy(), held[:found].copy()


def select(library: Any, bags: tuple[Any, Any, Any], documents: Any, to: Any) -> tuple[Any, Any, Any]:
    """Some documents of bags (ends, ids and counts, as `bags` gives them), with some of their features.

    Args:
        documents: int64 [selected], the numbers of the documents.
        to: int32 [ids], the new id of a feature, -1 where it is left out.
    """
    import numpy as np

    ends, _, _ = bags
    before = np.concatenate([[0], ends])
    size = int((ends[documents] - before[documents]).sum())
    new = np.empty(len(documents), np.int64), np.empty(size, np.int32), np.empty(size, np.int32)
    size = library.fm_select(*_places(*bags, documents), len(documents), *_places(to, *new))
    return new[0], new[1][:size], new[2][:size]


def label_counts(
    library: Any, bags: tuple[Any, Any, Any], y: Any, documents: Any, features: int
) -> tuple[Any, Any, Any, Any]:
    """The pairs of a feature and a label that occur, ascending, and their term and document frequencies: four arrays,
    int64 [pairs].

    Args:
        bags: ends, ids and counts, as `bags` gives them.
        y: int32 [documents], from 0.
        documents: int64 [selected], the numbers of the documents that count, in the order of their labels.
        features: how many there are; ids are from 0.
    """
    import numpy as np

    begins, last = np.empty(features + 1, np.int64), np.empty(features, np.int32)
    given = [*_places(*bags, y, documents), len(documents), features, *_places(begins, last)]
    size = library.fm_label_counts(*given, None, None, None, None)
    found = tuple(np.empty(size, np.int64) for _ in range(4))
    library.fm_label_counts(*given, *_places(*found))
    return found  # type: ignore[return-value]


def normalize(library: Any, ends: Any, values: Any) -> None:
    """Divides the values, float32, of each document by their L2 norm."""
    library.fm_normalize(ends.ctypes.data, len(ends), values.ctypes.data)


def shuffled(library: Any, count: int, seed: int) -> Any:
    """The numbers below `count`, int64, in an order that the seed draws."""
    import numpy as np

    numbers = np.arange(count)
    library.fm_shuffle(numbers.ctypes.data, count, seed)
    return numbers


def linear_logits(
    library: Any, ends: Any, ids: Any, values: Any, rows: Any, bias: Any, bias_scale: float, logits: Any
) -> None:
    """Writes the logits, float32 [documents, labels], of bags of weighted features."""
    library.fm_linear_logits(
        *_places(ends, ids, values), len(ends), *_places(rows, bias), bias_scale, len(bias), *_places(logits)
    )


def linear_epoch(
    library: Any,
    documents: tuple[Any, Any, Any],
    y: Any,
    weights: Any,
    order: Any,
    model: tuple[Any, Any, float],
    *,
    rate: float,
    done: int,
    steps: int,
    loss: Any,
) -> None:
    """One epoch of a linear model, a document a step (`fm_linear_epoch`); rows, bias and loss are written to.

    Args:
        documents: ends int64, ids int32 and values float32 of weighted bags.
        y: int32 [documents], from 0.
        weights: float32 [labels], or None.
        order: int64 [documents].
        model: rows and bias, float32, and what the bias is multiplied with.
        rate: of the first step; it falls to 0 in `steps`, of which `done` were done.
        loss: float64 [2]: the sum of the losses, and how many documents there were.
    """
    import numpy as np

    rows, bias, bias_scale = model
    room = np.empty(2 * len(bias), np.float32)
    library.fm_linear_epoch(
        *_places(*documents, y),
        None if weights is None else weights.ctypes.data,
        *_places(order),
        len(order),
        *_places(rows, bias),
        *(bias_scale, len(bias), rate, done, steps),
        *_places(room, loss),
    )


def _places(*arrays: Any) -> list[int]:
    return [one.ctypes.data for one in arrays]


class Held:
    """Something that the library made: a handle, and the function that frees it when nobody holds it any more.

    Raises:
        MemoryError: it could not be made.
    """

    def __init__(self, library: Any, kind: str, *arguments: Any) -> None:
        self._library, self._free = library, getattr(library, f"fm_{kind}_free")
        self.handle = getattr(library, f"fm_{kind}_new")(*arguments)
        if not self.handle:
            raise MemoryError

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._free(self.handle)


class _Tokenizer(Held):
    """A specification in the library. A code point table is run in Python; the library then gets its result."""

    def __init__(self, library: Any, specification: Specification) -> None:
        table = dict(specification.table) if specification.level == "byte" else {}
        pieces = [table[b].encode() if b in table else bytes([b]) for b in range(256)]
        offsets = array("I", [0])
        for piece in pieces:
            offsets.append(offsets[-1] + len(piece))
        widths = [array("I", getattr(specification, name)) for name in WIDTHS]
        wide = [number for some in widths for number in (_place(some), len(some))]
        joined, characters_alone = b"".join(pieces), specification.split == "character"
        numbers = (specification.head, specification.skips, specification.head_pairs, specification.prefixes)
        super().__init__(library, "tokenizer", joined, _place(offsets), characters_alone, *wide, *numbers)


class Counter(Held):
    """A table of features and their counts in the library.

    Args:
        mode: TERMS (tf), DOCUMENTS (tf and df) or LABELLED (both by label).
        memory: bytes it may take.
    """

    def __init__(self, library: Any, specification: Specification, mode: int, memory: int = 64 << 20) -> None:
        self._tokenizer = _Tokenizer(library, specification)
        super().__init__(library, "counter", self._tokenizer.handle, mode, memory)
        self._labels: dict[bytes, int] = {}

    def __len__(self) -> int:
        return int(self._library.fm_counter_used(self.handle))

    def block(self, block: bytes) -> int:
        """Counts the words of a block; returns the bytes taken, fewer when the table is full."""
        return checked(self._library.fm_count_block(self.handle, block, len(block)))

    def lines(self, block: bytes) -> int:
        """Counts lines, each a document; returns the bytes taken, fewer when the table is full."""
        return checked(self._library.fm_count_lines(self.handle, block, len(block)))

    def documents(self, texts: Sequence[bytes], labels: Sequence[bytes] = ()) -> int:
        """Counts documents, with their labels in mode LABELLED; returns how many were taken."""
        numbers = array("I", bytes(4 * len(texts)))
        if labels:
            numbers = array("I", [self._label(label) for label in labels])
        data, sizes = b"".join(texts), array("Q", map(len, texts))
        return checked(self._library.fm_count_documents(self.handle, data, _place(sizes), _place(numbers), len(texts)))

    def _label(self, label: bytes) -> int:
        if label not in self._labels:
            self._labels[label] = checked(self._library.fm_counter_label(self.handle, label, len(label)))
        return self._labels[label]

    def drain(self) -> Iterator[bytes]:
        """The counts as lines in order of their keys, in pieces; the table is empty then."""
        place = ctypes.c_void_p()
        while size := checked(self._library.fm_drain(self.handle, ctypes.byref(place))):
            yield ctypes.string_at(place, size)


class Encoder(Held):
    """A vocabulary in the library, to look features up.

    Args:
        tokens: in the order of their ids, of which the first one has `first`.
    """

    def __init__(
        self, library: Any, specification: Specification, tokens: Sequence[bytes], first: int, salt: bytes
    ) -> None:
        self._tokenizer, self._salt = _Tokenizer(library, specification), salt
        super().__init__(library, "counter", self._tokenizer.handle, TERMS, 1 << 62)
        sizes = array("Q", map(len, tokens))
        checked(library.fm_counter_ids(self.handle, b"".join(tokens), _place(sizes), len(tokens), first))

    def lines(self, labels: Sequence[bytes], texts: Sequence[bytes], normal: Sequence[bytes]) -> bytes:
        """Shard lines of documents; `normal` are the texts after a code point table, else the texts themselves."""
        sizes, text_sizes, label_sizes = (array("Q", map(len, some)) for some in (normal, texts, labels))
        data, found = b"".join(normal), ctypes.c_void_p()
        hashed = data if normal is texts else b"".join(texts)
        size = checked(
            self._library.fm_encode(
                *(self.handle, data, _place(sizes), hashed, _place(text_sizes)),
                *(b"".join(labels), _place(label_sizes), len(texts)),
                *(self._salt, len(self._salt), ctypes.byref(found)),
            )
        )
        return ctypes.string_at(found, size)


class Sorter(Held):
    """Lines in the library, to be sorted, combined and written as runs (see `mapreduce.shuffle.spill`)."""

    def __init__(self, library: Any, reduces: int, seed: int, kind: int, order: int, memory: int) -> None:
        super().__init__(library, "spill", reduces, seed, kind, order, memory)
        self._reduces = reduces

    def write(self, lines: bytes) -> bool:
        """Takes whole lines; returns whether it is time to spill."""
        return bool(checked(self._library.fm_spill_write(self.handle, lines, len(lines))))

    def spill(self, paths: Sequence[str]) -> tuple[list[bool], int]:
        """Writes a run for each partition that has lines, and is empty again.

        Returns:
            Which partitions have lines, and the bytes of the longest line.
        """
        names = (ctypes.c_char_p * self._reduces)(*map(os.fsencode, paths))
        sizes = array("Q", bytes(8 * self._reduces))
        longest = checked(self._library.fm_spill_flush(self.handle, names, _place(sizes)))
        return [size > 0 for size in sizes], longest


def merged(
    library: Any, runs: Sequence[str], kind: int, order: int = BY_KEY, minimum: int = -(1 << 63)
) -> Iterator[bytes]:
    """The lines of sorted runs in order, in blocks.

    Args:
        kind: AS_IS; ADD, lines of one key added; ADD_LABELLED, of one key and label; IN_ORDER, values sorted, as they
            are in runs that are sorted BY_VALUE.
        order: what the runs are sorted by: BY_KEY, BY_LINE or BY_VALUE.
        minimum: for ADD_LABELLED, keys are left out whose last columns sum to less.

    Raises:
        Unsupported: values that the library cannot add.
    """
    names = (ctypes.c_char_p * max(len(runs), 1))(*map(os.fsencode, runs))
    error, place = ctypes.c_int64(), ctypes.c_void_p()
    handle = library.fm_merge_new(names, len(runs), kind, order, minimum, ctypes.byref(error))
    if not handle:
        checked(error.value)
    try:
        while size := checked(library.fm_merge_next(handle, ctypes.byref(place))):
            yield ctypes.string_at(place, size)
    finally:
        library.fm_merge_free(handle)

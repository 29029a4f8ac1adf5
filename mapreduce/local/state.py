"""What a fresh interpreter takes over of the driver: the user's modules, and what has been set in them since.

A forked child has all of it. A fresh one imports the driver's script and the job's module once more, without the block
under `if __name__ == "__main__"`, and is then given their globals and the attributes of their classes as the driver
has them now, and those of what they import. What cannot be sent, an open file or a lock, is what the import makes of
it. The state of installed packages, a decimal context or a random generator, is not sent.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import importlib.util
import io
import marshal
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from mapreduce import command
from mapreduce.errors import UserError
from mapreduce.paths import absolute

MAIN = "__main__"
Values = dict[tuple[str, str], Any]
"""By owner (a class or an object, "" for globals) and name."""
_DEEPEST = 4  # objects in objects that are looked into
_NOT_THE_USERS = ("mapreduce", "mrjob")
_INSTALLED = ("site-packages", "dist-packages")
_HARMLESS = (io.IOBase, type(threading.Lock()), type(threading.RLock()), threading.Thread, threading.Event)
_OF_MODULES = {*vars(ModuleType("")), "__annotations__", "__builtins__", "__cached__", "__file__", "__path__"}
_STANDARD = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_FLAGS = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)


def dump(job_class: Any) -> tuple[bytes, list[str]]:
    """The state of this program, for `load` to restore in another interpreter.

    Returns:
        The state, and the names of what cannot be sent and matters: neither files nor locks nor jobs.

    Raises:
        UserError: the job's class cannot be had there.
    """
    name, main = job_class.__qualname__, sys.modules[MAIN]
    why = "this process has several threads, so its tasks need interpreters of their own"
    if "<locals>" in name:
        raise UserError(f"{name.rpartition('.')[2]}: {why}, and a class made in a function is not there; move it out")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if job_class.__module__ == MAIN and not file:
        raise UserError(f"{name}: {why}, and this program is in no file; write the job into one")
    is_needed = file and (job_class.__module__ == MAIN or not os.path.abspath(file).startswith(sys.prefix + os.sep))
    modules: dict[str, tuple[_Sent | None, _Sent]] = {}
    unsent: list[str] = []
    held = (*_HARMLESS, job_class.__mro__[-2])
    for name, module in list(sys.modules.items()):
        if (name == MAIN and is_needed) or _is_users(name, module):
            (values, left), (attributes, more) = _Sent.of(_globals(module)), _Sent.of(_attributes(module))
            modules[name] = values, attributes
            unsent += [
                ".".join(filter(None, (name, *place)))
                for place, value in {**left, **more}.items()
                if not isinstance(value, held) and not type(value).__module__.startswith(_NOT_THE_USERS)
            ]
    for owner in job_class.__mro__[:-1]:  # what the user has set in a class of ours, or of mrjob's
        if owner.__module__ not in modules and owner.__module__ in sys.modules:
            modules[owner.__module__] = None, _Sent.of(_attributes(sys.modules[owner.__module__]))[0]
    state = pickle.dumps(
        {
            "argv": sys.argv,
            "started": command.STARTED,
            "path": list(map(absolute, sys.path)),
            "folder": absolute("."),
            "environment": dict(os.environ),
            "main": spec.name if spec is not None and spec.name != MAIN else None,
            "file": os.path.abspath(file) if is_needed and file else None,
            "modules": modules,
            "class": (job_class.__module__, job_class.__qualname__),
        }
    )
    return state, unsent


def _is_users(name: str, module: Any, main: bool = False) -> bool:
    """Whether a module is neither installed nor Python's own nor ours; what the main one is the caller says."""
    if name == MAIN:
        return main
    file = getattr(module, "__file__", None)
    if not file or not isinstance(module, ModuleType) or module.__name__ != name:
        return False
    path = os.path.abspath(file)
    is_installed = path.startswith(_STANDARD) or any(f"{os.sep}{part}{os.sep}" in path for part in _INSTALLED)
    return not is_installed and name.partition(".")[0] not in _NOT_THE_USERS


def _globals(module: ModuleType) -> Iterator[tuple[tuple[str, str], Any]]:
    """The globals of a module, save the classes that it defines."""
    for key, value in list(vars(module).items()):
        is_own = isinstance(value, type) and (value.__module__, value.__qualname__) == (module.__name__, key)
        if not is_own and key not in _OF_MODULES:
            yield ("", key), value


def _attributes(module: ModuleType) -> Iterator[tuple[tuple[str, str], Any]]:
    """The attributes of the classes that a module defines, save their own classes."""
    waiting = [value for value in vars(module).values() if isinstance(value, type)]
    while waiting:
        owner = waiting.pop()
        if owner.__module__ != module.__name__ or "<locals>" in owner.__qualname__:
            continue
        for key, value in list(vars(owner).items()):
            if isinstance(value, type) and value.__qualname__ == f"{owner.__qualname__}.{key}":
                waiting.append(value)
            elif not (key.startswith("__") and key.endswith("__")):
                yield (owner.__qualname__, key), value


@dataclass(frozen=True)
class _Sent:
    """Values of a module.

    Attributes:
        names: of all of them, those that cannot be sent, too.
        apart: each that can be sent, in a pickle of its own, to see whether it is what the import has made.
        together: the same in one pickle, so that what is one object stays one.
    """

    names: frozenset[tuple[str, str]]
    apart: dict[tuple[str, str], bytes]
    together: bytes

    @classmethod
    def of(cls, found: Iterable[tuple[tuple[str, str], Any]]) -> tuple[_Sent, Values]:
        """What is sent of values, and those of which nothing can be."""
        values, apart, parts, unsent = dict(found), {}, {}, {}
        for place, value in values.items():
            sent = list(_parts(place, value))
            parts.update({part: there for part, there, _ in sent})
            apart.update({part: pickled for part, _, pickled in sent})
            unsent.update({} if sent else {place: value})
        return cls(frozenset(values), apart, _dumps(parts)), unsent


def _parts(place: tuple[str, str], value: Any, depth: int = 0) -> Iterator[tuple[tuple[str, str], Any, bytes]]:
    """A value and its pickle, or where it cannot be sent what can be of its attributes or items."""
    owner, key = place
    if (pickled := _sendable(value)) is not None:
        yield place, value, pickled
    elif isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        sent = _Items({index: item for index, item in items if _sendable(item) is not None})
        yield place, sent, _dumps(sent)
    elif depth < _DEEPEST and _is_users(type(value).__module__, sys.modules.get(type(value).__module__), main=True):
        for name, attribute in list(getattr(value, "__dict__", {}).items()):
            yield from _parts((f"{owner}.{key}" if owner else key, name), attribute, depth + 1)


class _Items(dict[Any, Any]):
    """Items of a dictionary or a list that cannot be sent as a whole."""


def _sendable(value: Any) -> bytes | None:
    """A value's pickle; None where it cannot be pickled, or not be read again."""
    try:
        pickled = _dumps(value)
        _Unpickler(io.BytesIO(pickled)).load()
        return pickled
    except Exception:  # whatever the objects' own code raises
        return None


def _dumps(value: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file).dump(value)
    return file.getvalue()


class _Pickler(pickle.Pickler):
    """Modules go by name, and functions of the user's by their code: one may have taken the place of another."""

    def persistent_id(self, value: Any) -> str | None:
        return value.__name__ if isinstance(value, ModuleType) else None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (staticmethod, classmethod)):
            return type(value), (value.__func__,)
        if isinstance(value, property):
            return property, (value.fget, value.fset, value.fdel)
        if not isinstance(value, FunctionType):
            return NotImplemented
        name = value.__module__
        if not _is_users(name, sys.modules.get(name), main=True):
            return NotImplemented
        cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
        code = marshal.dumps(value.__code__)
        given = value.__defaults__, value.__kwdefaults__, vars(value)
        return _function, (name, value.__qualname__, code, given, cells)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: str) -> ModuleType:
        return importlib.import_module(name)


def _function(module: str, name: str, code: bytes, given: tuple[Any, Any, dict[str, Any]], cells: Any) -> Any:
    """The function that the import has made, if it is the same; else one made of the code."""
    space, wanted = vars(importlib.import_module(module)), marshal.loads(code)
    try:
        found = attrgetter(name)(sys.modules[module])
    except AttributeError:
        found = None
    if not cells and isinstance(found, FunctionType) and found.__code__ == wanted:
        own = found.__defaults__, found.__kwdefaults__, vars(found)
        if own == given or _is_as_sent(own, _dumps(given)):
            return found
    made = FunctionType(wanted, space, wanted.co_name, given[0], tuple(map(CellType, cells)))
    made.__kwdefaults__, made.__qualname__, made.__module__ = given[1], name, module
    vars(made).update(given[2])
    return made


def load(data: bytes) -> Any:
    """Restores what `dump` has written down, in an interpreter that has imported nothing of the user's.

    Returns:
        The job's class.

    Raises:
        UserError: it cannot be restored.
    """
    state = pickle.loads(data)
    (sys.argv[:], folder), sys.path[:] = state["started"], state["path"]
    os.environ.clear()
    os.environ.update(state["environment"])
    os.chdir(folder)
    command.replays = True
    try:
        late = _import_main(state["main"], state["file"]) if state["file"] else None
        module, name = state["class"]
        importlib.import_module(module)
        sys.argv[:] = state["argv"]
        os.chdir(state["folder"])
        _restore(state["modules"], late)
        return attrgetter(name)(sys.modules[module])
    except Exception as error:
        last = traceback.format_exception_only(type(error), error)[-1].strip()
        raise UserError(
            f"this process has several threads, and what it has set cannot be had in a task's interpreter: {last}"
        ) from None
    finally:
        command.replays = False


def _import_main(name: str | None, file: str) -> CodeType:
    """Imports the driver's main module as it was run, by name or by file; returns the classes under its main guard."""
    spec = importlib.util.find_spec(name) if name else None
    module = importlib.util.module_from_spec(spec) if spec else ModuleType(MAIN)
    module.__file__, module.__name__ = file, MAIN
    sys.modules[MAIN] = module
    with open(file, "rb") as source:
        tree = ast.parse(source.read(), file)
    guards = [block for block in tree.body if isinstance(block, ast.If) and _is_guard(block)]
    tree.body = [block for block in tree.body if block not in guards]
    code = compile(tree, file, "exec", dont_inherit=True)
    try:
        exec(code, vars(module))
    except command.Replayed:
        pass  # the script has no main guard
    classes: list[ast.stmt] = [node for block in guards for node in block.body if isinstance(node, ast.ClassDef)]
    flags = code.co_flags & _FLAGS
    late: CodeType = compile(ast.Module(classes, []), file, "exec", flags, dont_inherit=True)
    return late


def _is_guard(block: ast.If) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(block.test))


def _restore(modules: dict[str, tuple[_Sent | None, _Sent]], late: CodeType | None) -> None:
    """Sets what was sent of each module that is imported by now, or by what is set.

    Args:
        late: the classes under the main guard. What they need may be set there too, and what is set be of them.
    """
    done: set[str] = set()
    while found := [name for name in modules if name in sys.modules and name not in done]:
        for name in found:
            done.add(name)
            own = late if name == MAIN else None
            values, attributes = modules[name]
            try:
                _set(name, values, dict(_globals(sys.modules[name])))
            except AttributeError:
                if own is None:
                    raise
                exec(own, vars(sys.modules[MAIN]))
                _set(name, values, dict(_globals(sys.modules[name])))
            else:
                if own is not None:
                    exec(own, vars(sys.modules[MAIN]))
            _set(name, attributes, dict(_attributes(sys.modules[name])))


def _set(module: str, sent: _Sent | None, here: Values) -> None:
    """Sets what is not what the import has made, and deletes what the driver has deleted."""
    if sent is None:
        return
    for place, value in _Unpickler(io.BytesIO(sent.together)).load().items():
        if place in here and _is_as_sent(here[place], sent.apart[place]):
            continue
        owner, key = place
        # What the import has not made, or of an enumeration, is not there to be set.
        with suppress(AttributeError, TypeError, KeyError, IndexError):
            target = attrgetter(owner)(sys.modules[module]) if owner else sys.modules[module]
            if isinstance(value, _Items):
                there = getattr(target, key)
                for index, item in value.items():
                    there[index] = item
            else:
                setattr(target, key, value)
    for owner, key in here.keys() - sent.names:
        with suppress(AttributeError, TypeError):
            delattr(attrgetter(owner)(sys.modules[module]) if owner else sys.modules[module], key)


def _is_as_sent(value: Any, pickled: bytes) -> bool:
    try:
        return _dumps(value) == pickled
    except Exception:  # whatever the objects' own code raises
        return False

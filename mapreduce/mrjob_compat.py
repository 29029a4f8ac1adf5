"""Stand-ins for what mrjob 0.7.4 imports: `distutils` and `pipes`, which Python 3.12 and 3.13 no longer have.

mrjob needs three names of them. Where the real modules exist the stand-ins still serve while mrjob is imported,
because `distutils` costs 0.16 s through setuptools. What else mrjob imports and a local run does not use, 0.04 s
together, is imported when mrjob first needs it. Import this module before mrjob; it changes nothing else.
"""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import total_ordering
from importlib.util import find_spec
from types import ModuleType
from typing import Any


@total_ordering
class LooseVersion:
    """A version that compares number by number, as `distutils.version.LooseVersion` did."""

    def __init__(self, text: str) -> None:
        self.vstring = text
        self.version = [int(p) if p.isdigit() else p for p in re.findall(r"\d+|[a-z]+", text)]

    def __eq__(self, other: object) -> bool:
        return self.version == _version(other)

    def __lt__(self, other: object) -> bool:
        return self.version < _version(other)

    def __str__(self) -> str:
        return self.vstring


def _version(other: object) -> list[int | str]:
    return (other if isinstance(other, LooseVersion) else LooseVersion(str(other))).version


class _Later(ModuleType):
    """A module that is imported when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)

    def later(self, name: str) -> Callable[..., Any]:
        """A function of the module that is imported when it is called."""
        return lambda *args, **kwargs: self.__getattr__(name)(*args, **kwargs)


_LATER: dict[str, dict[str, Any]] = {
    "multiprocessing": {"cpu_count": None, "current_process": ""},  # which logging asks for, and goes without
    "tarfile": {},
    "urllib.request": {"pathname2url": None, "urlopen": None},
    "yaml": {},
    "zipfile": {"ZIP_STORED": 0, "ZIP_DEFLATED": 8, "ZipFile": None, "is_zipfile": None},
}
"""Modules that mrjob imports and seldom uses, with the names that it takes out of them: constants, or functions."""


def _stand_ins() -> dict[str, ModuleType]:
    modules = {name: ModuleType(name) for name in ("distutils", "distutils.spawn", "distutils.version", "pipes")}
    modules["distutils.spawn"].find_executable = shutil.which  # type: ignore[attr-defined]
    modules["distutils.version"].LooseVersion = LooseVersion  # type: ignore[attr-defined]
    modules["pipes"].quote = shlex.quote  # type: ignore[attr-defined]
    for name in ("spawn", "version"):
        setattr(modules["distutils"], name, modules[f"distutils.{name}"])
    modules["distutils"].__path__ = []
    for module, names in _LATER.items():
        if module not in sys.modules and find_spec(module.partition(".")[0]):
            modules[module] = later = _Later(module)
            for name, value in names.items():
                setattr(later, name, later.later(name) if value is None else value)
    return modules


_missing = {name for name, last in {"distutils": (3, 11), "pipes": (3, 12)}.items() if sys.version_info[:2] > last}
# For good where nothing real is hidden: a user's script may import more of mrjob later.
sys.modules.update({n: m for n, m in _stand_ins().items() if n.split(".")[0] in _missing and n not in sys.modules})


@contextmanager
def stand_ins() -> Iterator[None]:
    """While the block imports mrjob, `distutils` and `pipes` are the stand-ins."""
    modules = _stand_ins()
    saved = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in saved.items():
            if sys.modules.get(name) is not modules[name]:
                continue  # the real one was asked for
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module

"""What programs find under the names they may use, and the only ``import`` they reach."""

import builtins
import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from arcflow.sandbox.allowlist import ATTRIBUTES, BUILTINS, FORBIDDEN, LINALG, MODULES, NUMPY


def quiet(*values: object, **options: object) -> None:
    """What ``print`` does in a program: nothing."""


class ProgramNamespace:
    """The names of one worker.

    Args:
        api: the module whose public names programs may use, e.g. ``"arcflow.omniarc.dsl"``; ""
            offers none.

    Attributes:
        modules: what ``import`` gives, by dotted name.
        builtins: the ``__builtins__`` of a program.
        names: what a program finds without an import: numpy as ``np``, and the api.
        attributes: what may stand after a dot.
    """

    def __init__(self, api: str) -> None:
        self.api = api
        self.modules: dict[str, ModuleType] = {}
        numpy = importlib.import_module("numpy")
        linalg = _pick("numpy.linalg", numpy.linalg, LINALG)
        self.modules["numpy.linalg"] = linalg
        self.modules["numpy"] = _pick("numpy", numpy, NUMPY, {"linalg": linalg})
        for name, public in MODULES.items():
            self.modules[name] = _pick(name, importlib.import_module(name), public)
        self.modules["__future__"] = _pick(
            "__future__", importlib.import_module("__future__"), frozenset(("annotations",))
        )
        offered: dict[str, Any] = {}
        if api:
            source = importlib.import_module(api)
            offered = {name: getattr(source, name) for name in source.__all__}
            self._add_chain(api, offered)
        self.names: dict[str, Any] = {"np": self.modules["numpy"], **offered}
        self.builtins: dict[str, Any] = {
            **{name: getattr(builtins, name) for name in BUILTINS},
            "print": quiet,
            "__import__": self._import,
        }
        self.attributes = ATTRIBUTES.union(
            *(vars(module).keys() for module in self.modules.values()),
            *(_public(value) for value in offered.values() if isinstance(value, type)),
        )
        self._shared: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def seal(self) -> None:
        """Remember what programs that share a process have in common, for :meth:`intact`.

        That is what they can name, and what stands behind it in numpy, in the api and here; not
        all of numpy's inner modules, which would take five times as long as a program.
        """
        inner = tuple(f"{name}." for name in (self.api, __package__) if name)
        outer = {"builtins", "numpy", "numpy.linalg", self.api}
        shared = [
            *map(vars, self.modules.values()),
            *(
                vars(m)
                for name, m in sys.modules.items()
                if name in outer or name.startswith(inner)
            ),
            self.builtins,
            self.names,
        ]
        self._shared = [(values, dict(values)) for values in shared]

    def intact(self) -> bool:
        """Whether every name of every module still means what it meant at :meth:`seal`."""
        try:
            # Equal where they are the same object; whatever else was put there may not compare.
            return all(now == before for now, before in self._shared)
        except Exception:  # noqa: BLE001 - a comparison of anything with anything
            return False

    def _add_chain(self, api: str, offered: Mapping[str, Any]) -> None:
        """Make ``import a.b.c`` work, each part holding only the next."""
        module = _pick(api, None, frozenset(), offered)
        self.modules[api] = module
        while "." in api:
            api, _, last = api.rpartition(".")
            module = _pick(api, None, frozenset(), {last: module})
            self.modules[api] = module

    def _import(
        self,
        name: str,
        globals_: object = None,
        locals_: object = None,
        fromlist: tuple[str, ...] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """The only ``__import__`` that a program's import statements can reach.

        Numpy's C code calls it too, for parts of numpy; it then looks into ``sys.modules`` itself,
        so an empty module does. That is all a program would get of anything loaded.
        """
        if name not in self.modules and name in sys.modules and not level:
            return ModuleType("nothing")
        if level or name not in self.modules:
            raise ImportError(f"programs cannot import {name}")
        return self.modules[name if fromlist else name.partition(".")[0]]


def _pick(
    name: str,
    source: ModuleType | None,
    public: frozenset[str],
    more: Mapping[str, Any] | None = None,
) -> ModuleType:
    """A module that holds only what is named; other numpy versions lack some of it."""
    module = ModuleType(name)
    vars(module).clear()
    values = {key: getattr(source, key) for key in public if hasattr(source, key)} | dict(
        more or {}
    )
    vars(module).update(values)
    vars(module)["__all__"] = sorted(values)
    vars(module)["__name__"] = name
    return module


def _public(cls: type) -> list[str]:
    """Public attributes of an api class, without those it has from str, int or an exception."""
    return [name for name in dir(cls) if not name.startswith("_") and name not in FORBIDDEN]

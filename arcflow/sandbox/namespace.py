"""The names that programs can use, and the only ``import`` that they can reach."""

import builtins
import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from arcflow.sandbox.allowlist import ATTRIBUTES, BUILTINS, FORBIDDEN, LINALG, MODULES, NUMPY
from arcflow.sandbox.stand_ins import offered


def quiet(*values: object, **options: object) -> None:
    """Do nothing; programs find this function under the name ``print``."""


class ProgramNamespace:
    """The names that the programs of one worker can use.

    Args:
        api: The module whose public names programs may use, for example ``"arcflow.omniarc.dsl"``;
            an empty string stands for no module.

    Attributes:
        modules: The modules that programs can import, by dotted name.
        builtins: The ``__builtins__`` of a program.
        names: The names that a program finds without an import: numpy as ``np``, and those of the
            API module.
        attributes: The names that may follow a dot.
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
        api_names: dict[str, Any] = {}
        if api:
            source = importlib.import_module(api)
            api_names = {name: offered(getattr(source, name)) for name in source.__all__}
            self._add_chain(api, api_names)
        self.names: dict[str, Any] = {"np": self.modules["numpy"], **api_names}
        self.builtins: dict[str, Any] = {
            **{name: getattr(builtins, name) for name in BUILTINS},
            "print": quiet,
            "__import__": self._import,
        }
        self.attributes = (
            ATTRIBUTES.union(
                *(vars(module).keys() for module in self.modules.values()),
                *(_public(value) for value in api_names.values() if isinstance(value, type)),
            )
            - FORBIDDEN
        )

    def _add_chain(self, api: str, api_names: Mapping[str, Any]) -> None:
        """Make ``import a.b.c`` work with modules that each hold only the next one."""
        module = _pick(api, None, frozenset(), api_names)
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
        """Import a module that programs may use.

        This is the only ``__import__`` that a program's import statements can reach. Numpy's C code
        calls it too, for parts of numpy, and then looks into ``sys.modules`` by itself. An empty
        module is therefore enough for it, and it is all that a program would get of any other
        loaded module.
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
    """Return a module that holds only the given names.

    Names that this version of numpy lacks are left out.
    """
    module = ModuleType(name)
    vars(module).clear()
    values = {key: offered(getattr(source, key)) for key in public if hasattr(source, key)} | dict(
        more or {}
    )
    vars(module).update(values)
    vars(module)["__all__"] = sorted(values)
    vars(module)["__name__"] = name
    return module


def _public(cls: type) -> list[str]:
    """Return the public attributes of a class of the API module."""
    return [name for name in dir(cls) if not name.startswith("_")]

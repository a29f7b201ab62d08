"""The state that programs of one process share, and the check that a program left it alone.

The policy is what keeps a program from changing anything that outlives it. This check is for the
case that it did so all the same: its answer then does not count, and its process runs no other
program. The check runs in the process that it checks, so it finds what a program changed through
Python or numpy, not what a program with the run of the process's memory wants to hide.
"""

import builtins
import gc
import marshal
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter, is_
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from arcflow.sandbox.namespace import ProgramNamespace

_SMALL_NUMBERS = tuple(range(-5, 257))
"""The numbers of which Python keeps one object each, which all programs compute with."""
_BESIDE = frozenset(
    f"arcflow.sandbox.{name}"
    for name in ("namespace", "outputs", "protocol", "runner", "shared_results", "stand_ins")
) | {__name__}
"""The modules of this package whose code runs in the process of programs."""
_HEAP_TYPE = 1 << 9
"""The flag of classes whose attributes may be set."""
_REGISTRY = "__warningregistry__"
_code, _defaults = attrgetter("__code__"), attrgetter("__defaults__")


class SharedState:
    """What is shared, as it is when this object is made.

    Args:
        namespace: The names that programs may use.
    """

    def __init__(self, namespace: ProgramNamespace) -> None:
        spaces = dict(_spaces(namespace))
        offered = [value for module in namespace.modules.values() for value in _values(module)]
        trusted = [value for module in _trusted(namespace.api) for value in _values(module)]
        values = [*offered, *trusted]
        for cls in {id(value): value for value in values if _is_python_class(value)}.values():
            spaces[f"the class {cls.__name__}"] = vars(cls)
            values += vars(cls).values()
        self._spaces = [(label, space, dict(space)) for label, space in spaces.items()]
        self._functions = list({id(f): f for value in values for f in _functions(value)}.values())
        self._codes = list(map(_code, self._functions))
        self._defaults = list(map(_defaults, self._functions))
        values += [part for parts in self._defaults for part in parts or ()]
        values += [function.__kwdefaults__ for function in self._functions]
        held = list({id(item): item for value in values for item in _held(value)}.values())
        self._containers = [(item, item.copy()) for item in held if _is_container(item)]
        self._arrays = [item for item in held if isinstance(item, np.ndarray)]
        self._contents = list(map(_contents, self._arrays))
        self._constants = (_SMALL_NUMBERS, *filter(_is_constant, offered))
        self._constant_bytes = marshal.dumps(self._constants, 2)
        self._settings: list[tuple[str, Callable[[], Any], Any]] = []

    def begin(self) -> None:
        """Read the settings of a new process before its first program.

        A fork changes some of them: Python seeds its random numbers anew.
        """
        self._settings = [(label, read, read()) for label, read in _settings()]

    def change(self) -> str:
        """Return what is no longer as it was, in words; an empty string if nothing is."""
        try:
            return self._change()
        except Exception:  # noqa: BLE001 - what a program put there may fail to compare
            return "what cannot be compared"

    def _change(self) -> str:
        for label, space, before in self._spaces:
            if space != before:  # identical values count as equal
                return label
        if not all(map(is_, map(_code, self._functions), self._codes)):
            return "the code of a function"
        if not all(map(is_, map(_defaults, self._functions), self._defaults)):
            return "the defaults of a function"
        if any(item != copy for item, copy in self._containers):
            return "a list, a dictionary or a set"
        if list(map(_contents, self._arrays)) != self._contents:
            return "an array"
        if marshal.dumps(self._constants, 2) != self._constant_bytes:
            return "a constant"
        for label, read, setting in self._settings:
            if read() != setting:
                return label
        return ""


def _spaces(namespace: ProgramNamespace) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the namespaces that are shared, with their names.

    Numpy's inner modules are left out: reading their 7,000 names copies so many pages of a forked
    process that it would take several times as long as a program. The functions of these modules
    that programs can name are compared as functions.
    """
    yield "the builtins of programs", namespace.builtins
    yield "the names of programs", namespace.names
    for name, module in namespace.modules.items():
        yield f"the module {name}, as programs see it", vars(module)
    for module in (builtins, np, np.linalg, *_trusted(namespace.api)):
        # A warning makes this entry; without it the first one would look like a change.
        vars(module).setdefault(_REGISTRY, {})
        yield f"the module {module.__name__}", vars(module)
    yield "the loaded modules", sys.modules


def _trusted(api: str) -> Iterator[ModuleType]:
    """Yield the modules of the API and of this package whose code runs beside programs."""
    for name, module in list(sys.modules.items()):
        if name in _BESIDE or (api and (name == api or name.startswith(f"{api}."))):
            yield module


def _values(module: ModuleType) -> Iterator[Any]:
    """Yield what the names of a module mean, without those that every module has."""
    yield from (value for name, value in vars(module).items() if not name.startswith("__"))


def _settings() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield settings of numpy and of Python, with their names, as functions that read them."""
    yield "numpy's error state", lambda: (np.geterr(), np.geterrcall(), np.getbufsize())
    yield "numpy's print options", np.get_printoptions
    yield "the recursion limit", sys.getrecursionlimit
    yield "the limit of digits", sys.get_int_max_str_digits
    yield "a hook of Python", lambda: (sys.gettrace(), sys.getprofile(), gc.isenabled())
    yield "the filters of warnings", lambda: list(warnings.filters)
    yield "the environment", lambda: len(os.environ)
    yield "how modules are found", lambda: (list(sys.path), list(sys.meta_path))
    if "random" in sys.modules:
        yield "Python's random state", sys.modules["random"].getstate
    if "numpy.random" in sys.modules:
        read = sys.modules["numpy.random"].get_state
        yield "numpy's random state", lambda: _bytes_of_state(read())


def _bytes_of_state(state: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)


def _is_python_class(value: object) -> bool:
    """Return whether a value is a class that Python code made, so that it can be changed."""
    return isinstance(value, type) and bool(value.__flags__ & _HEAP_TYPE)


def _functions(value: object) -> Iterator[FunctionType]:
    """Yield the Python functions behind a value that can be called."""
    value = getattr(value, "_implementation", value)  # that of numpy's overridable functions
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    for found in (value.fget, value.fset) if isinstance(value, property) else (value,):
        if isinstance(found, FunctionType):
            yield found


def _held(value: object) -> Iterator[Any]:
    """Yield a value, and the containers and arrays in it if it is a container."""
    yield value
    items: Iterable[Any] = ()
    if isinstance(value, list | tuple | set | frozenset):
        items = value
    elif isinstance(value, dict):
        items = value.values()
    for item in items:
        if isinstance(item, list | dict | set | np.ndarray):
            yield item


def _is_container(value: object) -> bool:
    return isinstance(value, list | dict | set) and len(value) > 0


def _contents(array: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype, array.flags.writeable, array.tobytes()


def _is_constant(value: Any) -> bool:
    """Return whether a value is a number, or a tuple that consists of numbers and texts."""
    if type(value) not in (int, float, complex, tuple):
        return False
    try:
        marshal.dumps(value)
    except ValueError:
        return False
    return True

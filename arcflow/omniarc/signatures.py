"""The meanings of the parameters and results of the primitives, read from their signatures."""

import functools
import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from arcflow.omniarc import dsl
from arcflow.omniarc.dsl.types import Grid

_WRITTEN = frozenset({"color", "fill", "separator"})
_READ = frozenset({"with_color", "background", "transparent", "ignore", "hole", "over", "fixed"})
_READERS = frozenset(
    """
    count_color positions find_separators split_panels full_rows full_columns find_frames
    """.split()  # noqa: SIM905
)
"""Primitives that look for the colour they are given."""
_NUMBERS = frozenset({"ring_index", "count_neighbors"})
"""Primitives that return an array of numbers that are not colours."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a primitive.

    Attributes:
        name: The name of the parameter.
        meaning: "cells" for grids, "read" for a colour that is looked for, "written" for one that
            cells become, "mapping" from the one to the other, "direction", "count", "switch" for a
            truth value, "axis" for one of few ``choices``; "" for anything else.
        default: The default value, or ``inspect.Parameter.empty`` if there is none.
        choices: The values that an axis may have.
        rest: Whether the parameter takes all further arguments.
    """

    name: str
    meaning: str
    default: Any
    choices: tuple[Any, ...] = ()
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Primitive:
    """A function of the DSL, or a method of its objects.

    Attributes:
        parameters: The parameters in order, without ``self``.
        gives: "cells" for grids and colours, "first" for the kind of its first argument, "count",
            or "" for anything else.
        kind: A key that is equal for primitives that may replace each other.
    """

    parameters: tuple[Parameter, ...]
    gives: str
    kind: str


@functools.cache
def primitives() -> Mapping[str, Primitive]:
    """Return all primitives by name; methods are named like ``".recolored"``."""
    found = {}
    for name in dsl.__all__:
        value = getattr(dsl, name)
        if inspect.isfunction(value):
            found[name] = _primitive(name, value, 0)
    for name, value in vars(dsl.Object).items():
        if inspect.isfunction(value) and not name.startswith("_"):
            found[f".{name}"] = _primitive(f".{name}", value, 1)
    return types.MappingProxyType(found)


def _primitive(name: str, function: Any, skipped: int) -> Primitive:
    hints = get_type_hints(function)
    given = list(inspect.signature(function).parameters.values())[skipped:]
    parameters = tuple(
        Parameter(
            p.name,
            _meaning(name, p.name, hints[p.name]),
            p.default,
            (0, 1) if p.name == "axis" and hints[p.name] is int else _literals(hints[p.name]),
            p.kind is inspect.Parameter.VAR_POSITIONAL,
        )
        for p in given
    )
    needed = [
        str(hints[p.name]) for p in given if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    return Primitive(
        parameters,
        _gives(name, hints["return"]),
        f"{'.' if skipped else ''}{needed} -> {hints['return']}",
    )


def _meaning(primitive: str, name: str, hint: Any) -> str:
    if name in _WRITTEN:
        return "read" if primitive in _READERS else "written"
    if name in _READ:
        return "read"
    if name in ("mapping", "direction"):
        return name
    if hint is bool:
        return "switch"
    if name == "axis" or _literals(hint):
        return "axis"
    if _holds(hint, Grid) or isinstance(hint, TypeVar):
        return "cells"
    return "count" if hint is int or int in get_args(hint) else ""


def _gives(name: str, hint: Any) -> str:
    if name in _NUMBERS or name.startswith((".count", "count")) or name == "find_period":
        return "count"
    if isinstance(hint, TypeVar) or any(isinstance(part, TypeVar) for part in get_args(hint)):
        return "first"
    colors = "color" in name and hint in (int, list[int])
    return "cells" if colors or _holds(hint, Grid) else ""


def _literals(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _holds(hint: Any, wanted: Any) -> bool:
    if isinstance(hint, TypeVar) and hint.__constraints__:
        return False
    return bool(hint == wanted) or any(_holds(part, wanted) for part in get_args(hint))

"""The places at which a RE-ARC generator chooses colours, found in its source without a run."""

import ast
import functools
import linecache
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from arcflow.core.errors import ConfigError

_DRAWS = ("choice", "sample")
_LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)
# The names that the generators give to lists of colours, however they make them.
_COLORS = ("cols", "colopts", "fullcols")
# Functions that return some of the items of an argument, and the index of that argument.
_PARTS = {"remove": 1, "difference": 0, "sfilter": 0, "totuple": 0, "dedupe": 0}
_PARTS |= {"tuple": 0, "list": 0, "set": 0, "frozenset": 0, "sorted": 0, "intersection": 0}
# Python 3.11 counts the depth of parsing for all threads together and may fail if several parse.
_parsing = threading.Lock()


@dataclass(frozen=True)
class ColorSites:
    """The places at which a generator chooses colours that hold for a whole pair.

    Attributes:
        code: The code of the generator.
        at: The number of the site by the place of its call in ``code`` (a frame's ``f_lasti``).
            Sites are the calls of ``choice`` and ``sample``, counted from 0 in the order of the
            source.
        background: The site of the background colour, ``bgc`` in the source, and its index among
            the colours chosen there; None if the source chooses nothing of this name.
    """

    code: CodeType
    at: dict[int, int]
    background: tuple[int, int] | None = None


@functools.cache
def color_sites(generator: Callable[..., Any]) -> ColorSites:
    """Return the sites of a generator at which it chooses colours for a whole pair.

    Calls within loops, which colour cells or objects, and samples of varying number, which colour
    noise, are left out: choosing the same colours again there would make the pairs of a task more
    alike than the originals' are. Without source to read there are no sites.

    Raises:
        ConfigError: Python was told to compile without column numbers.
    """
    code = generator.__code__
    if all(column is None for _, _, column, _ in code.co_positions()):
        # Line numbers alone would give other sites, and so other tasks for the same seed.
        raise ConfigError(
            "RE-ARC: its generators are compiled without columns, by which draws are told apart",
            value="code as of PYTHONNODEBUGRANGES or -X no_debug_ranges",
            expected="code compiled without that option",
            next_step="Leave the option out; where files were compiled with it, delete the "
            f"__pycache__ beside {code.co_filename}.",
        )
    lines = linecache.getlines(code.co_filename, generator.__globals__)
    first = code.co_firstlineno
    body = lines[first - 1 : max((line for _, _, line in code.co_lines() if line), default=first)]
    end = first - 1 + len(body)
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t)"):
        body.append(lines[end])  # lines of the last statement without instructions
        end += 1
    try:
        with _parsing:
            tree = ast.parse(textwrap.dedent("".join(body)))
    except SyntaxError:
        return ColorSites(code, {})
    if not tree.body or not isinstance(tree.body[0], ast.FunctionDef):
        return ColorSites(code, {})
    function = tree.body[0]
    shift = len(body[0]) - len(body[0].lstrip())
    names = _color_names(function)
    places: dict[tuple[int | None, ...], int] = {}
    for number, (call, in_loop) in enumerate(_draws(function)):
        if not in_loop and _is_fixed(call) and _is_colors(call.args[0], names):
            line, end_line = call.lineno + first - 1, (call.end_lineno or call.lineno) + first - 1
            columns = call.col_offset + shift, (call.end_col_offset or 0) + shift
            places[line, end_line, *columns] = number
    found = {
        2 * i: places[(line, end_line, column, end_column)]
        for i, (line, end_line, column, end_column) in enumerate(code.co_positions())
        if (line, end_line, column, end_column) in places
    }
    return ColorSites(code, found, _background(function, set(found.values())))


def _draws(function: ast.FunctionDef) -> Iterator[tuple[ast.Call, bool]]:
    """Return the calls that sample, in the source's order, and whether they are within a loop."""

    def walk(node: ast.AST, in_loop: bool) -> Iterator[tuple[ast.Call, bool]]:
        if isinstance(node, ast.Call) and _name(node) in _DRAWS:
            yield node, in_loop
        inside = in_loop or isinstance(node, _LOOPS)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    found = list(walk(function, False))
    return iter(sorted(found, key=lambda item: (item[0].lineno, item[0].col_offset)))


def _background(function: ast.FunctionDef, sites: set[int]) -> tuple[int, int] | None:
    """Return the site and index at which ``bgc`` is chosen, the last one if there are several."""
    numbers = {call: number for number, (call, _) in enumerate(_draws(function))}
    found = None
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and numbers.get(node.value) in sites:  # type: ignore[call-overload]
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            for element, name in enumerate(names):
                if isinstance(name, ast.Name) and name.id == "bgc":
                    place = numbers[node.value], element  # type: ignore[index]
                    found = place if found is None else max(found, place)
    return found


def _is_fixed(call: ast.Call) -> bool:
    """Return whether a call always samples the same number of items."""
    return bool(call.args) and all(isinstance(arg, ast.Constant) for arg in call.args[1:])


def _name(call: ast.Call) -> str:
    """Return the name of the called function, e.g. ``choice`` for ``rng.choice``."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _color_names(function: ast.FunctionDef) -> set[str]:
    """Return the names of the variables that hold several colours."""
    assigned = [
        (target.id, node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    names = {name for name, _ in assigned if name in _COLORS}
    while True:
        more = {name for name, value in assigned if _is_colors(value, names)} | names
        if more == names:
            return names
        names = more


def _is_colors(node: ast.AST, names: set[str]) -> bool:
    """Return whether an expression's value is made of colours, that is, comes from 0..9 or 1..9."""
    if isinstance(node, ast.Name):
        return node.id in names
    if isinstance(node, ast.Call):
        called = _name(node)
        if called == "interval":
            return [getattr(arg, "value", None) for arg in node.args] in ([0, 10, 1], [1, 10, 1])
        if called == "sample" and node.args:
            return _is_colors(node.args[0], names)
        if called in _PARTS and len(node.args) > _PARTS[called]:
            return _is_colors(node.args[_PARTS[called]], names)
        return False
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Slice) and _is_colors(node.value, names)
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp):
        first = node.generators[0]
        return (
            isinstance(node.elt, ast.Name)
            and isinstance(first.target, ast.Name)
            and node.elt.id == first.target.id
            and _is_colors(first.iter, names)
        )
    if isinstance(node, ast.BinOp):
        return _is_colors(node.left, names)
    return False

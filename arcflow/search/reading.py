"""Reading programs of a search back from their text, and refusing every other text."""

import ast
import re
from dataclasses import dataclass

from arcflow.search.programs import write_program
from arcflow.search.registry import STEPS
from arcflow.search.stacking import EMPTY, SHOWN, WHOLE

STEPS_BY_NAME = {step.name: step for step in STEPS}
"""All steps by name."""

MAX_LENGTH = 20_000
"""The longest text of a program, in characters."""

_PIECE = re.compile(r"    (\w) = piece\(grid, size((?:, '[^'\\]*')*)\)")
_ROLES = re.compile(r"    grid, names = named_by_role\(grid, (\([\d, ]*\)), (True|False)\)")
_LAYER = re.compile(r"(shown|background|)\(?(\w)\)?")
_USES = {"": WHOLE, "shown": SHOWN, "background": EMPTY}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv)


@dataclass(frozen=True, slots=True)
class ParsedProgram:
    """The content of a program of a search; see :func:`~arcflow.search.programs.write_program`.

    Attributes:
        layers: For each layer, the top one first, the names of its steps and how it is used.
        size: The output's size as the program writes it.
        roles: The fixed colours and whether the background becomes 0, if colours are renamed.
    """

    layers: tuple[tuple[tuple[str, ...], int], ...]
    size: str
    roles: tuple[tuple[int, ...], bool] | None

    def text(self) -> str:
        """Return the program."""
        return write_program(self.layers, self.size, self.roles)


def parse_program(text: str) -> ParsedProgram | None:
    """Return what a program says, or None if it is not a text that a search writes.

    A text that is read can do nothing but name known steps, stack their results and calculate the
    size from numbers of the grid: writing what was read gives the same text, character by
    character. So it is safe to run in this process, whoever made the file that it comes from.

    Args:
        text: Any text.
    """
    if len(text) > MAX_LENGTH:
        return None
    lines = text.split("\n")
    roles = None
    found = [match for line in lines if (match := _ROLES.fullmatch(line))]
    if found:
        fixed = tuple(map(int, re.findall(r"\d+", found[0][1])))
        roles = (fixed, found[0][2] == "True")
        if not set(fixed) <= set(range(1, 10)):
            return None
    sizes = [line.removeprefix("    size = ") for line in lines if line.startswith("    size = ")]
    paths = {m[1]: _names(m[2]) for line in lines if (m := _PIECE.fullmatch(line))}
    returned = re.search(r"stack\((.*?)\)(?:, names\))?$", text.rstrip("\n"))
    if not sizes or not returned or not _is_size(sizes[0]):
        return None
    layers = []
    for word in returned[1].split(", "):
        layer = _LAYER.fullmatch(word)
        if layer is None or layer[2] not in paths:
            return None
        layers.append((paths[layer[2]], _USES[layer[1]]))
    if not all(name in STEPS_BY_NAME for path, _ in layers for name in path):
        return None
    written = ParsedProgram(tuple(layers), sizes[0], roles)
    return written if written.text() == text else None


def _names(arguments: str) -> tuple[str, ...]:
    return tuple(re.findall(r"'([^']*)'", arguments))


def _is_size(text: str) -> bool:
    """Return whether a text only calculates two numbers from the grid's sides, extents, counts."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if ast.unparse(tree) in ("grid.shape", "grid.T.shape"):
        return True
    return isinstance(tree, ast.Tuple) and len(tree.elts) == 2 and all(map(_is_number, tree.elts))


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int()):
            return True
        case ast.BinOp():
            parts = _is_number(node.left) and _is_number(node.right)
            return parts and isinstance(node.op, _OPERATORS)
        case ast.Subscript(value=of, slice=ast.Constant(value=0 | 1)):
            return ast.unparse(of) == "grid.shape" or _is_call(of, "extent")
    return _is_call(node, "count")


def _is_call(node: ast.expr, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=called), args=[ast.Name(id="grid"), *steps], keywords=[]):
            return called == name and all(
                isinstance(step, ast.Constant) and step.value in STEPS_BY_NAME for step in steps
            )
    return False

"""The meanings of a program's constants: colours, directions, counts, connectivities, axes.

The meaning of a constant follows from its context: it may be an argument of a primitive, whose
signature tells the meaning; a value that cells are compared with, or that they become; or a size
that is compared. Names carry meanings between where they are bound and where they are used.
Constants whose meaning cannot be known are left out.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from arcflow.omniarc.signatures import Parameter, primitives

DIRECTIONS = ("UP", "DOWN", "LEFT", "RIGHT")
STEPS = ("ORTHOGONAL", "DIAGONAL", "ALL_DIRECTIONS")

_SAME_CELLS = frozenset(
    """
    array asarray copy flip fliplr flipud rot90 roll pad tile repeat kron concatenate hstack vstack
    maximum minimum transpose delete unique ravel zeros_like ones_like full_like
    """.split()  # noqa: SIM905
)
"""Functions of numpy that return cells if their first argument consists of cells."""
_SAME = frozenset({"sorted", "reversed", "list", "tuple", "set", "max", "min", "int", "next"})
_CELL_METHODS = frozenset({"copy", "max", "min", "ravel", "flatten", "tolist", "reshape", "item"})
_CELLS = frozenset({"patch", "color", "colors"})
_COUNTS = frozenset({"size", "height", "width"})
_PASSES = 5


@dataclass(eq=False)
class ProgramConstant:
    """A constant of a program whose meaning is known.

    Attributes:
        meanings: "read" for a colour that cells are compared with, "written" for one that they
            become, both for one that is used in both ways; or one of "direction", "count",
            "switch", "axis".
        node: The expression; for a switch that is left to its default, the call.
        value: A number, the name of a direction, a truth value, or one of the choices of an axis.
        parameter: The parameter whose argument it is, or None if it is not an argument.
    """

    meanings: set[str]
    node: ast.expr
    value: Any
    parameter: Parameter | None = None


def find_constants(tree: ast.Module) -> list[ProgramConstant]:
    """Find the constants of a program whose meaning is known.

    Args:
        tree: The syntax tree of a text that defines ``task(grid)``.

    Returns:
        The constants in the order of the text.
    """
    reader = _Reader()
    for _ in range(_PASSES):
        before = reader.known()
        reader.read(tree)
        if reader.known() == before:
            break
    constants = [c for c in reader.constants.values() if len(c.meanings - {"read", "written"}) < 2]
    constants = [
        c for c in constants if not (c.meanings & {"read", "written"}) or 0 <= c.value <= 9
    ]
    return sorted(constants, key=lambda constant: (constant.node.lineno, constant.node.col_offset))


@dataclass
class _Reader:
    """What is known of a program so far; the program is read again until nothing new is found."""

    kinds: dict[str, str] = field(default_factory=lambda: {"grid": "cells"})
    wanted: dict[str, set[str]] = field(default_factory=dict)
    constants: dict[ast.expr, ProgramConstant] = field(default_factory=dict)

    def known(self) -> tuple[int, int, int]:
        """Return numbers that grow with everything that is found."""
        wanted = sum(map(len, self.wanted.values()))
        return len(self.kinds), wanted, sum(len(c.meanings) for c in self.constants.values())

    def read(self, tree: ast.AST) -> None:
        """Read the whole program once."""
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[target], value=value):
                    self._bind(target, value)
                case (
                    ast.For(target=target, iter=values)
                    | ast.comprehension(target=target, iter=values)
                ):
                    self._iterate(target, values)
                case ast.Return(value=ast.expr() as value):
                    # Returns of inner functions count as well if they choose among cells.
                    if isinstance(value, ast.Call | ast.Name):
                        self._mark(value, "written")
                    if isinstance(value, ast.Name):
                        self.kinds.setdefault(value.id, "cells")
                case ast.Call():
                    self._call(node)
                case ast.Compare():
                    self._compare(node)
                case ast.Name(id=name, ctx=ast.Load()) if name in DIRECTIONS or name in STEPS:
                    self._add_constant(node, "direction", name)

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            kind = self._kind(value)
            if kind and target.id not in self.kinds:
                self.kinds[target.id] = kind
            for meaning in sorted(self.wanted.get(target.id, ())):
                self._mark(value, meaning)
        elif isinstance(target, ast.Subscript) and self._kind(target.value) == "cells":
            self._mark(value, "written")
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple | ast.List):
            for one, own in zip(target.elts, value.elts, strict=False):
                self._bind(one, own)

    def _iterate(self, target: ast.expr, values: ast.expr) -> None:
        match values:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
                for element in elements:
                    self._bind(target, element)
            case ast.Call(func=ast.Name(id="zip"), args=several) if isinstance(target, ast.Tuple):
                for one, own in zip(target.elts, several, strict=False):
                    self._iterate(one, own)
            case ast.Call(func=ast.Name(id="enumerate"), args=[own, *_]) if (
                isinstance(target, ast.Tuple) and len(target.elts) == 2
            ):
                self._iterate(target.elts[1], own)
            case ast.Call(
                func=ast.Attribute(attr="items", value=ast.Dict(keys=keys, values=values_))
            ) if isinstance(target, ast.Tuple):
                for key, value in zip(keys, values_, strict=True):
                    for one, own_one in zip(target.elts, (key, value), strict=False):
                        if own_one is not None:
                            self._bind(one, own_one)
            case _:
                # The items of a row of cells are cells.
                self._bind(target, values)

    def _call(self, node: ast.Call) -> None:
        name = _name(node.func)
        primitive = primitives().get(name)
        if primitive is not None:
            for parameter, value in _arguments(primitive.parameters, node):
                if value is not None:
                    self._argument(parameter, value)
                elif parameter.meaning == "switch" and isinstance(parameter.default, bool):
                    self._add_constant(node, "switch", parameter.default, parameter)
        elif name in ("np.where", "np.select", "np.isin") and len(node.args) > 1:
            if name == "np.isin":
                if self._kind(node.args[0]) == "cells":
                    self._mark(node.args[1], "read")
            elif self._kind(node) == "cells":
                self._mark(node, "written")

    def _argument(self, parameter: Parameter, value: ast.expr) -> None:
        meaning = parameter.meaning
        if meaning == "cells":
            if not isinstance(value, ast.Constant):
                self._mark(value, "written")
        elif meaning == "written" and isinstance(value, ast.Dict):
            self._mark(value, "mapping")
        elif meaning:
            self._mark(value, meaning, parameter)

    def _compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        kinds = [self._kind(side) for side in sides]
        same = all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
        for kind, meaning in (("cells", "read"), ("count", "count")):
            if kind in kinds and (same or kind == "count"):
                for side, own in zip(sides, kinds, strict=True):
                    if own != kind:
                        self._mark(side, meaning)

    def _mark(self, node: ast.expr, meaning: str, parameter: Parameter | None = None) -> None:
        """Give a meaning to an expression, and so to the constants in it."""
        match node:
            case ast.Constant(value=bool(value)):
                if meaning == "switch":
                    self._add_constant(node, meaning, value, parameter)
            case ast.Constant(value=int(value)):
                if meaning not in ("switch", "direction", "mapping"):
                    self._add_constant(node, meaning, value, parameter)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                if meaning == "count":
                    self._add_constant(node, meaning, -value, parameter)
            case ast.Constant(value=str(value)):
                if parameter is not None and value in parameter.choices:
                    self._add_constant(node, "axis", value, parameter)
            case ast.Name(id=name):
                self.wanted.setdefault(name, set()).add(meaning)
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                for part in parts:
                    self._mark(part, meaning, parameter)
            case ast.Dict(keys=keys, values=parts):
                # The values of a dictionary have the meaning; in a mapping its keys are colours.
                for key in keys if meaning == "mapping" else ():
                    if key is not None:
                        self._mark(key, "read")
                for part in parts:
                    self._mark(part, "written" if meaning == "mapping" else meaning)
            case ast.IfExp(body=one, orelse=other):
                self._mark(one, meaning, parameter)
                self._mark(other, meaning, parameter)
            case ast.Starred(value=value):
                self._mark(value, meaning, parameter)
            case ast.Subscript(value=choice) if meaning in ("read", "written", "direction"):
                self._mark(choice, meaning, parameter)
            case ast.BinOp(op=ast.Mult(), left=left, right=right) if meaning == "written":
                self._mark(left, meaning)
                self._mark(right, meaning)
            case ast.Call():
                self._mark_call(node, meaning)

    def _mark_call(self, node: ast.Call, meaning: str) -> None:
        name = _name(node.func)
        if (name == "np.where" and len(node.args) == 3) or name == "np.select":
            for part in node.args[1:]:
                self._mark(part, meaning)
        elif name in ("np.full", "np.full_like") and len(node.args) > 1:
            self._mark(node.args[1], meaning)
        elif name in ("np.array", "np.repeat", "np.tile", "to_grid") and node.args:
            self._mark(node.args[0], meaning)
        elif name in _SAME and meaning in ("read", "written") and node.args:
            self._mark(node.args[0], meaning)
            if name == "next" and len(node.args) > 1:
                self._mark(node.args[1], meaning)

    def _kind(self, node: ast.expr) -> str:
        """Return "cells" for an expression of grids or colours, "count" for a count, else ""."""
        match node:
            case ast.Name(id=name):
                return self.kinds.get(name, "")
            case ast.Attribute(attr=name, value=value):
                if name in _CELLS or name in _COUNTS:
                    return "cells" if name in _CELLS else "count"
                return self._kind(value) if name in ("T", "flat") else ""
            case ast.Subscript(value=value) | ast.Starred(value=value):
                return self._kind(value)
            case ast.IfExp(body=one, orelse=other):
                return self._kind(one) or self._kind(other)
            case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one) | ast.SetComp(elt=one):
                return self._kind(one)
            case ast.List(elts=[one, *_]) | ast.Tuple(elts=[one, *_]):
                return self._kind(one)
            case ast.Call():
                return self._kind_of_call(node)
        return ""

    def _kind_of_call(self, node: ast.Call) -> str:
        name = _name(node.func)
        primitive = primitives().get(name)
        first = self._kind(node.args[0]) if node.args else ""
        if primitive is not None:
            return first if primitive.gives == "first" else primitive.gives
        if name in ("len", "np.count_nonzero"):
            return "count"
        if name in ("np.where", "np.select"):
            kinds = [self._kind(part) for part in node.args[1:]]
            return "cells" if "cells" in kinds else ""
        if name in _SAME or (name.startswith("np.") and name[3:] in _SAME_CELLS):
            return first
        if name == ".sum":
            return "count"
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CELL_METHODS:
            return self._kind(node.func.value)
        return ""

    def _add_constant(
        self, node: ast.expr, meaning: str, value: Any, parameter: Parameter | None = None
    ) -> None:
        constant = self.constants.get(node)
        if constant is None:
            self.constants[node] = ProgramConstant({meaning}, node, value, parameter)
        else:
            constant.meanings.add(meaning)


def _name(function: ast.expr) -> str:
    """Return the name of a function as ``"crop"``, ``"np.where"`` or ``".moved"``."""
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="np"), attr=name):
            return f"np.{name}"
        case ast.Attribute(attr=name):
            return f".{name}"
    return ""


def _arguments(
    parameters: Sequence[Parameter], call: ast.Call
) -> Iterator[tuple[Parameter, ast.expr | None]]:
    """Yield each parameter with its argument, or with None if it is left to its default."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    given = list(call.args)
    if any(isinstance(value, ast.Starred) for value in given) or None in named:
        spread = next((i for i, v in enumerate(given) if isinstance(v, ast.Starred)), len(given))
        yield from zip(parameters, given[:spread], strict=False)
        for parameter in parameters:
            if parameter.name in named:
                yield parameter, named[parameter.name]
        return
    for index, parameter in enumerate(parameters):
        if parameter.rest:
            for value in given[index:]:
                yield parameter, value
        else:
            yield parameter, given[index] if index < len(given) else named.get(parameter.name)

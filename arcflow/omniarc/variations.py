"""Variations of programs: one change of known meaning makes another rule of the same kind."""

import ast
import functools
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arcflow.core.grid import N_COLORS
from arcflow.omniarc.edits import Edit, Text, without_docstring
from arcflow.omniarc.meanings import DIRECTIONS, STEPS, ProgramConstant, find_constants

_OPPOSITES = {
    "flip_left_right": "flip_up_down",
    "flip_up_down": "flip_left_right",
    "most_common_color": "least_common_color",
    "least_common_color": "most_common_color",
    "most_common": "odd_one_out",
    "odd_one_out": "most_common",
    "max": "min",
    "min": "max",
}
"""Functions with equal parameters, each with the one that may replace it in a rule."""

Change = Callable[[np.random.Generator], list[Edit]]
"""A function that draws the edits of a change of one meaning."""


def variation(text: str, random: np.random.Generator) -> str | None:
    """Return a program's text with one change of known meaning, which makes another rule.

    The change is one of these: a colour that cells become, everywhere in the program, or one that
    they are compared with; a direction; a connectivity or another switch; a count, by one; an axis;
    a function for its opposite, such as the largest for the smallest. All else stays as it is
    written, except for the docstring and the comments, which would describe the old rule.

    Args:
        text: A text that defines ``task(grid)``.
        random: The generator that draws the change.

    Returns:
        The changed text, or None if nothing has a known meaning. It is not checked whether the new
        rule is well-posed: run the program to find out.
    """
    changed = change(text, random)
    return None if changed is None else without_docstring(changed)


def change(text: str, random: np.random.Generator) -> str | None:
    """Return a program's text with a change as in :func:`variation`, comments included.

    Args:
        text: A text that defines ``task(grid)``.
        random: The generator that draws the change.

    Returns:
        The changed text with docstring and comments as they are, or None if nothing has a known
        meaning.
    """
    program, by_kind = _read(text)
    if not by_kind:
        return None
    # The kind is chosen first: a program has many colours and one direction.
    kinds = sorted(by_kind)
    several = by_kind[kinds[int(random.integers(len(kinds)))]]
    edits = several[int(random.integers(len(several)))](random)
    return program.with_edits(edits)


def count_changes(text: str) -> dict[str, int]:
    """Count the changes that a program offers.

    Args:
        text: A text that defines ``task(grid)``.

    Returns:
        The number of changes by kind: color, direction, switch, count, axis and opposite; kinds
        without any are left out.
    """
    return {kind: len(several) for kind, several in sorted(_read(text)[1].items())}


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> tuple[Text, dict[str, list[Change]]]:
    """Return a program and its changes by kind."""
    program = Text(text)
    found: defaultdict[str, list[Change]] = defaultdict(list)
    constants = find_constants(program.tree)
    colors = [constant for constant in constants if constant.meanings & {"read", "written"}]
    used = {constant.value for constant in colors}
    for meaning in ("written", "read"):
        of_color: defaultdict[int, list[ProgramConstant]] = defaultdict(list)
        for constant in colors:
            if meaning in constant.meanings:
                of_color[constant.value].append(constant)
        for color, several in of_color.items():
            if color:
                found["color"].append(_recolor(program, several, used, meaning))
            elif meaning == "written":
                # Black has many roles: each constant of it may become another colour by itself.
                found["color"] += [_recolor(program, [one], used, meaning) for one in several]
    named: defaultdict[str, list[ProgramConstant]] = defaultdict(list)
    for constant in constants:
        if "direction" in constant.meanings:
            named[constant.value].append(constant)
        elif "switch" in constant.meanings:
            found["switch"].append(_switch(program, constant))
        elif "count" in constant.meanings:
            found["count"].append(_step(program, constant))
        elif "axis" in constant.meanings:
            found["axis"].append(_choose(program, constant))
    for name, several in named.items():
        found["direction"].append(_redirect(program, name, several, named))
    found["opposite"] += [
        _always(program.replace(node, _OPPOSITES[node.id])) for node in _opposites(program.tree)
    ]
    return program, {kind: several for kind, several in found.items() if several}


def _recolor(
    program: Text, constants: Sequence[ProgramConstant], used: set[Any], meaning: str
) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        color = constants[0].value
        others = [c for c in range(1, N_COLORS) if c != color]
        new = [c for c in others if c not in used]
        known = [c for c in others if c in used]
        # A colour to look for has to occur; a painted one is clearest if nothing else has it.
        chosen = (known or new) if meaning == "read" else (new or known)
        if random.random() < 0.25:
            chosen = others
        value = str(chosen[int(random.integers(len(chosen)))])
        return [program.replace(constant.node, value) for constant in constants]

    return make


def _redirect(
    program: Text,
    name: str,
    constants: Sequence[ProgramConstant],
    named: dict[str, list[ProgramConstant]],
) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        group = DIRECTIONS if name in DIRECTIONS else STEPS
        others = [other for other in group if other != name]
        other = others[int(random.integers(len(others)))]
        # Two directions that a program tells apart are exchanged, or they would become one.
        swapped = [program.replace(constant.node, name) for constant in named.get(other, ())]
        return [*(program.replace(constant.node, other) for constant in constants), *swapped]

    return make


def _switch(program: Text, constant: ProgramConstant) -> Change:
    assert constant.parameter is not None
    if isinstance(constant.node, ast.Call):
        return _always(
            program.add_argument(constant.node, f"{constant.parameter.name}={not constant.value}")
        )
    return _always(program.replace(constant.node, str(not constant.value)))


def _step(program: Text, constant: ProgramConstant) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        # Sizes and counts stay non-negative, and positive if they were positive.
        least = min(constant.value, 1)
        steps = [step for step in (-1, 1) if constant.value + step >= least or constant.value < 0]
        value = constant.value + steps[int(random.integers(len(steps)))]
        return [program.replace(constant.node, str(value))]

    return make


def _choose(program: Text, constant: ProgramConstant) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        assert constant.parameter is not None
        others = [choice for choice in constant.parameter.choices if choice != constant.value]
        other = others[int(random.integers(len(others)))]
        text = f'"{other}"' if isinstance(other, str) else str(other)
        return [program.replace(constant.node, text)]

    return make


def _opposites(tree: ast.Module) -> list[ast.Name]:
    """Return the names of functions, called or passed as arguments, that have an opposite."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            by_key = any(keyword.arg == "key" for keyword in node.keywords)
            for name in (node.func, *node.args):
                if isinstance(name, ast.Name) and name.id in _OPPOSITES:
                    # The larger of two numbers is arithmetic; the largest item by a key is a rule.
                    if name.id in ("max", "min") and not (by_key and name is node.func):
                        continue
                    found.append(name)
    return sorted(found, key=lambda name: (name.lineno, name.col_offset))


def _always(edit: Edit) -> Change:
    return lambda random: [edit]

"""Variations: a program with one change of known meaning, so another rule of the same kind."""

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
"""Functions of equal parameters of which a rule may have the one or the other."""

Change = Callable[[np.random.Generator], list[Edit]]
"""A change of one meaning: draws what stands there instead."""


def variation(text: str, random: np.random.Generator) -> str | None:
    """Another rule: the program's text with one change of known meaning.

    One of: a colour that cells become, everywhere in the program, or one that they are compared
    with; a direction; a connectivity or another switch; a count, by one; an axis; a function for
    its opposite, such as the largest for the smallest. All else stays as it is written, but for
    the docstring and the comments, which would tell the old rule.

    Args:
        text: defines ``task(grid)``.
        random: draws the change.

    Returns:
        None where nothing has a known meaning. Whether the new rule is well-posed is not known:
        run it.
    """
    changed = change(text, random)
    return None if changed is None else without_docstring(changed)


def change(text: str, random: np.random.Generator) -> str | None:
    """As :func:`variation`, docstring and comments left as they are."""
    program, by_kind = _read(text)
    if not by_kind:
        return None
    # A kind first: a program has many colours and one direction.
    kinds = sorted(by_kind)
    several = by_kind[kinds[int(random.integers(len(kinds)))]]
    edits = several[int(random.integers(len(several)))](random)
    return program.with_edits(edits)


def count_changes(text: str) -> dict[str, int]:
    """How many changes of each kind a program offers: colour, direction, switch, count, axis,
    opposite."""
    return {kind: len(several) for kind, several in sorted(_read(text)[1].items())}


@functools.lru_cache(maxsize=1024)
def _read(text: str) -> tuple[Text, dict[str, list[Change]]]:
    """A program and its changes by kind."""
    program = Text(text)
    found: defaultdict[str, list[Change]] = defaultdict(list)
    places = find_constants(program.tree)
    colors = [place for place in places if place.meanings & {"read", "written"}]
    used = {place.value for place in colors}
    for meaning in ("written", "read"):
        of_color: defaultdict[int, list[ProgramConstant]] = defaultdict(list)
        for place in colors:
            if meaning in place.meanings:
                of_color[place.value].append(place)
        for color, several in of_color.items():
            if color:
                found["color"].append(_recolor(program, several, used, meaning))
            elif meaning == "written":
                # Black is not one thing: each place of it may become a colour by itself.
                found["color"] += [_recolor(program, [one], used, meaning) for one in several]
    named: defaultdict[str, list[ProgramConstant]] = defaultdict(list)
    for place in places:
        if "direction" in place.meanings:
            named[place.value].append(place)
        elif "switch" in place.meanings:
            found["switch"].append(_switch(program, place))
        elif "count" in place.meanings:
            found["count"].append(_step(program, place))
        elif "axis" in place.meanings:
            found["axis"].append(_choose(program, place))
    for name, several in named.items():
        found["direction"].append(_redirect(program, name, several, named))
    found["opposite"] += [
        _constant(program.replace(node, _OPPOSITES[node.id])) for node in _opposites(program.tree)
    ]
    return program, {kind: several for kind, several in found.items() if several}


def _recolor(
    program: Text, places: Sequence[ProgramConstant], used: set[Any], meaning: str
) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        color = places[0].value
        others = [c for c in range(1, N_COLORS) if c != color]
        new = [c for c in others if c not in used]
        known = [c for c in others if c in used]
        # What is looked for has to be there; what is painted is told best by a colour of its own.
        chosen = (known or new) if meaning == "read" else (new or known)
        if random.random() < 0.25:
            chosen = others
        value = str(chosen[int(random.integers(len(chosen)))])
        return [program.replace(place.node, value) for place in places]

    return make


def _redirect(
    program: Text,
    name: str,
    places: Sequence[ProgramConstant],
    named: dict[str, list[ProgramConstant]],
) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        group = DIRECTIONS if name in DIRECTIONS else STEPS
        others = [other for other in group if other != name]
        other = others[int(random.integers(len(others)))]
        # Two that a program tells apart change places, or they would become one.
        swapped = [program.replace(place.node, name) for place in named.get(other, ())]
        return [*(program.replace(place.node, other) for place in places), *swapped]

    return make


def _switch(program: Text, place: ProgramConstant) -> Change:
    assert place.parameter is not None
    if isinstance(place.node, ast.Call):
        return _constant(
            program.add_argument(place.node, f"{place.parameter.name}={not place.value}")
        )
    return _constant(program.replace(place.node, str(not place.value)))


def _step(program: Text, place: ProgramConstant) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        # Sizes and counts stay what they are: not negative, and something where it was something.
        least = min(place.value, 1)
        steps = [step for step in (-1, 1) if place.value + step >= least or place.value < 0]
        value = place.value + steps[int(random.integers(len(steps)))]
        return [program.replace(place.node, str(value))]

    return make


def _choose(program: Text, place: ProgramConstant) -> Change:
    def make(random: np.random.Generator) -> list[Edit]:
        assert place.parameter is not None
        others = [choice for choice in place.parameter.choices if choice != place.value]
        other = others[int(random.integers(len(others)))]
        text = f'"{other}"' if isinstance(other, str) else str(other)
        return [program.replace(place.node, text)]

    return make


def _opposites(tree: ast.Module) -> list[ast.Name]:
    """Calls' functions, or functions that are passed, which have an opposite."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            by_key = any(keyword.arg == "key" for keyword in node.keywords)
            for name in (node.func, *node.args):
                if isinstance(name, ast.Name) and name.id in _OPPOSITES:
                    # Of two numbers the larger is arithmetic; of things by a key it is a rule.
                    if name.id in ("max", "min") and not (by_key and name is node.func):
                        continue
                    found.append(name)
    return sorted(found, key=lambda name: (name.lineno, name.col_offset))


def _constant(edit: Edit) -> Change:
    return lambda random: [edit]

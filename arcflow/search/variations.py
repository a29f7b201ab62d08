"""Variations of a search's programs: another argument of one step makes another rule."""

import ast
import functools
from collections import defaultdict

import numpy as np

from arcflow.omniarc.edits import without_docstring
from arcflow.omniarc.inputs import named_colors
from arcflow.search.reading import STEPS_BY_NAME, parse_program
from arcflow.search.registry import STEPS


@functools.cache
def siblings() -> dict[str, tuple[str, ...]]:
    """Return for each step the names of the steps of the same function with other arguments."""
    families: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
    for step in STEPS:
        families[step.kind, step.family].append(step.name)
    return {
        step.name: tuple(n for n in families[step.kind, step.family] if n != step.name)
        for step in STEPS
    }


def vary(text: str, random: np.random.Generator) -> str | None:
    """Return a program in which one step has another argument, wherever it stands.

    Args:
        text: A program that a search wrote.
        random: The generator that draws the step and its new argument.

    Returns:
        The program without its docstring, or None if no step has another argument.
    """
    written = parse_program(text)
    if written is None:
        return None
    names = [name for path, _ in written.layers for name in path]
    changing = [name for name in dict.fromkeys(names) if siblings()[name]]
    if not changing:
        return None
    old = changing[int(random.integers(len(changing)))]
    new = siblings()[old][int(random.integers(len(siblings()[old])))]
    # The line of the size stays: it says how large the outputs are, not how they are made.
    lines = [
        line.replace(repr(old), repr(new)) if " = piece(" in line else line
        for line in text.split("\n")
    ]
    return without_docstring("\n".join(lines))


def colors_in(text: str) -> frozenset[int]:
    """Return the colours that a program may name: in numbers, or in the names of its steps.

    Args:
        text: A program that a search wrote, or one made of such programs.
    """
    steps = (
        STEPS_BY_NAME.get(node.value)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return named_colors(text) | {step.color[1] for step in steps if step and step.color}

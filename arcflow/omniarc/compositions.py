"""Compositions of two programs, the second applied to the output of the first, as one text."""

import ast

from arcflow.omniarc.edits import Text
from arcflow.omniarc.registry import ProgramText

_TASK = "task"


def composition(first: ProgramText, second: ProgramText) -> str:
    """Return the text of a program that applies two programs one after the other.

    Args:
        first: The program that is applied to the input.
        second: The program that is applied to the output of the first.

    Returns:
        A text with a function for each program, by its own name, and ``task(grid)``.
    """
    return (
        f"{_named(first)}\n\n{_named(second)}\n\n"
        f"def {_TASK}(grid):\n    return {second.name}({first.name}(grid))\n"
    )


def _named(program: ProgramText) -> str:
    """Return the program's text with its function, and its calls of itself, under its own name."""
    text = Text(program.source)
    own = [n for n in ast.walk(text.tree) if isinstance(n, ast.Name) and n.id == _TASK]
    named = text.with_edits([text.replace(node, program.name) for node in own])
    return named.replace(f"def {_TASK}(grid)", f"def {program.name}(grid)", 1)

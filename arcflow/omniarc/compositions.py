"""Compositions: two programs, the second on what the first makes, as one text."""

import ast

from arcflow.omniarc.edits import Text
from arcflow.omniarc.registry import Program

_TASK = "task"


def composition(first: Program, second: Program) -> str:
    """One program of two, each a function by its own name.

    Args:
        first: whose output the second is given.
        second: another one.
    """
    return (
        f"{_named(first)}\n\n{_named(second)}\n\n"
        f"def {_TASK}(grid):\n    return {second.name}({first.name}(grid))\n"
    )


def _named(program: Program) -> str:
    """The program's text with its function, and its calls of itself, by its own name."""
    text = Text(program.source)
    own = [n for n in ast.walk(text.tree) if isinstance(n, ast.Name) and n.id == _TASK]
    named = text.with_edits([text.replace(node, program.name) for node in own])
    return named.replace(f"def {_TASK}(grid)", f"def {program.name}(grid)", 1)

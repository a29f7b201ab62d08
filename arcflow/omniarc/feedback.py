"""Feedback: what is wrong with a program, in a few words that a model reads to correct it.

Pairs are never numbered: a prompt may show them in another order, or leave some out. Nothing
depends on the run (addresses are left out), so equal mistakes give equal words.
"""

import re
from collections.abc import Sequence

import numpy as np

from arcflow.core.grid import Grid
from arcflow.sandbox.results import (
    BadOutput,
    Grids,
    Nondeterministic,
    OutOfMemory,
    Raised,
    Refused,
    Result,
    SyntaxProblem,
    TimedOut,
)

SHOWN_CELLS = 5
"""The largest number of wrong cells that are named."""
MESSAGE = 120
"""The largest length of an error message in characters."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


def error_feedback(kind: str, message: str = "", line: int = 0) -> str:
    """Describe an error, for example ``"IndexError in line 3: index 5 is out of bounds"``.

    Args:
        kind: The class of the exception.
        message: The text of the exception, of which the first line is shown, in ASCII.
        line: The line of the program's text, from 1; 0 if there is none.

    Returns:
        One line of text.
    """
    lines = message.strip().splitlines() or [""]
    words = lines[0].encode("ascii", "replace").decode("ascii")
    words = _ADDRESS.sub("0x", words)[:MESSAGE].rstrip()
    return kind + (f" in line {line}" if line else "") + (f": {words}" if words else "")


def grids_feedback(found: Sequence[Grid], wanted: Sequence[Grid]) -> str:
    """Describe how outputs differ from the right ones.

    The first output that differs is described, by its size or by its first cells that differ::

        In an output 2 of 9 cells are wrong.
        row 1, column 2: 3, should be 4
        row 3, column 1: 0, should be 4

    Args:
        found: The grids that the program returned, each of shape (H, W).
        wanted: The right outputs of the same pairs, in the same order.

    Returns:
        The description, or "" if no output differs.
    """
    for grid, right in zip(found, wanted, strict=True):
        if grid.shape != right.shape:
            return f"An output is {_size(grid)}, it should be {_size(right)}."
        rows, columns = np.nonzero(grid != right)
        if not len(rows):
            continue
        are = "is" if len(rows) == 1 else "are"
        lines = [f"In an output {len(rows)} of {grid.size} cells {are} wrong."]
        for row, column in zip(rows[:SHOWN_CELLS].tolist(), columns.tolist(), strict=False):
            is_now, should = grid[row, column], right[row, column]
            lines.append(f"row {row + 1}, column {column + 1}: {is_now}, should be {should}")
        return "\n".join(lines)
    return ""


def result_feedback(result: Result, wanted: Sequence[Grid]) -> str:
    """Describe what is wrong with the result of a program in the sandbox.

    Args:
        result: The result of the program on the inputs of some pairs.
        wanted: The right outputs of these pairs, in the same order.

    Returns:
        The description, or "" if nothing is wrong.
    """
    match result:
        case Grids(outputs):
            return grids_feedback(outputs, wanted)
        case SyntaxProblem(message, line):
            return error_feedback("SyntaxError", message, line)
        case Refused(construct, line):
            return error_feedback("Not allowed", construct, line)
        case Raised(kind, message, line):
            return error_feedback(kind, message, line)
        case TimedOut(seconds):
            return f"It takes longer than {seconds:g} s."
        case OutOfMemory(memory_mb):
            return f"It needs more than {memory_mb} MB."
        case BadOutput(what, found):
            return f"It returns no grid: bad {what} ({found})."
        case Nondeterministic():
            return "Asked twice about one input, it returns two things."


def _size(grid: Grid) -> str:
    return f"{grid.shape[0]}x{grid.shape[1]}"

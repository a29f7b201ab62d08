"""Rendering of grids and tasks as text for a terminal: coloured cells, or digits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import N_COLORS, Grid
from arcflow.core.printable import printable
from arcflow.core.task import Pair, Task

Colors = Literal["none", "256", "rgb"]
"""How cells are shown: as digits, in a terminal's 256 fixed colours, or in 24-bit colours."""

RGB = (
    (0, 0, 0),
    (0, 116, 217),
    (255, 65, 54),
    (46, 204, 64),
    (255, 220, 0),
    (170, 170, 170),
    (240, 18, 190),
    (255, 133, 27),
    (127, 219, 255),
    (135, 12, 37),
)
"""The red, green and blue parts (0 to 255) of colours 0 to 9, as on ARC's own pages."""

_XTERM = (16, 32, 203, 41, 220, 248, 199, 208, 117, 88)  # the nearest of 256 colours
_RESET = "\x1b[0m"
_GAP = 4  # the columns between two pairs


def detect_colors(is_tty: bool, environ: Mapping[str, str]) -> Colors:
    """Return the way to show cells that suits the output.

    Args:
        is_tty: Whether the text goes to a terminal; files and pipes get digits.
        environ: The environment variables. ``NO_COLOR`` (any text) and ``TERM=dumb`` ask for
            digits, ``COLORTERM`` equal to ``truecolor`` or ``24bit`` for 24-bit colours.
    """
    if not is_tty or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return "none"
    return best_colors(environ)


def best_colors(environ: Mapping[str, str]) -> Colors:
    """Return the most colours that ``COLORTERM`` promises, or ``"256"`` if it promises nothing."""
    return "rgb" if environ.get("COLORTERM") in ("truecolor", "24bit") else "256"


def render_grid(grid: Grid, colors: Colors = "256", cell: int = 2) -> str:
    """Return the grid as text, with one line for each row.

    Args:
        grid: The grid, of shape (H, W).
        colors: Whether cells are digits or coloured.
        cell: The number of columns that a cell takes, >= 1.
    """
    return "\n".join(line.rstrip() for line in _grid_block(grid, colors, cell).lines)


def render_task(task: Task, colors: Colors = "256", width: int = 80) -> str:
    """Return all pairs of ``task`` as text, side by side as far as ``width`` allows.

    A pair that is too wide gets one column for each cell, and then its output below its input.

    Args:
        task: The task; hidden test outputs are shown as ``?``.
        colors: Whether cells are digits or coloured.
        width: The width of the terminal, in columns.
    """
    blocks = [
        _pair_block(f"{part} {i}", pair, colors, width)
        for part, pairs in (("train", task.train), ("test", task.test))
        for i, pair in enumerate(pairs)
    ]
    head = f"{printable(task.id)}  {printable(task.source)}".rstrip()
    return "\n".join([head, "", *_flow(blocks, width)])


def render_beside(
    grids: Sequence[tuple[str, Grid, Grid | None]], colors: Colors = "256", width: int = 80
) -> list[str]:
    """Return the lines of titled grids, side by side as far as ``width`` allows.

    Args:
        grids: A title, a grid, and the grid that it should be: cells that differ are marked by
            ``x`` if the two have one size. None stands for a truth that is not known.
        colors: Whether cells are digits or coloured.
        width: The width of the terminal, in columns.
    """
    blocks = []
    for title, grid, truth in grids:
        wrong = None
        if truth is not None and truth.shape == grid.shape:
            wrong = grid != truth
        cell = 2 if 2 * grid.shape[1] <= width else 1
        blocks.append(_stack([_words(title), _grid_block(grid, colors, cell, wrong)]))
    return _flow(blocks, width)


@dataclass(frozen=True, slots=True)
class _DrawnGrid:
    """Lines that each take ``width`` columns on the screen, not counting colour codes."""

    lines: list[str]
    width: int


def _words(words: str) -> _DrawnGrid:
    return _DrawnGrid([words], len(words))


def _grid_block(
    grid: Grid | None, colors: Colors, cell: int, wrong: NDArray[np.bool_] | None = None
) -> _DrawnGrid:
    if grid is None:
        return _words("?")
    if colors == "none":
        paint, end = [f"{c:<{cell}d}" for c in range(N_COLORS)], ""
    elif colors == "256":
        paint, end = [f"\x1b[48;5;{code}m" + " " * cell for code in _XTERM], _RESET
    else:
        paint, end = [f"\x1b[48;2;{r};{g};{b}m" + " " * cell for r, g, b in RGB], _RESET
    if wrong is None:
        lines = ["".join(paint[c] for c in row) + end for row in grid.tolist()]
    else:
        # The mark takes the last of the cell's columns, or the only one.
        marked = [f"{text[:-1]}x" for text in paint]
        lines = [
            "".join(marked[c] if bad else paint[c] for c, bad in zip(row, marks, strict=True)) + end
            for row, marks in zip(grid.tolist(), wrong.tolist(), strict=True)
        ]
    return _DrawnGrid(lines, grid.shape[1] * cell)


def _pair_block(name: str, pair: Pair, colors: Colors, width: int) -> _DrawnGrid:
    grids = (pair.input, pair.output)
    sizes = ["?" if grid is None else f"{grid.shape[0]}x{grid.shape[1]}" for grid in grids]
    title = _words(f"{name}  {sizes[0]} -> {sizes[1]}")
    for cell in (2, 1):
        left, right = (_grid_block(grid, colors, cell) for grid in grids)
        arrow = _DrawnGrid([*[""] * ((min(len(left.lines), len(right.lines)) - 1) // 2), "->"], 2)
        body = _beside([left, arrow, right], gap=1)
        if body.width <= width:
            return _stack([title, body])
    widest = max(grid.shape[1] for grid in grids if grid is not None)
    left, right = (_grid_block(grid, colors, 2 if 2 * widest <= width else 1) for grid in grids)
    return _stack([title, left, _words("->"), right])


def _stack(blocks: Sequence[_DrawnGrid]) -> _DrawnGrid:
    width = max(block.width for block in blocks)
    lines = [line + " " * (width - block.width) for block in blocks for line in block.lines]
    return _DrawnGrid(lines, width)


def _beside(blocks: Sequence[_DrawnGrid], gap: int) -> _DrawnGrid:
    rows = zip_longest(*(block.lines for block in blocks), fillvalue="")
    lines = [
        (" " * gap).join(line or " " * block.width for line, block in zip(row, blocks, strict=True))
        for row in rows
    ]
    return _DrawnGrid(lines, sum(block.width for block in blocks) + gap * (len(blocks) - 1))


def _flow(blocks: Sequence[_DrawnGrid], width: int) -> list[str]:
    """Return the lines of blocks set left to right in rows of up to ``width``, each with a blank
    line.
    """
    rows: list[list[_DrawnGrid]] = []
    used = 0
    for block in blocks:
        if rows and used + _GAP + block.width <= width:
            rows[-1].append(block)
            used += _GAP + block.width
        else:
            rows.append([block])
            used = block.width
    return [line.rstrip() for row in rows for line in (*_beside(row, _GAP).lines, "")]

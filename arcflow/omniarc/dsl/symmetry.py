"""Mirrors and turns, and what is symmetric under them."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np

from arcflow.omniarc.dsl.errors import DslError
from arcflow.omniarc.dsl.types import Cells, Grid, Mask, new_cells

Axis = Literal["left_right", "up_down", "diagonal", "antidiagonal", "half_turn"]

_TURNS: dict[str, Callable[[Any], Any]] = {
    "left_right": lambda cells: cells[:, ::-1],
    "up_down": lambda cells: cells[::-1],
    "diagonal": lambda cells: cells.T,
    "antidiagonal": lambda cells: cells[::-1, ::-1].T,
    "half_turn": lambda cells: cells[::-1, ::-1],
}


def flip_left_right(grid: Cells) -> Cells:
    """The mirror image, left and right exchanged.

    Args:
        grid: a grid or a mask, shape (H, W).

    Example:
        >>> flip_left_right(to_grid([[1, 2], [3, 4]])).tolist()
        [[2, 1], [4, 3]]
    """
    return new_cells("flip_left_right", np.asarray(grid)[:, ::-1])


def flip_up_down(grid: Cells) -> Cells:
    """The mirror image, top and bottom exchanged.

    Args:
        grid: a grid or a mask, shape (H, W).

    Example:
        >>> flip_up_down(to_grid([[1, 2], [3, 4]])).tolist()
        [[3, 4], [1, 2]]
    """
    return new_cells("flip_up_down", np.asarray(grid)[::-1])


def rotate(grid: Cells, quarter_turns: int = 1) -> Cells:
    """The grid turned clockwise.

    Args:
        grid: a grid or a mask, shape (H, W).
        quarter_turns: how many times by 90 degrees; negative ones are counter-clockwise.

    Example:
        >>> rotate(to_grid([[1, 2], [3, 4]])).tolist()
        [[3, 1], [4, 2]]
    """
    return new_cells("rotate", np.rot90(grid, -quarter_turns))


def transpose(grid: Cells) -> Cells:
    """Rows and columns exchanged: the mirror image along the diagonal from the top left.

    Args:
        grid: a grid or a mask, shape (H, W).

    Example:
        >>> transpose(to_grid([[1, 2, 3]])).tolist()
        [[1], [2], [3]]
    """
    return new_cells("transpose", np.asarray(grid).T)


def eight_turns(grid: Cells) -> list[Cells]:
    """The grid turned clockwise by 0, 1, 2 and 3 quarters, then its mirror image likewise.

    Args:
        grid: a grid or a mask, shape (H, W). Of a symmetric one several results are equal.

    Example:
        >>> [turned.tolist() for turned in eight_turns(to_grid([[1, 2]]))][:3]
        [[[1, 2]], [[1], [2]], [[2, 1]]]
    """
    mirrored = flip_left_right(grid)
    return [rotate(cells, turns) for cells in (grid, mirrored) for turns in range(4)]


def is_symmetric(grid: Cells, axis: Axis) -> bool:
    """Whether a mirror (or a half turn) about the middle leaves the grid as it is.

    Args:
        grid: a grid or a mask, shape (H, W).
        axis: "left_right" (left and right exchanged), "up_down", "diagonal" (along the diagonal
            from the top left), "antidiagonal" or "half_turn". No grid that is not square is
            symmetric along a diagonal.

    Raises:
        DslError: there is no such axis.

    Example:
        >>> is_symmetric(to_grid([[1, 2, 1], [3, 4, 3]]), "left_right")
        True
    """
    turned = _turn("is_symmetric", axis)(np.asarray(grid))
    return turned.shape == grid.shape and bool((turned == grid).all())


def complete_symmetry(grid: Grid, hole: int, *axes: Axis) -> Grid:
    """The grid with its holes filled from their mirror images.

    The middle of the symmetry may lie anywhere: of all places where no known cell contradicts its
    mirror image, the one counts where most cells agree with theirs (a cell on the mirror's line,
    its own image, does not count). The axis with most agreement
    fills first, the others what it leaves. Holes whose images all are holes, or outside, stay.

    Args:
        grid: shape (H, W).
        hole: the colour of the cells to fill.
        axes: which symmetries the grid has, as in ``is_symmetric``; none given: the four mirrors,
            as far as they hold.

    Raises:
        DslError: there is no such axis.

    Example:
        >>> complete_symmetry(to_grid([[5, 1, 2, 2, 1, 5], [7, 3, 4, 4, 0, 0]]), 0).tolist()
        [[5, 1, 2, 2, 1, 5], [7, 3, 4, 4, 3, 7]]
    """
    result: Grid = new_cells("complete_symmetry", grid)
    wanted = axes or ("left_right", "up_down", "diagonal", "antidiagonal")
    for axis in wanted:
        _turn("complete_symmetry", axis)
    while (result == hole).any():
        found = [_best_window(result, hole, axis) for axis in wanted]
        found.sort(key=lambda place: -place[0])
        if not any(_fill(result[window], hole, _TURNS[axis]) for _, window, axis in found):
            break
    return result


def _turn(where: str, axis: str) -> Callable[[Any], Any]:
    if axis not in _TURNS:
        raise DslError(f"{where}: axis {axis!r}, expected one of {', '.join(_TURNS)}")
    return _TURNS[axis]


_Window = tuple[slice, slice]


def _best_window(grid: Grid, hole: int, axis: str) -> tuple[int, _Window, str]:
    """(agreeing cells, window, axis) of the mirror's best place: (0, nothing, axis) without one.

    A mirror somewhere maps the cells of one window, which touches the grid's edges, on each other
    and all others outside; within the window it is the mirror about the window's middle.
    """
    turn, known = _TURNS[axis], grid != hole
    best, place = 0, (slice(0), slice(0))
    height, width = grid.shape
    for area, window in _windows(height, width, axis):
        if area <= best:
            break
        cells, shown = grid[window], known[window]
        both = shown & turn(shown)
        if (both & (cells != turn(cells))).any():
            continue
        agree = int(np.count_nonzero(both & _exchanged(*both.shape, axis)))
        if agree > best:
            best, place = agree, window
    return best, place, axis


@cache
def _windows(height: int, width: int, axis: str) -> list[tuple[int, _Window]]:
    """(area, window) of each place of a mirror, the largest first."""
    rows, columns = _spans(height), _spans(width)
    if axis == "left_right":
        boxes = [(0, height, *span) for span in columns]
    elif axis == "up_down":
        boxes = [(*span, 0, width) for span in rows]
    elif axis == "half_turn":
        boxes = [(*row_span, *span) for row_span in rows for span in columns]
    elif axis == "diagonal":
        boxes = [
            (max(0, d), min(height, width + d), max(0, -d), min(width, height - d))
            for d in range(1 - width, height)
        ]
    else:
        boxes = [
            (max(0, s - width + 1), min(height, s + 1), max(0, s - height + 1), min(width, s + 1))
            for s in range(height + width - 1)
        ]
    found = [
        ((end_row - top) * (end_column - left), (slice(top, end_row), slice(left, end_column)))
        for top, end_row, left, end_column in boxes
    ]
    return sorted(found, key=lambda place: -place[0])


@cache
def _exchanged(height: int, width: int, axis: str) -> Mask:
    """Which cells of a window are not their own mirror images."""
    places = np.arange(height * width).reshape(height, width)
    moved: Mask = places != _TURNS[axis](places)
    return moved


def _spans(side: int) -> list[tuple[int, int]]:
    """(first, end) of the lines that a mirror at each place exchanges, or leaves, in a side."""
    return [(max(0, s - side + 1), min(side, s + 1)) for s in range(2 * side - 1)]


def _fill(cells: Grid, hole: int, turn: Callable[[Any], Any]) -> bool:
    """Fill a window's holes in place from its mirror image; whether there were any to fill."""
    image = turn(cells.copy())
    fillable = (cells == hole) & (image != hole)
    cells[fillable] = image[fillable]
    return bool(fillable.any())

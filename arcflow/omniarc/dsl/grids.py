"""Grids: new ones, parts of them, and grids put on each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.types import Cells, Grid, Mask, new_cells


def new_grid(height: int, width: int, color: int = 0) -> Grid:
    """A grid of one colour.

    Args:
        height: rows, 1 or more.
        width: columns, 1 or more.
        color: of all cells.

    Raises:
        DslError: a side is below 1, or the colour is not 0 to 9.

    Example:
        >>> new_grid(2, 3, color=7).tolist()
        [[7, 7, 7], [7, 7, 7]]
    """
    if height < 1 or width < 1:
        raise DslError(
            f"new_grid: {height}x{width} cells, expected a height and a width of 1 or more"
        )
    check_color("new_grid", color)
    return np.full((height, width), color, dtype=np.int8)


def to_grid(rows: Sequence[Sequence[int]] | Grid) -> Grid:
    """A grid of rows of colours.

    Args:
        rows: lists of equal length, or an array of shape (H, W).

    Raises:
        DslError: the rows differ in length, or a cell is not 0 to 9.

    Example:
        >>> to_grid([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    try:
        array: Any = np.asarray(rows)
    except ValueError as error:
        raise DslError("to_grid: rows of different lengths, expected one length") from error
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iub":
        raise DslError(
            f"to_grid: {array.dtype} of shape {array.shape}, expected rows of whole numbers"
        )
    if array.min() < 0 or array.max() > 9:
        raise DslError(f"to_grid: cells {array.min()} to {array.max()}, expected 0 to 9")
    return np.array(array, dtype=np.int8, order="C")


def crop(grid: Cells, top: int, left: int, height: int, width: int) -> Cells:
    """The part of a grid (or mask) in a box, shape (height, width).

    Args:
        grid: shape (H, W).
        top: first row.
        left: first column.
        height: rows.
        width: columns.

    Raises:
        DslError: the box is empty or leaves the grid.

    Example:
        >>> crop(to_grid([[1, 2, 3], [4, 5, 6]]), 0, 1, 2, 2).tolist()
        [[2, 3], [5, 6]]
    """
    rows, columns = grid.shape
    inside = 0 <= top < top + height <= rows and 0 <= left < left + width <= columns
    if not inside:
        raise DslError(
            f"crop: box of {height}x{width} cells at ({top}, {left}), "
            f"expected one inside the grid of {rows}x{columns}"
        )
    return new_cells("crop", grid[top : top + height, left : left + width])


def paste(grid: Grid, patch: Grid, top: int, left: int, transparent: int | None = None) -> Grid:
    """The grid with a patch put on it; what hangs over the edges is cut off.

    Args:
        grid: shape (H, W).
        patch: shape (h, w).
        top: row of the patch's first row; may be negative.
        left: column of its first column; may be negative.
        transparent: a colour of the patch that lets the grid show through.

    Example:
        >>> paste(new_grid(2, 3), to_grid([[1, 2], [3, 4]]), 0, 2).tolist()
        [[0, 0, 1], [0, 0, 3]]
    """
    result: Grid = new_cells("paste", grid)
    first_row, first_column = max(0, -top), max(0, -left)
    shown = np.asarray(patch)[
        first_row : max(0, result.shape[0] - top), first_column : max(0, result.shape[1] - left)
    ]
    row, column = top + first_row, left + first_column
    under = result[row : row + shown.shape[0], column : column + shown.shape[1]]
    if under.size and transparent is None:
        under[...] = shown
    elif under.size:
        np.copyto(under, shown, where=shown != transparent, casting="unsafe")
    return result


def trim(grid: Cells, background: int = 0) -> Cells:
    """The smallest part of a grid that holds all its cells of other colours.

    Args:
        grid: shape (H, W).
        background: the colour to cut away at the edges.

    Raises:
        DslError: every cell has that colour.

    Example:
        >>> trim(to_grid([[0, 0, 0], [0, 5, 6], [0, 0, 0]])).tolist()
        [[5, 6]]
    """
    other = np.asarray(grid) != background
    if not other.any():
        raise DslError(f"trim: all cells have colour {background}, expected another one")
    return crop(grid, *bounding_box(other))


def pad(grid: Cells, amount: int | tuple[int, int, int, int], color: int = 0) -> Cells:
    """The grid with a margin around it.

    Args:
        grid: shape (H, W).
        amount: width of the margin in cells, or (top, bottom, left, right).
        color: of the margin.

    Raises:
        DslError: an amount is negative, or the colour is not 0 to 9.

    Example:
        >>> pad(to_grid([[5]]), (0, 1, 2, 0), color=3).tolist()
        [[3, 3, 5], [3, 3, 3]]
    """
    top, bottom, left, right = amount if isinstance(amount, Sequence) else (amount,) * 4
    if min(top, bottom, left, right) < 0:
        raise DslError(f"pad: margin {amount}, expected 0 or more")
    check_color("pad", color)
    cells = new_cells("pad", grid)
    height, width = cells.shape
    result = np.full((top + height + bottom, left + width + right), color, dtype=cells.dtype)
    result[top : top + height, left : left + width] = cells
    return result


def shift(grid: Cells, d_row: int, d_col: int, fill: int = 0, wrap: bool = False) -> Cells:
    """The whole grid moved; its size stays.

    Args:
        grid: shape (H, W).
        d_row: rows down (negative: up).
        d_col: columns to the right (negative: to the left).
        fill: colour of the cells that get free.
        wrap: what leaves at one edge comes back at the other.

    Raises:
        DslError: the colour is not 0 to 9.

    Example:
        >>> shift(to_grid([[1, 2, 3]]), 0, 1).tolist()
        [[0, 1, 2]]
    """
    cells = new_cells("shift", grid)
    if wrap:
        return np.roll(cells, (d_row, d_col), (0, 1))
    check_color("shift", fill)
    height, width = cells.shape
    result = np.full_like(cells, fill)
    if abs(d_row) < height and abs(d_col) < width:
        result[max(0, d_row) : height + min(0, d_row), max(0, d_col) : width + min(0, d_col)] = (
            cells[max(0, -d_row) : height - max(0, d_row), max(0, -d_col) : width - max(0, d_col)]
        )
    return result


def overlay(grids: Sequence[Grid], transparent: int = 0) -> Grid:
    """Grids of one shape laid over each other, the later over the earlier.

    Args:
        grids: one or more, each of shape (H, W).
        transparent: the colour through which earlier grids show.

    Raises:
        DslError: there is no grid, or the shapes differ.

    Example:
        >>> overlay([to_grid([[1, 1, 0]]), to_grid([[0, 2, 0]])]).tolist()
        [[1, 2, 0]]
    """
    if not len(grids):
        raise DslError("overlay: 0 grids, expected 1 or more")
    result: Grid = new_cells("overlay", grids[0])
    for grid in grids[1:]:
        if grid.shape != result.shape:
            raise DslError(f"overlay: a grid of shape {grid.shape}, expected {result.shape}")
        np.copyto(result, grid, where=grid != transparent, casting="unsafe")
    return result


def bounding_box(mask: Mask | Grid) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the smallest box that holds all True cells.

    Args:
        mask: shape (H, W); of a grid, the cells other than 0 count.

    Raises:
        DslError: no cell is True.

    Example:
        >>> bounding_box(to_grid([[0, 0, 0], [0, 5, 5]]) == 5)
        (1, 1, 1, 2)
    """
    rows, columns = np.nonzero(mask)
    if not rows.size:
        raise DslError(f"bounding_box: no True cell in shape {mask.shape}, expected one or more")
    top, left = int(rows[0]), int(columns.min())
    return top, left, int(rows[-1]) - top + 1, int(columns.max()) - left + 1

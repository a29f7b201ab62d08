"""Grids: read-only int8 arrays of shape (H, W), with sides of 1 to 30 and cells of 0 to 9."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError

MAX_SIDE = 30
N_COLORS = 10

Grid = NDArray[np.int8]
"""A read-only array of shape (H, W) in cells, which may be a view of another array."""

GridKey = tuple[int, int, bytes]
"""Height, width and the cells row by row: hashable, and equal for equal grids."""

_COLORS = bytes(range(N_COLORS))
_NEXT = "Correct the grid in its file or generator."


def make_grid(cells: Sequence[Sequence[int]] | NDArray[Any], where: str = "grid") -> Grid:
    """Check ``cells`` and return them as a grid; all outside data becomes grids here.

    Args:
        cells: 1 to 30 rows of the same length, 1 to 30, of colours 0 to 9.
        where: What the grid is, for error messages, e.g. ``"task 1a2b, train pair 0, input"``.

    Raises:
        DataError: The cells are no valid grid. The message names row, column and value of the first
            thing that is wrong.
    """
    if isinstance(cells, np.ndarray):
        if cells.ndim != 2 or cells.dtype.kind not in "iu":
            raise DataError(
                f"{where}: not a grid",
                value=f"array of shape {cells.shape}, dtype {cells.dtype}",
                expected="a 2-D array of integers",
                next_step=_NEXT,
            )
        rows: Sequence[Sequence[int]] = cells.tolist()
    else:
        rows = cells
    grid = _well_formed(rows)
    if grid is not None:
        return grid
    if not isinstance(rows, list | tuple) or not rows:
        raise DataError(
            f"{where}: not a grid",
            value=rows,
            expected=f"a list of 1 to {MAX_SIDE} rows",
            next_step=_NEXT,
        )
    if len(rows) > MAX_SIDE:
        raise DataError(
            f"{where}: too many rows",
            value=len(rows),
            expected=f"1 to {MAX_SIDE} rows",
            next_step=_NEXT,
        )
    for r, row in enumerate(rows):
        _check_row(row, r, len(rows[0]) if isinstance(rows[0], list | tuple) else 0, where)
    return freeze(np.array(rows, dtype=np.int8))


def _well_formed(rows: object) -> Grid | None:
    """Return the grid, or None if it may be wrong and the slower checks have to look.

    This is three times as fast as they are, and reading votes and tasks makes thousands of grids.
    """
    if type(rows) is not list or not 1 <= len(rows) <= MAX_SIDE or set(map(type, rows)) != {list}:
        return None
    widths = set(map(len, rows))
    cells = list(chain.from_iterable(rows))
    # Types are compared exactly, because a bool is an int of value 0 or 1.
    if len(widths) != 1 or not 1 <= max(widths) <= MAX_SIDE or set(map(type, cells)) != {int}:
        return None
    try:
        data = bytes(cells)
    except ValueError:  # a number outside 0..255
        return None
    if data.translate(None, _COLORS):
        return None
    return np.frombuffer(data, dtype=np.int8).reshape(len(rows), -1)


def _check_row(row: object, r: int, width: int, where: str) -> None:
    if not isinstance(row, list | tuple) or not 1 <= len(row) <= MAX_SIDE:
        raise DataError(
            f"{where}: bad row {r}",
            value=len(row) if isinstance(row, list | tuple) else row,
            expected=f"a list of 1 to {MAX_SIDE} cells",
            next_step=_NEXT,
        )
    if len(row) != width:
        raise DataError(
            f"{where}: ragged rows, row {r} has another length than row 0",
            value=len(row),
            expected=f"{width} cells, as in row 0",
            next_step=_NEXT,
        )
    for c, cell in enumerate(row):
        if not isinstance(cell, int) or isinstance(cell, bool) or not 0 <= cell < N_COLORS:
            raise DataError(
                f"{where}: bad cell at row {r}, column {c}",
                value=cell,
                expected=f"an integer 0..{N_COLORS - 1}",
                next_step=_NEXT,
            )


def freeze(array: NDArray[np.int8]) -> Grid:
    """Mark an int8 array, known to be a valid grid, read-only and return it without a copy."""
    array.setflags(write=False)
    return array


def grid_key(grid: Grid) -> GridKey:
    """Return a hashable value that is equal exactly for equal grids."""
    return (grid.shape[0], grid.shape[1], grid.tobytes())

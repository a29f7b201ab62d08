"""Panels: grids that lines divide into parts, and parts put together."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.types import Grid, Mask, new_cells


def find_separators(grid: Grid, color: int | None = None) -> tuple[list[int], list[int]]:
    """The rows and the columns that one colour fills from edge to edge.

    Args:
        grid: shape (H, W).
        color: of the lines; without one, the colour other than 0 that fills most rows and
            columns (ties: the lowest).

    Example:
        >>> find_separators(to_grid([[1, 5, 2], [5, 5, 5], [3, 5, 4]]))
        ([1], [1])
    """
    cells = np.asarray(grid)
    # A line from edge to edge starts in the first row or the first column.
    seen = {*cells[0].tolist(), *cells[:, 0].tolist()} - {0}
    wanted = sorted(seen) if color is None else [color]
    found: tuple[list[int], list[int]] = ([], [])
    for one in wanted:
        filled = cells == one
        rows, columns = _true(filled.all(axis=1)), _true(filled.all(axis=0))
        if len(rows) + len(columns) > len(found[0]) + len(found[1]):
            found = rows, columns
    return found


def split_panels(grid: Grid, color: int | None = None) -> list[list[Grid]]:
    """The parts of a grid between its separators, as rows of panels.

    Args:
        grid: shape (H, W).
        color: of the separators, as in ``find_separators``. Without separators the grid is the
            only panel.

    Example:
        >>> [[p.tolist() for p in row] for row in split_panels(to_grid([[1, 5, 2], [3, 5, 4]]))]
        [[[[1], [3]], [[2], [4]]]]
    """
    cells: Grid = new_cells("split_panels", grid)
    rows, columns = find_separators(cells, color)
    row_spans, column_spans = _spans(rows, cells.shape[0]), _spans(columns, cells.shape[1])
    if not column_spans:
        return []
    return [
        [cells[top:bottom, left:right].copy() for left, right in column_spans]
        for top, bottom in row_spans
    ]


def split_halves(grid: Grid) -> tuple[Grid, Grid]:
    """The two halves on either side of a line of one colour through the middle.

    Args:
        grid: shape (H, W); the line is its middle row or its middle column. Where both are of
            one colour, it is the one whose colour the halves do not have, else the row.

    Returns:
        The half above the line and the one below it, or the left and the right one.

    Raises:
        DslError: there is no such line.

    Example:
        >>> [half.tolist() for half in split_halves(to_grid([[1, 5, 2]]))]
        [[[1]], [[2]]]
    """
    cells: Grid = new_cells("split_halves", grid)
    found = []
    for turned, axis in ((cells, 0), (cells.T, 1)):
        middle = len(turned) // 2
        line = turned[middle]
        if len(turned) % 2 and len(turned) > 1 and (line == line[0]).all():
            alone = np.count_nonzero(cells == line[0]) == len(line)
            halves = np.split(cells, [middle, middle + 1], axis=axis)
            found.append((not alone, axis, halves[0], halves[2]))
    if not found:
        raise DslError(
            f"split_halves: grid of {cells.shape[0]}x{cells.shape[1]}, "
            "expected a middle row or column of one colour"
        )
    _, _, first, second = min(found, key=lambda halves: halves[:2])
    return first.copy(), second.copy()


def split_evenly(grid: Grid, rows: int, columns: int) -> list[list[Grid]]:
    """The grid cut into panels of one size, as rows of panels.

    Args:
        grid: shape (H, W).
        rows: of panels; divides H.
        columns: of panels; divides W.

    Raises:
        DslError: the grid cannot be cut so.

    Example:
        >>> [panel.tolist() for panel in split_evenly(to_grid([[1, 2, 3, 4]]), 1, 2)[0]]
        [[[1, 2]], [[3, 4]]]
    """
    cells: Grid = new_cells("split_evenly", grid)
    if rows < 1 or columns < 1 or cells.shape[0] % rows or cells.shape[1] % columns:
        raise DslError(
            f"split_evenly: {rows}x{columns} panels, "
            f"expected divisors of {cells.shape[0]}x{cells.shape[1]}"
        )
    height, width = cells.shape[0] // rows, cells.shape[1] // columns
    return [
        [
            cells[r * height : (r + 1) * height, c * width : (c + 1) * width].copy()
            for c in range(columns)
        ]
        for r in range(rows)
    ]


def join_panels(
    panels: Sequence[Sequence[Grid]], separator: int | None = None, gap: int = 1
) -> Grid:
    """One grid of rows of panels, with lines between them or without.

    Args:
        panels: rows of panels; those of a row have one height, all rows together one width.
        separator: colour of the lines between panels; None: no lines.
        gap: width of these lines in cells.

    Raises:
        DslError: there is no panel, sizes do not fit, the colour is not 0 to 9 or the gap
            negative.

    Example:
        >>> join_panels([[to_grid([[1]]), to_grid([[2]])]], separator=5).tolist()
        [[1, 5, 2]]
    """
    if separator is not None:
        check_color("join_panels", separator)
    if gap < 0:
        raise DslError(f"join_panels: gap {gap}, expected 0 or more")
    if not len(panels) or not all(len(row) for row in panels):
        raise DslError("join_panels: no panels, expected one or more in each row")
    parts = [[new_cells("join_panels", panel) for panel in row] for row in panels]
    return _joined([_joined(row, separator, gap, 1) for row in parts], separator, gap, 0)


def _joined(parts: list[Grid], separator: int | None, gap: int, axis: int) -> Grid:
    """Grids joined along an axis, with lines between them."""
    across = {part.shape[1 - axis] for part in parts}
    if len(across) > 1:
        side = "one height in a row" if axis else "one width for all rows"
        raise DslError(f"join_panels: sides of {sorted(across)} cells, expected {side}")
    if separator is None or not gap:
        return np.concatenate(parts, axis=axis)
    shape = (parts[0].shape[0], gap) if axis else (gap, parts[0].shape[1])
    line = np.full(shape, separator, np.int8)
    return np.concatenate([p for part in parts for p in (line, part)][1:], axis=axis)


def _true(mask: Mask) -> list[int]:
    return np.flatnonzero(mask).tolist()


def _spans(lines: list[int], side: int) -> list[tuple[int, int]]:
    """The stretches (start, end) of 0 .. side - 1 between the lines."""
    bounds = [-1, *lines, side]
    return [(before + 1, line) for before, line in pairwise(bounds) if line > before + 1]

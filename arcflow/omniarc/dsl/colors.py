"""Colours: which there are, how often, where, and others in their place."""

from collections.abc import Collection, Mapping

import numpy as np

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.types import Grid, Mask, new_cells


def count_color(grid: Grid, color: int) -> int:
    """The number of cells of one colour.

    Args:
        grid: shape (H, W), or some of its cells (a row, ``grid[mask]``).
        color: to count.

    Example:
        >>> count_color(to_grid([[1, 0], [1, 2]]), 1)
        2
    """
    return int(np.count_nonzero(grid == color))


def colors_of(grid: Grid, ignore: int | Collection[int] = ()) -> list[int]:
    """The colours of a grid, the commonest first; of equally common ones the lower first.

    Args:
        grid: shape (H, W), or some of its cells (a row, ``grid[mask]``).
        ignore: a colour or colours to leave out.

    Raises:
        DslError: a cell is negative.

    Example:
        >>> colors_of(to_grid([[4, 4, 0], [2, 0, 4]]), ignore=0)
        [4, 2]
    """
    return sorted(counts := _counts(grid, ignore), key=lambda color: (-counts[color], color))


def most_common_color(grid: Grid, ignore: int | Collection[int] = ()) -> int:
    """The colour of most cells; of equally common ones the lowest.

    Args:
        grid: shape (H, W), or some of its cells (a row, ``grid[mask]``).
        ignore: a colour or colours that do not count.

    Raises:
        DslError: there is no other colour.

    Example:
        >>> most_common_color(to_grid([[0, 0, 0], [5, 5, 2]]), ignore=0)
        5
    """
    counts = _counts(grid, ignore)
    if not counts:
        raise DslError(f"most_common_color: no colour but {ignore}, expected another one")
    return max(counts, key=lambda color: counts[color])


def least_common_color(grid: Grid, ignore: int | Collection[int] = ()) -> int:
    """The colour of fewest cells among those that occur; of equally rare ones the lowest.

    Args:
        grid: shape (H, W), or some of its cells (a row, ``grid[mask]``).
        ignore: a colour or colours that do not count.

    Raises:
        DslError: there is no other colour.

    Example:
        >>> least_common_color(to_grid([[0, 0, 0], [5, 5, 2]]))
        2
    """
    counts = _counts(grid, ignore)
    if not counts:
        raise DslError(f"least_common_color: no colour but {ignore}, expected another one")
    return min(counts, key=lambda color: counts[color])


def recolor(grid: Grid, mapping: Mapping[int, int]) -> Grid:
    """Every cell of a colour that the mapping names gets the colour it maps to, all at once.

    Args:
        grid: shape (H, W).
        mapping: old colour -> new colour; others stay.

    Raises:
        DslError: a new colour is not 0 to 9.

    Example:
        >>> recolor(to_grid([[1, 2, 3]]), {1: 2, 2: 1}).tolist()
        [[2, 1, 3]]
    """
    result: Grid = new_cells("recolor", grid)
    before = result.copy()
    for old, new in mapping.items():
        check_color("recolor", new)
        result[before == old] = new
    return result


def positions(cells: Grid | Mask, color: int | None = None) -> list[tuple[int, int]]:
    """The (row, column) of every cell of a colour, or of every True cell, in reading order.

    Args:
        cells: a grid or a mask, shape (H, W).
        color: to look for in a grid; without one, every colour but 0.

    Example:
        >>> positions(to_grid([[0, 3], [3, 0]]), 3)
        [(0, 1), (1, 0)]
    """
    rows, columns = np.nonzero(cells if color is None else cells == color)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _counts(grid: Grid, ignore: int | Collection[int]) -> dict[int, int]:
    """Colour -> cells, lower colours first, without those to ignore."""
    left_out = ignore if isinstance(ignore, Collection) else (ignore,)
    try:
        counts = np.bincount(np.asarray(grid).ravel()).tolist()
    except ValueError as error:
        raise DslError(f"colours of a grid with a cell {np.min(grid)}, expected 0 to 9") from error
    return {c: n for c, n in enumerate(counts) if n and c not in left_out}

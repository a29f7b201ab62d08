"""Masks: connected parts, what they enclose, how they grow, and where a grid's edge is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.types import Grid, Mask, new_cells


def components(mask: Mask, diagonal: bool = True) -> list[Mask]:
    """The connected parts of a mask, each a mask of the same shape, by their first cell.

    Args:
        mask: shape (H, W).
        diagonal: cells that share only a corner are connected too.

    Example:
        >>> parts = components(to_grid([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) == 1, diagonal=False)
        >>> [positions(part) for part in parts]
        [[(0, 0)], [(1, 1)], [(2, 2)]]
    """
    labels, boxes = label(_cells("components", mask) - np.int8(1), diagonal)
    return [labels == index + 1 for index in range(len(boxes))]


def flood_fill(grid: Grid, row: int, col: int, color: int, diagonal: bool = False) -> Grid:
    """The connected cells of one colour around a cell get another colour.

    Args:
        grid: shape (H, W).
        row: of the cell to start from.
        col: of the cell to start from.
        color: to fill with.
        diagonal: cells that share only a corner are connected too.

    Raises:
        DslError: the cell lies outside the grid, or the colour is not 0 to 9.

    Example:
        >>> flood_fill(to_grid([[0, 0, 5, 0]]), 0, 0, 3).tolist()
        [[3, 3, 5, 0]]
    """
    check_color("flood_fill", color)
    result: Grid = new_cells("flood_fill", grid)
    check_inside("flood_fill", result, (row, col))
    labels, _ = label((result == result[row, col]) - np.int8(1), diagonal)
    result[labels == labels[row, col]] = color
    return result


def enclosed(walls: Mask, diagonal: bool = False) -> Mask:
    """The open cells from which no walk over open cells leads to the grid's border.

    Args:
        walls: shape (H, W), True where nobody can walk.
        diagonal: walks may also step diagonally, so walls need to be closed at the corners.

    Example:
        >>> positions(enclosed(to_grid([[2, 2, 2, 0], [2, 0, 2, 0], [2, 2, 2, 0]]) == 2))
        [(1, 1)]
    """
    labels, boxes = label(-_cells("enclosed", walls), diagonal)
    height, width = labels.shape
    inside = [
        top > 0 and left > 0 and bottom < height - 1 and right < width - 1
        for top, left, bottom, right in boxes
    ]
    return np.array([False, *inside])[labels]


def count_neighbors(mask: Mask, diagonal: bool = True) -> Grid:
    """For every cell, how many of the cells around it are True; the cell itself does not count.

    Args:
        mask: shape (H, W).
        diagonal: all eight cells around count, else the four that share a side.

    Example:
        >>> count_neighbors(to_grid([[1, 1, 0], [0, 1, 0]]) == 1).tolist()
        [[2, 2, 2], [3, 2, 2]]
    """
    cells = _cells("count_neighbors", mask)
    height, width = cells.shape
    padded = np.zeros((height + 2, width + 2), dtype=np.int8)
    padded[1:-1, 1:-1] = cells
    if diagonal:
        rows = padded[:-2] + padded[1:-1] + padded[2:]
        return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - cells
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]


def grow(mask: Mask, diagonal: bool = True, steps: int = 1) -> Mask:
    """The mask with the cells around it; what would leave the grid is cut off.

    Args:
        mask: shape (H, W).
        diagonal: it grows in eight directions, else in four.
        steps: how often, 0 or more.

    Raises:
        DslError: steps is negative.

    Example:
        >>> positions(grow(to_grid([[5, 0, 0], [0, 0, 0]]) == 5, diagonal=False))
        [(0, 0), (0, 1), (1, 0)]
    """
    if steps < 0:
        raise DslError(f"grow: {steps} steps, expected 0 or more")
    result: Mask = _cells("grow", mask).view(np.bool_)
    for _ in range(min(steps, sum(result.shape))):
        before = result.copy()
        result[1:] |= before[:-1]
        result[:-1] |= before[1:]
        if diagonal:
            before = result.copy()
        result[:, 1:] |= before[:, :-1]
        result[:, :-1] |= before[:, 1:]
    return result


def edge_mask(height: int, width: int) -> Mask:
    """A mask that is True on the border of a grid.

    Args:
        height: rows, 1 or more.
        width: columns, 1 or more.

    Raises:
        DslError: a side is below 1.

    Example:
        >>> edge_mask(3, 3).astype(int).tolist()
        [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    """
    _check_sides("edge_mask", height, width)
    result = np.ones((height, width), dtype=np.bool_)
    result[1:-1, 1:-1] = False
    return result


def ring_index(height: int, width: int) -> Grid:
    """For every cell its distance to the border: 0 on the border, 1 in the next ring, and so on.

    Args:
        height: rows, 1 or more.
        width: columns, 1 or more.

    Raises:
        DslError: a side is below 1.

    Example:
        >>> ring_index(3, 5).tolist()
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    _check_sides("ring_index", height, width)
    rows = np.arange(height, dtype=np.int8)
    columns = np.arange(width, dtype=np.int8)
    return np.minimum.outer(np.minimum(rows, rows[::-1]), np.minimum(columns, columns[::-1]))


def check_inside(where: str, grid: NDArray[Any], cell: tuple[int, int]) -> None:
    """Raise DslError unless a cell lies in the grid; ``where`` names the primitive."""
    row, col = cell
    height, width = grid.shape
    if not (0 <= row < height and 0 <= col < width):
        raise DslError(
            f"{where}: cell ({row}, {col}), expected one inside the grid of {height}x{width}"
        )


def label(
    values: NDArray[np.int8], diagonal: bool
) -> tuple[NDArray[np.intp], list[tuple[int, int, int, int]]]:
    """The connected parts of equal values, numbered from 1 on by their first cell.

    Rows are cut into runs of equal values; a run joins the runs of the row above that it meets.

    Args:
        values: shape (H, W); negative ones belong to no part.
        diagonal: cells that share only a corner are connected too.

    Returns:
        Each cell's part (0: none), shape (H, W), and each part's (top, left, bottom, right).
    """
    height, width = values.shape
    if not values.size:
        return np.zeros((height, width), dtype=np.intp), []
    stride = width + 1
    # A column of -1 ends every row, so that a run never goes on in the next one, and a run's
    # neighbours can be found from indices of the flat array alone.
    framed = np.empty((height, stride), dtype=np.int8)
    framed[:, :width] = values
    framed[:, width] = -1
    flat = framed.ravel()
    borders = np.empty(np.count_nonzero(changes := flat[1:] != flat[:-1]) + 2, dtype=np.intp)
    borders[0], borders[-1] = 0, flat.size
    np.add(changes.nonzero()[0], 1, out=borders[1:-1])
    run_values = flat[borders[:-1]]
    taken = (run_values >= 0).nonzero()[0]
    starts: list[int] = borders[taken].tolist()
    ends: list[int] = borders[taken + 1].tolist()
    parent = _join_runs(starts, ends, run_values[taken].tolist(), stride, 1 if diagonal else 0)
    number, boxes = _number_runs(starts, ends, parent, stride)
    run_numbers = np.zeros(len(run_values), dtype=np.intp)
    run_numbers[taken] = number
    labels = run_numbers.repeat(borders[1:] - borders[:-1]).reshape(height, stride)[:, :width]
    return labels, boxes


def _join_runs(
    starts: list[int], ends: list[int], kinds: list[int], stride: int, reach: int
) -> list[int]:
    """Each run's parent in a forest whose trees are the connected parts (union-find).

    A run is the cells [start, end) of the flat array; a parent never comes after its children.
    """
    parent = list(range(len(starts)))
    above = 0
    for run, (start, end, kind) in enumerate(zip(starts, ends, kinds, strict=True)):
        first, last = start - stride - reach, end - stride + reach
        while ends[above] <= first:
            above += 1
        other = above
        root = run
        while starts[other] < last:
            if kinds[other] == kind:
                found = other
                while parent[found] != found:
                    parent[found] = parent[parent[found]]
                    found = parent[found]
                if found < root:
                    parent[root] = root = found
                else:
                    parent[found] = root
            other += 1
    return parent


def _number_runs(
    starts: list[int], ends: list[int], parent: list[int], stride: int
) -> tuple[list[int], list[tuple[int, int, int, int]]]:
    """Each run's part, numbered from 1 on, and each part's (top, left, bottom, right)."""
    boxes: list[list[int]] = []
    number = [0] * len(starts)
    for run, (start, end) in enumerate(zip(starts, ends, strict=True)):
        row, left = divmod(start, stride)
        right = left + end - start - 1
        if parent[run] == run:
            boxes.append([row, left, row, right])
            number[run] = len(boxes)
            continue
        # A parent comes before its children, so it has its number already.
        number[run] = number[parent[run]]
        box = boxes[number[run] - 1]
        box[2] = row
        if left < box[1]:
            box[1] = left
        if right > box[3]:
            box[3] = right
    return number, [(box[0], box[1], box[2], box[3]) for box in boxes]


def _cells(where: str, mask: Mask) -> NDArray[np.int8]:
    """A new array of a mask's cells, 0 or 1; of a grid, cells other than 0 count."""
    array = np.asarray(mask)
    if array.ndim != 2:
        raise DslError(f"{where}: an array of shape {array.shape}, expected a mask")
    return np.array(array, dtype=np.bool_, order="C").view(np.int8)


def _check_sides(where: str, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise DslError(
            f"{where}: {height}x{width} cells, expected a height and a width of 1 or more"
        )

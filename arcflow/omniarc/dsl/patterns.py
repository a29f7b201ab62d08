"""Patterns: where a small grid occurs, the largest full rectangle, and frames."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from arcflow.omniarc.dsl.errors import DslError
from arcflow.omniarc.dsl.types import Grid, Mask, new_cells


def find_pattern(grid: Grid, patch: Grid, ignore: int | None = None) -> list[tuple[int, int]]:
    """The (top, left) of every place of a grid at which a patch occurs, in reading order.

    Places may overlap; the patch lies inside the grid as a whole.

    Args:
        grid: shape (H, W).
        patch: shape (h, w).
        ignore: a colour of the patch under which the grid may have any.

    Example:
        >>> find_pattern(to_grid([[1, 2, 1], [2, 1, 2]]), to_grid([[1, 0], [2, 1]]), ignore=0)
        [(0, 0)]
    """
    cells: Grid = new_cells("find_pattern", grid)
    wanted: Grid = new_cells("find_pattern", patch)
    if wanted.shape[0] > cells.shape[0] or wanted.shape[1] > cells.shape[1]:
        return []
    agree = sliding_window_view(cells, wanted.shape) == wanted
    if ignore is not None:
        agree |= wanted == ignore
    rows, columns = np.nonzero(agree.all(axis=(2, 3)))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def largest_rectangle(mask: Mask) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest rectangle of True cells.

    Of equally large ones it is the topmost, of these the leftmost, of these the widest.

    Args:
        mask: shape (H, W); of a grid, cells other than 0 count.

    Raises:
        DslError: no cell is True.

    Example:
        >>> largest_rectangle(to_grid([[0, 1, 0], [1, 1, 1], [1, 1, 1]]) == 1)
        (1, 0, 2, 3)
    """
    cells: Mask = new_cells("largest_rectangle", mask)
    if not cells.any():
        raise DslError(
            f"largest_rectangle: no True cell in shape {cells.shape}, expected one or more"
        )
    heights = [0] * (cells.shape[1] + 1)
    best = (0, 0, 0, 0)
    for row, line in enumerate(cells.astype(np.bool_).tolist()):
        # Columns whose rectangles are still open, their heights growing from left to right.
        opened: list[tuple[int, int]] = [(-1, 0)]
        for col, full in enumerate([*line, False]):
            height = heights[col] = heights[col] + 1 if full else 0
            left = col
            while opened[-1][1] > height:
                left, above = opened.pop()
                top, width = row - above + 1, col - left
                best = max(best, (above * width, -top, -left, width))
            if height > opened[-1][1]:
                opened.append((left, height))
    area, top, left, width = best
    return -top, -left, area // width, width


def find_frames(
    grid: Grid, color: int | None = None, min_side: int = 3
) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of every hollow rectangle's outline, in reading order.

    An outline has one colour all around, and none of the cells inside that lie along it has that
    colour too. What lies further in or outside does not matter.

    Args:
        grid: shape (H, W).
        color: of the outlines; without one, any but 0.
        min_side: rows and columns that an outline has at least, 3 or more.

    Raises:
        DslError: min_side is below 3.

    Example:
        >>> find_frames(to_grid([[0, 4, 4, 4], [0, 4, 0, 4], [0, 4, 4, 4]]))
        [(0, 1, 3, 3)]
    """
    if min_side < 3:
        raise DslError(f"find_frames: min_side {min_side}, expected 3 or more")
    cells: Grid = new_cells("find_frames", grid)
    inner = cells[1:-1, 1:-1]
    corners = cells[:-2, :-2]
    found = (corners == cells[:-2, 1:-1]) & (corners == cells[1:-1, :-2]) & (corners != inner)
    found &= corners != 0 if color is None else corners == color
    frames = []
    for top, left in np.argwhere(found).tolist():
        same = cells[top:, left:] == cells[top, left]
        # The first cells of the colour to the right and below of the first cell inside close it.
        width = _closing(same[1, 1:]) + 2
        height = _closing(same[1:, 1]) + 2
        box = same[:height, :width]
        if box.shape != (height, width) or min(height, width) < min_side:
            continue
        around = box[0].all() and box[-1].all() and box[:, 0].all() and box[:, -1].all()
        along = box[1, 1:-1].any() or box[-2, 1:-1].any()
        if around and not (along or box[1:-1, 1].any() or box[1:-1, -2].any()):
            frames.append((top, left, height, width))
    return frames


def _closing(same: Mask) -> int:
    """The place of the first True; the length where there is none."""
    return int(same.argmax()) if same.any() else len(same)

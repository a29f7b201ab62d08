"""Cells that fall and objects that slide."""

from collections.abc import Collection

from arcflow.omniarc.dsl.errors import DslError
from arcflow.omniarc.dsl.lines import check_direction
from arcflow.omniarc.dsl.objects import Object
from arcflow.omniarc.dsl.types import DOWN, Direction, Grid, new_cells


def fall(
    grid: Grid,
    direction: Direction = DOWN,
    background: int = 0,
    fixed: int | Collection[int] = (),
) -> Grid:
    """The grid after every cell, each by itself, has fallen as far as it can.

    Args:
        grid: shape (H, W).
        direction: (d_row, d_col) in which they fall.
        background: the colour through which they fall.
        fixed: a colour or colours that stay where they are and hold others up.

    Raises:
        DslError: the direction is no step to one of the eight cells around.

    Example:
        >>> fall(to_grid([[1, 2], [0, 5], [0, 0]]), fixed=5).tolist()
        [[0, 2], [0, 5], [1, 0]]
    """
    d_row, d_col = check_direction("fall", direction)
    result: Grid = new_cells("fall", grid)
    height, width = result.shape
    held = fixed if isinstance(fixed, Collection) else (fixed,)
    rows: list[list[int]] = result.tolist()
    for last_row in range(height):
        for last_col in range(width):
            if 0 <= last_row + d_row < height and 0 <= last_col + d_col < width:
                continue
            # The line that ends at this cell of the edge, from its end back to its start.
            row, col = free_row, free_col = last_row, last_col
            while 0 <= row < height and 0 <= col < width:
                color = rows[row][col]
                if color in held:
                    free_row, free_col = row - d_row, col - d_col
                elif color != background:
                    rows[row][col] = background
                    rows[free_row][free_col] = color
                    free_row, free_col = free_row - d_row, free_col - d_col
                row, col = row - d_row, col - d_col
    result[...] = rows
    return result


def slide(grid: Grid, obj: Object, direction: Direction, background: int = 0) -> Object:
    """The object moved as far as it gets before the grid's edge or a cell of another colour.

    Its own cells are not in its way. Draw it on the grid from which it was erased.

    Args:
        grid: shape (H, W), with or without the object in it.
        obj: to move; its box lies inside the grid.
        direction: (d_row, d_col) in which it moves.
        background: the only colour that it moves over.

    Raises:
        DslError: the object's box leaves the grid, or the direction is no step to one of the eight
            cells around.

    Example:
        >>> grid = to_grid([[1, 0, 0, 5]])
        >>> slide(grid, find_objects(grid)[0], RIGHT).left
        2
    """
    d_row, d_col = check_direction("slide", direction)
    cells: Grid = new_cells("slide", grid)
    height, width = cells.shape
    top, left = obj.top, obj.left
    if top < 0 or left < 0 or obj.bottom >= height or obj.right >= width:
        raise DslError(f"slide: {obj}, expected one inside the grid of {height}x{width}")
    mask = obj.mask
    blocked = cells != background
    blocked[top : top + obj.height, left : left + obj.width] &= ~mask
    last_top, last_left = height - obj.height, width - obj.width
    while True:
        row, col = top + d_row, left + d_col
        if not (0 <= row <= last_top and 0 <= col <= last_left):
            break
        if (blocked[row : row + obj.height, col : col + obj.width] & mask).any():
            break
        top, left = row, col
    return obj.moved_to(top, left)

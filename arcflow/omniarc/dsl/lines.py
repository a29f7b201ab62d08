"""Lines: drawn, shot until something is hit, joined, found; rectangles and paths."""

from collections import deque
from collections.abc import Collection

import numpy as np

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.masks import check_inside
from arcflow.omniarc.dsl.types import ALL_DIRECTIONS, ORTHOGONAL, Direction, Grid, Mask, new_cells

Cell = tuple[int, int]


def draw_line(grid: Grid, start: Cell, end: Cell, color: int) -> Grid:
    """The grid with a straight line, both ends included; what leaves the grid is cut off.

    Args:
        grid: shape (H, W).
        start: (row, column).
        end: (row, column), in the same row, column or diagonal as start.
        color: of the line.

    Raises:
        DslError: the line is neither orthogonal nor diagonal, or the colour is not 0 to 9.

    Example:
        >>> draw_line(new_grid(2, 3), (0, 0), (1, 1), 4).tolist()
        [[4, 0, 0], [0, 4, 0]]
    """
    check_color("draw_line", color)
    result: Grid = new_cells("draw_line", grid)
    (row, col), (last_row, last_col) = start, end
    rows, columns = last_row - row, last_col - col
    if rows and columns and abs(rows) != abs(columns):
        raise DslError(f"draw_line: {start} to {end}, expected one row, column or diagonal")
    length = max(abs(rows), abs(columns))
    steps = np.arange(length + 1)
    down = row + steps * np.sign(rows)
    across = col + steps * np.sign(columns)
    height, width = result.shape
    inside = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    result[down[inside], across[inside]] = color
    return result


def ray(grid: Grid, start: Cell, direction: Direction) -> list[Cell]:
    """The cells from the one next to start to the grid's edge.

    Args:
        grid: shape (H, W).
        start: (row, column), which does not belong to the ray.
        direction: (d_row, d_col), e.g. ``UP``.

    Raises:
        DslError: the direction is no step to one of the eight cells around.

    Example:
        >>> ray(new_grid(3, 3), (2, 0), (-1, 1))
        [(1, 1), (0, 2)]
    """
    d_row, d_col = check_direction("ray", direction)
    height, width = new_cells("ray", grid).shape
    row, col = start[0] + d_row, start[1] + d_col
    cells = []
    while 0 <= row < height and 0 <= col < width:
        cells.append((row, col))
        row, col = row + d_row, col + d_col
    return cells


def shoot(
    grid: Grid, start: Cell, direction: Direction, color: int, over: int | Collection[int] = (0,)
) -> Grid:
    """The grid with a line from the cell next to start to the edge or to what is in its way.

    Args:
        grid: shape (H, W).
        start: (row, column), which stays as it is.
        direction: (d_row, d_col), e.g. ``UP``.
        color: of the line.
        over: the colour or colours that it goes over; it stops before any other.

    Raises:
        DslError: the direction is no step to one of the eight cells around, or the colour is not
            0 to 9.

    Example:
        >>> shoot(to_grid([[2, 0, 0, 5, 0]]), (0, 0), RIGHT, 2).tolist()
        [[2, 2, 2, 5, 0]]
    """
    check_color("shoot", color)
    result: Grid = new_cells("shoot", grid)
    free = over if isinstance(over, Collection) else (over,)
    for cell in ray(result, start, check_direction("shoot", direction)):
        if int(result[cell]) not in free:
            break
        result[cell] = color
    return result


def connect(
    grid: Grid,
    color: int,
    with_color: int | None = None,
    diagonal: bool = False,
    background: int = 0,
) -> Grid:
    """The grid with lines between cells of one colour that face each other over background.

    All pairs of the given grid are joined, none that come about by the lines.

    Args:
        grid: shape (H, W).
        color: of the cells to join.
        with_color: of the lines; without one, the cells' colour.
        diagonal: cells in one diagonal are joined too, not just those in one row or column.
        background: the only colour that may lie between two cells.

    Raises:
        DslError: a colour is not 0 to 9.

    Example:
        >>> connect(to_grid([[3, 0, 0, 3, 5, 3]]), 3, with_color=2).tolist()
        [[3, 2, 2, 3, 5, 3]]
    """
    line = color if with_color is None else with_color
    check_color("connect", color)
    check_color("connect", line)
    result: Grid = new_cells("connect", grid)
    height, width = result.shape
    rows: list[list[int]] = result.tolist()
    ends = np.argwhere(result == color).tolist()
    for d_row, d_col in ((0, 1), (1, 0), (1, 1), (1, -1)) if diagonal else ((0, 1), (1, 0)):
        for top, left in ends:
            row, col = top + d_row, left + d_col
            between: list[Cell] = []
            while 0 <= row < height and 0 <= col < width:
                cell = rows[row][col]
                if cell == color:
                    for place in between:
                        result[place] = line
                if cell == color or cell != background:
                    break
                between.append((row, col))
                row, col = row + d_row, col + d_col
    return result


def full_rows(grid: Grid, color: int | None = None) -> list[int]:
    """The rows whose cells all have one colour, from the top.

    Args:
        grid: shape (H, W).
        color: that they must have; without one, any does, 0 too.

    Example:
        >>> full_rows(to_grid([[5, 5], [0, 5], [0, 0]]))
        [0, 2]
    """
    return _full(new_cells("full_rows", grid), color)


def full_columns(grid: Grid, color: int | None = None) -> list[int]:
    """The columns whose cells all have one colour, from the left.

    Args:
        grid: shape (H, W).
        color: that they must have; without one, any does, 0 too.

    Example:
        >>> full_columns(to_grid([[5, 0, 5], [5, 0, 4]]), 5)
        [0]
    """
    return _full(new_cells("full_columns", grid).T, color)


def draw_rectangle(
    grid: Grid, top: int, left: int, height: int, width: int, color: int, fill: int | None = None
) -> Grid:
    """The grid with a rectangle's outline; what hangs over the edges is cut off.

    Args:
        grid: shape (H, W).
        top: its first row; may be negative.
        left: its first column; may be negative.
        height: rows, the outline's included.
        width: columns, the outline's included.
        color: of the outline.
        fill: colour of the cells inside; without one they stay.

    Raises:
        DslError: a side is below 1, or a colour is not 0 to 9.

    Example:
        >>> draw_rectangle(new_grid(3, 4), 0, 0, 3, 3, 1, fill=2).tolist()
        [[1, 1, 1, 0], [1, 2, 1, 0], [1, 1, 1, 0]]
    """
    check_color("draw_rectangle", color)
    if height < 1 or width < 1:
        raise DslError(f"draw_rectangle: {height}x{width} cells, expected sides of 1 or more")
    result: Grid = new_cells("draw_rectangle", grid)
    bottom, right = top + height, left + width
    inside = _window(result, top + 1, left + 1, bottom - 1, right - 1)
    kept = inside.copy()
    _window(result, top, left, bottom, right)[...] = color
    if fill is None:
        inside[...] = kept
    else:
        check_color("draw_rectangle", fill)
        inside[...] = fill
    return result


def shortest_path(passable: Mask, start: Cell, goal: Cell, diagonal: bool = False) -> list[Cell]:
    """The cells of a shortest walk, from start to goal, both included; [] where there is none.

    Of equally short walks, it is the same one every time.

    Args:
        passable: shape (H, W), True where the walk may go; start and goal need not be.
        start: (row, column).
        goal: (row, column).
        diagonal: a step may go to any of the eight cells around, else to one of four.

    Raises:
        DslError: start or goal lies outside.

    Example:
        >>> shortest_path(to_grid([[0, 5, 0], [0, 0, 0]]) == 0, (0, 0), (0, 2))
        [(0, 0), (1, 0), (1, 1), (1, 2), (0, 2)]
    """
    cells: Mask = new_cells("shortest_path", passable)
    check_inside("shortest_path", cells, start)
    check_inside("shortest_path", cells, goal)
    first, last = (int(start[0]), int(start[1])), (int(goal[0]), int(goal[1]))
    rows, columns = np.nonzero(cells)
    unseen = set(zip(rows.tolist(), columns.tolist(), strict=True))
    unseen.add(first)
    directions = ALL_DIRECTIONS if diagonal else ORTHOGONAL
    # From the goal back, so that the steps to follow lead forward.
    following = {last: last}
    unseen.discard(last)
    waiting = deque([last])
    while waiting and first not in following:
        row, col = cell = waiting.popleft()
        for d_row, d_col in directions:
            other = (row + d_row, col + d_col)
            if other in unseen:
                unseen.discard(other)
                following[other] = cell
                waiting.append(other)
    if first not in following:
        return []
    path = [first]
    while path[-1] != last:
        path.append(following[path[-1]])
    return path


def check_direction(where: str, direction: Direction) -> Direction:
    """The direction; ``where`` names the primitive.

    Raises:
        DslError: it is no step to one of the eight cells around.
    """
    if tuple(direction) not in ALL_DIRECTIONS:
        raise DslError(f"{where}: direction {direction}, expected one of ALL_DIRECTIONS")
    return direction


def _full(cells: Grid, color: int | None) -> list[int]:
    wanted = cells[:, :1] if color is None else color
    rows: list[int] = np.flatnonzero((cells == wanted).all(axis=1)).tolist()
    return rows


def _window(grid: Grid, top: int, left: int, bottom: int, right: int) -> Grid:
    """The part of a grid in a box that may hang over its edges, as a view; ends excluded."""
    return grid[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]

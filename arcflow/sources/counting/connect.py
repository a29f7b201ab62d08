"""Families about connecting: dots, corners, walls, blocks."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full, stamp
from arcflow.sources.counting.registry import Make, family


@family("connect")
def connect_dots(draw: Draw) -> Make:
    """Join two dots of one colour by a straight line, level, upright or slanting."""
    own, line = draw.chance(), draw.colors(1)[0]

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        out = canvas.cells.copy()
        n, alone = draw.number(1, min(4, canvas.area // 30)), draw.between(0, 1)
        colors = draw.colors(n + alone, but=[line])
        for color in colors[:n]:
            length, (down, across) = (
                draw.between(3, 7),
                draw.pick([(0, 1), (1, 0), (1, 1), (1, -1)]),
            )
            patch = full(1 + down * (length - 1), 1 + abs(across) * (length - 1), 0)
            step = np.arange(length)
            places = step * down, step[::across] if across else step * 0
            ends = places[0][[0, -1]], places[1][[0, -1]]
            patch[ends] = color
            top, left = canvas.put(patch)
            patch[places] = color if own else line
            patch[ends] = color
            stamp(out, patch, top, left)
        for color in colors[n:]:
            top, left = canvas.put(full(1, 1, color))
            out[top, left] = color
        return canvas.cells, out

    return pair


@family("connect")
def connect_corners(draw: Draw) -> Make:
    """Join four dots at the corners of a rectangle to its outline (or fill it)."""
    dot, line = draw.colors(2)
    solid = draw.chance(0.3)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        out = canvas.cells.copy()
        for _ in range(draw.number(1, min(4, canvas.area // 40))):
            height, width = draw.between(3, 7), draw.between(3, 7)
            patch = full(height, width, 0)
            patch[:: height - 1, :: width - 1] = dot
            top, left = canvas.put(patch)
            joined = full(height, width, line)
            if not solid:
                joined[1:-1, 1:-1] = 0
            joined[:: height - 1, :: width - 1] = dot
            stamp(out, joined, top, left)
        return canvas.cells, out

    return pair


def shot(cells: Cells, dots: list[tuple[int, int]], turns: int) -> Cells:
    """Return the grid with rays from dots to the right, each up to the next coloured cell.

    Args:
        cells: The grid, of shape (H, W).
        dots: The row and column of each dot.
        turns: The number of quarter turns, counter-clockwise, in which the rays are cast; the
            result is turned back.
    """
    turned = np.zeros_like(cells)
    for row, column in dots:
        turned[row, column] = 1
    starts, blocked = np.rot90(turned, turns), np.rot90(cells, turns)
    out = blocked.copy()
    for row, column in zip(*(axis.tolist() for axis in np.nonzero(starts)), strict=True):
        ahead = np.flatnonzero(blocked[row, column + 1 :])
        end = column + 1 + int(ahead[0]) if len(ahead) else out.shape[1]
        out[row, column:end] = blocked[row, column]
    return np.rot90(out, -turns)


@family("connect")
def connect_ray(draw: Draw) -> Make:
    """Send a ray from every dot to one side, until it meets a block or the edge."""
    direction, block = draw.between(0, 3), draw.colors(1)[0]

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        most = min(4, canvas.area // 25)
        for _ in range(draw.number(1, most)):
            canvas.put(full(draw.between(1, 3), draw.between(1, 3), block))
        dots = [
            canvas.put(full(1, 1, color))
            for color in draw.colors(draw.number(1, most), but=[block])
        ]
        for axis in (0, 1):  # otherwise rays would meet
            if len({dot[axis] for dot in dots}) < len(dots):
                raise NoRoomError
        sides = [shot(canvas.cells, dots, turns) for turns in range(4)]
        through = canvas.cells.copy()
        for row, column in dots:
            along = slice(column, None) if direction == 0 else slice(column + 1)
            down = slice(row, None) if direction == 1 else slice(row + 1)
            place = (row, along) if direction % 2 == 0 else (down, column)
            through[place] = through[row, column]
        return canvas.cells, sides.pop(direction), *sides, through

    return pair


@family("connect")
def connect_walls(draw: Draw) -> Make:
    """Join every dot to the wall of its own colour."""
    upright = draw.chance()

    def pair() -> tuple[Cells, ...]:
        height, width = draw.side(4), draw.side(6)
        walls = draw.colors(2)
        cells = full(height, width, 0)
        cells[:, 0], cells[:, -1] = walls
        out, first, near = cells.copy(), cells.copy(), cells.copy()
        for row in draw.some(range(height), draw.number(1, min(6, height - 1))):
            own, column = draw.between(0, 1), draw.between(2, width - 3)
            color = cells[row, column] = walls[own]
            left, right = np.s_[row, : column + 1], np.s_[row, column:-1]
            out[right if own else left] = color
            first[row, column] = near[row, column] = color
            first[row, 1:column] = color
            near[left if 2 * column < width - 1 else right][1:] = color
        grids = cells, out, first, near
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("connect")
def connect_elbow(draw: Draw) -> Make:
    """Go from the one dot along its row (or column), then along the other's column (or row)."""
    start, end, line = draw.colors(3)
    row_first = draw.chance()

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        (i, k), (j, m) = (draw.some(range(side), 2) for side in cells.shape)
        if abs(i - k) < 2 or abs(j - m) < 2:
            raise NoRoomError
        down, across = slice(min(i, k), max(i, k) + 1), slice(min(j, m), max(j, m) + 1)
        grids = cells.copy(), cells.copy()
        grids[0][i, across] = grids[0][down, m] = line
        grids[1][down, j] = grids[1][k, across] = line
        for grid in (cells, *grids):
            grid[i, j], grid[k, m] = start, end
        return (cells, *grids) if row_first else (cells, *grids[::-1])

    return pair


@family("connect")
def connect_blocks(draw: Draw) -> Make:
    """Join two blocks by a bridge over all rows (or columns) that they have in common."""
    bridge = draw.colors(1)[0]
    palette = draw.colors(draw.between(1, 2), but=[bridge])

    def pair() -> tuple[Cells, ...]:
        height, width, upright = draw.side(6), draw.side(8), draw.chance()
        cells = full(height, width, 0)
        sizes = [(draw.between(2, 5), draw.between(2, 3)) for _ in range(2)]
        tops = [draw.between(0, height - rows) for rows, _ in sizes]
        lefts = [draw.between(0, width - 6 - sizes[1][1] + 1), 0]
        end = lefts[0] + sizes[0][1]
        lefts[1] = draw.between(end + 1, width - sizes[1][1])
        for (rows, columns), top, left in zip(sizes, tops, lefts, strict=True):
            stamp(cells, full(rows, columns, draw.pick(palette)), top, left)
        low = max(tops)
        high = min(top + rows for top, (rows, _) in zip(tops, sizes, strict=True))
        if high <= low:
            raise NoRoomError
        out, thin = cells.copy(), cells.copy()
        out[low:high, end : lefts[1]] = bridge
        thin[low, end : lefts[1]] = bridge
        grids = cells, out, thin
        return tuple(grid.T for grid in grids) if upright else grids

    return pair

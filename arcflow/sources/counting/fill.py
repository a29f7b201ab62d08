"""Families about filling: shapes, boxes, rooms, lines."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, frame, full, stamp
from arcflow.sources.counting.registry import Make, family


def opened(draw: Draw, outline: Cells) -> Cells:
    """Remove one random cell of an outline, not at a corner, and return the outline."""
    height, width = outline.shape
    if draw.chance():
        outline[draw.between(1, height - 2), draw.pick((0, width - 1))] = 0
    else:
        outline[draw.pick((0, height - 1)), draw.between(1, width - 2)] = 0
    return outline


@family("fill")
def fill_closed(draw: Draw) -> Make:
    """Fill closed outlines, but not open ones."""
    line, filled = draw.colors(2)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        out, every = canvas.cells.copy(), canvas.cells.copy()
        for i in range(draw.number(2, min(5, canvas.area // 30))):
            height, width = draw.between(3, 6), draw.between(3, 6)
            closed = i == 0 or draw.chance()
            outline = frame(height, width, line)
            top, left = canvas.put(outline if closed else opened(draw, outline))
            inside = np.s_[top + 1 : top + height - 1, left + 1 : left + width - 1]
            every[inside] = filled
            if closed:
                out[inside] = filled
        return canvas.cells, out + canvas.cells, every + canvas.cells

    return pair


@family("fill")
def fill_lines(draw: Draw) -> Make:
    """Fill the whole row (or column) of every dot with its colour."""
    upright = draw.chance()

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(4).cells
        n = draw.number(1, min(6, *cells.shape))
        rows, columns = (draw.some(range(side), n) for side in cells.shape)
        colors = np.array([draw.between(1, 9) for _ in range(n)])
        cells[rows, columns] = colors
        along, down = np.zeros_like(cells), np.zeros_like(cells)
        along[rows] = colors[:, None]
        down[:, columns] = colors
        return (cells, down, along) if upright else (cells, along, down)

    return pair


@family("fill")
def fill_box(draw: Draw) -> Make:
    """Fill the black cells of every object's box."""
    color, filled = draw.colors(2)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        out = canvas.cells.copy()
        for _ in range(draw.number(1, min(5, canvas.area // 30))):
            patch = draw.blob(color, 3, 8)
            top, left = canvas.put(patch)
            stamp(out, np.where(patch == 0, filled, patch), top, left)
        return canvas.cells, out

    return pair


@family("fill")
def fill_rooms(draw: Draw) -> Make:
    """Fill every room of the lattice that has a dot with the dot's colour."""
    line, room = draw.colors(1)[0], draw.between(2, 3)

    def pair() -> tuple[Cells, ...]:
        down, across = (draw.between(2, 4 if room == 3 else 5) for _ in range(2))
        cells = full(down * (room + 1) - 1, across * (room + 1) - 1, 0)
        cells[room :: room + 1] = cells[:, room :: room + 1] = line
        out = cells.copy()
        rooms = [(i, j) for i in range(down) for j in range(across)]
        for i, j in draw.some(rooms, draw.number(1, min(6, len(rooms) - 1))):
            color = draw.colors(1, but=[line])[0]
            top, left = i * (room + 1), j * (room + 1)
            cells[top + draw.between(0, room - 1), left + draw.between(0, room - 1)] = color
            out[top : top + room, left : left + room] = color
        return cells, out

    return pair


@family("fill")
def fill_to_side(draw: Draw) -> Make:
    """Fill all cells from every dot up to one side."""
    side, own = draw.between(0, 3), draw.chance()
    dot, trail = draw.colors(2)

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        n = draw.number(1, min(6, *cells.shape))
        # No two dots share a row or column, as trails would hide dots.
        rows, columns = (draw.some(range(side), n) for side in cells.shape)
        sides = [cells.copy() for _ in range(4)]
        for row, column in zip(rows, columns, strict=True):
            color = draw.colors(1)[0] if own else dot
            filled = color if own else trail
            sides[0][row:, column] = filled
            sides[1][: row + 1, column] = filled
            sides[2][row, column:] = filled
            sides[3][row, : column + 1] = filled
            cells[row, column] = color
        for one in sides:
            one[cells != 0] = cells[cells != 0]
        return cells, sides.pop(side), *sides

    return pair


@family("fill")
def fill_border(draw: Draw) -> Make:
    """Give the border (or what is within the border) of every solid rectangle another colour."""
    color, filled = draw.colors(2)
    border = draw.chance()

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        out = canvas.cells.copy()
        for _ in range(draw.number(1, min(5, canvas.area // 35))):
            height, width = draw.between(3, 7), draw.between(3, 7)
            top, left = canvas.put(full(height, width, color))
            outer, inner = (filled, color) if border else (color, filled)
            stamp(out, full(height, width, outer), top, left)
            stamp(out, full(height - 2, width - 2, inner), top + 1, left + 1)
        return canvas.cells, out

    return pair

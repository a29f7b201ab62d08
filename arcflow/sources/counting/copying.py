"""Families about copying: onto dots, as tiles, again and again."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, Mask, NoRoomError, full, paint, stamp
from arcflow.sources.counting.registry import Make, family


def around(draw: Draw, least: int = 3) -> Mask:
    """Return a random mask of 3 by 3 cells: the middle and ``least`` to 6 of its neighbours."""
    mask = np.zeros((3, 3), dtype=np.bool_)
    mask.flat[draw.some((0, 1, 2, 3, 5, 6, 7, 8), draw.between(least, 6))] = True
    mask[1, 1] = True
    return mask


@family("copy")
def copy_to_dots(draw: Draw) -> Make:
    """Copy the pattern around the one dot to every dot."""
    dot = draw.colors(1)[0]
    palette = draw.colors(draw.between(1, 3), but=[dot])

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        pattern = draw.noise((3, 3), palette, 1.0) * around(draw)
        pattern[1, 1] = dot
        canvas.put(pattern)
        out, mirrored, turned = (canvas.cells.copy() for _ in range(3))
        for _ in range(draw.number(1, min(5, canvas.area // 30))):
            top, left = canvas.spot(3, 3)
            canvas.cells[top + 1, left + 1] = dot
            stamp(out, pattern, top, left)
            stamp(mirrored, pattern[:, ::-1], top, left)
            stamp(turned, pattern[::-1, ::-1], top, left)
        return canvas.cells, out, mirrored, turned

    return pair


@family("copy")
def copy_in_color(draw: Draw) -> Make:
    """Copy the figure to every dot, in the dot's colour."""
    color = draw.colors(1)[0]

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        figure = around(draw)
        canvas.put(paint(figure, color))
        out, mirrored, plain = (canvas.cells.copy() for _ in range(3))
        for one in draw.colors(draw.number(1, min(5, canvas.area // 30)), but=[color]):
            top, left = canvas.spot(3, 3)
            canvas.cells[top + 1, left + 1] = one
            stamp(out, paint(figure, one), top, left)
            stamp(mirrored, paint(figure[:, ::-1], one), top, left)
            stamp(plain, paint(figure, color), top, left)
        return canvas.cells, out, mirrored, plain

    return pair


@family("copy")
def copy_stamp(draw: Draw) -> Make:
    """Make every dot the middle of the same stamp."""
    dot, color = draw.colors(2)
    figure = paint(around(draw), color)
    figure[1, 1] = dot

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(6)
        out = canvas.cells.copy()
        for _ in range(draw.number(1, min(7, canvas.area // 20))):
            top, left = canvas.spot(3, 3, gap=0)
            canvas.cells[top + 1, left + 1] = dot
            stamp(out, figure, top, left)
        return canvas.cells, out

    return pair


@family("copy")
def copy_as_tiles(draw: Draw) -> Make:
    """Repeat the grid so many times down and across."""
    down, across = draw.pick([(1, 2), (2, 1), (2, 2), (1, 3), (3, 1), (2, 3), (3, 2), (3, 3)])
    palette = draw.colors(draw.between(1, 4))

    def pair() -> tuple[Cells, ...]:
        shape = draw.between(2, 5), draw.between(2, 5)
        cells = draw.noise(shape, palette, draw.between(3, 8) / 10)
        mirrored = np.tile(cells, (down, across))
        if across > 1:
            mirrored[:, shape[1] : 2 * shape[1]] = np.tile(cells[:, ::-1], (down, 1))
        else:
            mirrored[shape[0] : 2 * shape[0]] = cells[::-1]
        return cells, np.tile(cells, (down, across)), mirrored

    return pair


@family("copy")
def copy_of_itself(draw: Draw) -> Make:
    """Put a copy of the whole grid in the place of each of its coloured (or black) cells."""
    palette, black = draw.colors(draw.between(1, 3)), draw.chance(0.3)

    def pair() -> tuple[Cells, ...]:
        side = draw.between(2, 4)
        cells = draw.noise((side, side), palette, draw.between(3, 7) / 10)
        coloured, holes = np.kron(cells != 0, cells), np.kron(cells == 0, cells)
        return (cells, holes, coloured) if black else (cells, coloured, holes)

    return pair


@family("copy")
def copy_to_edge(draw: Draw) -> Make:
    """Repeat the figure towards one side, up to the edge, with a gap of one between."""
    turn = draw.turn()

    def pair() -> tuple[Cells, ...]:
        height, width = draw.side(5), draw.side(7)
        figure = draw.blob(draw.between(1, 9), 2, 6)
        if figure.shape[0] > height or 2 * figure.shape[1] >= width:
            raise NoRoomError
        top = draw.between(0, height - figure.shape[0])
        step, left = figure.shape[1] + 1, draw.between(0, 2)
        cells, out, mirrored, once = (full(height, width, 0) for _ in range(4))
        stamp(cells, figure, top, left)
        for i, place in enumerate(range(left, width, step)):
            stamp(out, figure, top, place)
            stamp(mirrored, figure[:, ::-1] if i % 2 else figure, top, place)
            if i < 2:
                stamp(once, figure, top, place)
        return turn(cells), turn(out), turn(mirrored), turn(once)

    return pair

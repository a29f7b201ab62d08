"""Families about comparing: larger, longer, fuller, commoner."""

from collections.abc import Sequence

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full
from arcflow.sources.counting.registry import Make, family


@family("compare")
def largest_object(draw: Draw) -> Make:
    """Cut out the object with the most (or fewest) cells."""
    best = draw.pick((-1, 0))

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        sizes = sorted(draw.some(range(1, 11), draw.number(2, min(5, canvas.area // 16))))
        patches = [draw.blob(draw.between(1, 9), size, size) for size in sizes]
        places = {canvas.put(patch): patch for patch in reversed(patches)}
        return (
            canvas.cells,
            patches[best],
            patches[-1 - best],
            *ends(places),
        )

    return pair


def ends(places: dict[tuple[int, int], Cells]) -> Sequence[Cells]:
    """Return the first and the last of some objects from above, then from the left."""
    across, down = sorted(places, key=lambda place: place[1]), sorted(places)
    return [places[place] for place in (down[0], down[-1], across[0], across[-1])]


@family("compare")
def longest_bar(draw: Draw) -> Make:
    """Give the longest (or shortest) bar another colour."""
    color, marked = draw.colors(2)
    best, turn = draw.pick((-1, 0)), draw.turn()

    def pair() -> tuple[Cells, ...]:
        height, n = draw.side(5), draw.number(2, 6)
        heights = draw.some(range(1, height), min(n, height - 1))
        cells = np.zeros((height, 2 * len(heights) + draw.between(0, 1)), dtype=np.int8)
        for i, length in enumerate(heights):
            cells[height - length :, 2 * i] = color
        order = np.argsort(heights).tolist()

        def mark(bar: int) -> Cells:
            column = cells.copy()
            column[:, 2 * bar][cells[:, 2 * bar] != 0] = marked
            return turn(column)

        return turn(cells), *map(mark, (order[best], order[-1 - best], 0, len(heights) - 1))

    return pair


@family("compare")
def fuller_half(draw: Draw) -> Make:
    """Keep the half with more (or fewer) coloured cells."""
    line, *colors = draw.colors(draw.between(2, 4))
    more, upright = draw.chance(), draw.chance()

    def pair() -> tuple[Cells, ...]:
        shape = draw.side(3), draw.between(2, 7)
        halves = [draw.noise(shape, colors, draw.between(2, 8) / 10) for _ in range(2)]
        less, most = sorted(halves, key=np.count_nonzero)
        if np.count_nonzero(less) == np.count_nonzero(most):
            raise NoRoomError
        cells = np.hstack([halves[0], full(shape[0], 1, line), halves[1]])
        order = (most, less) if more else (less, most)
        grids = (cells, *order, *halves)
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("compare")
def commonest_color(draw: Draw) -> Make:
    """Make a square in the colour with the most (or fewest) cells."""
    side, best = draw.between(1, 3), draw.pick((-1, 0))

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        n = draw.number(2, 5)
        numbers = sorted(draw.some(range(1, max(n, cells.size // 6) + 1), n))
        colors = draw.colors(n)
        draw.scatter(cells, np.repeat(colors, numbers).tolist())
        chosen = colors[best], colors[-1 - best], min(colors), max(colors)
        return cells, *(full(side, side, color) for color in chosen)

    return pair


@family("compare")
def taller_or_wider(draw: Draw) -> Make:
    """Give rectangles taller than wide one colour, and those wider than tall another."""
    color, tall, wide = draw.colors(3)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        out, as_tall, as_wide = (canvas.cells.copy() for _ in range(3))
        for _ in range(draw.number(1, min(5, canvas.area // 25))):
            height, width = draw.some(range(1, 6), 2)
            top, left = canvas.put(full(height, width, color))
            box = np.s_[top : top + height, left : left + width]
            out[box] = tall if height > width else wide
            as_tall[box], as_wide[box] = tall, wide
        return canvas.cells, out, as_tall, as_wide

    return pair

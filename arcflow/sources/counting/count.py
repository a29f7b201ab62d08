"""Families about counting: objects, cells and colours."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, NoRoomError, full
from arcflow.sources.counting.registry import Make, family


def row(n: int, color: int) -> Cells:
    """Return ``n`` cells side by side, at most 30, of shape (1, n)."""
    return full(1, min(n, 30), color)


@family("count")
def count_objects(draw: Draw) -> Make:
    """Make a row of as many cells as there are objects."""
    color = draw.colors(1)[0]
    palette = draw.colors(draw.between(1, 3))

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(6)
        n = draw.number(1, min(9, canvas.area // 9))
        for _ in range(n):
            canvas.put(draw.blob(draw.pick(palette), 1, 4))
        cells = canvas.cells
        colors = len(np.unique(cells)) - 1
        return cells, row(n, color), row(int(np.count_nonzero(cells)), color), row(colors, color)

    return pair


@family("count")
def count_commonest(draw: Draw) -> Make:
    """Make as many cells as the commonest colour has objects, in that colour."""

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        most = draw.number(2, min(6, canvas.area // 18))
        colors = draw.colors(draw.between(2, 3))
        numbers = [most, *(draw.between(1, most - 1) for _ in colors[1:])]
        for color, n in zip(colors, numbers, strict=True):
            for _ in range(n):
                canvas.put(draw.blob(color, 1, 4))
        cells = canvas.cells
        # The rival colour has the most cells instead of the most objects.
        heavy = max(colors, key=lambda color: np.count_nonzero(cells == color))
        return (
            cells,
            row(most, colors[0]),
            row(numbers[colors.index(heavy)], heavy),
            row(sum(numbers), colors[0]),
        )

    return pair


@family("count")
def count_bars(draw: Draw) -> Make:
    """Make a bar for each colour, as long as it has cells, the longest (or shortest) first."""
    first = draw.pick((1, -1))

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        colors = draw.colors(draw.number(2, 5))
        lengths = sorted(draw.some(range(1, min(9, cells.size // 6) + 1), len(colors)))[::-1]
        draw.scatter(cells, np.repeat(colors, lengths).tolist())
        bars = np.zeros((len(colors), lengths[0]), dtype=np.int8)
        for i, (color, length) in enumerate(zip(colors, lengths, strict=True)):
            bars[i, :length] = color
        return cells, bars[::first], bars[::-first]

    return pair


@family("count")
def count_in_strip(draw: Draw) -> Make:
    """Fill a strip of one length with as many cells as the one colour has objects."""
    length = draw.between(5, 9)
    color, other, filled = *draw.colors(2), draw.colors(1)[0]
    upright = draw.chance()

    def strip(n: int) -> Cells:
        cells = np.zeros((1, length), dtype=np.int8)
        cells[0, :n] = filled
        return cells.T if upright else cells

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(7)
        n, others = draw.number(1, min(length, canvas.area // 14)), draw.number(1, 4)
        for one in (color,) * n + (other,) * others:
            canvas.put(draw.blob(one, 1, 3))
        seen = int(np.count_nonzero(canvas.cells == color))
        return canvas.cells, strip(n), strip(seen), strip(n + others), strip(others)

    return pair


@family("count")
def count_colors(draw: Draw) -> Make:
    """Make a diagonal as long as there are colours."""
    color, falling = draw.colors(1)[0], draw.chance()

    def diagonal(n: int) -> tuple[Cells, Cells]:
        cells = np.eye(min(n, 30), dtype=np.int8) * np.int8(color)
        return (cells, cells[:, ::-1]) if falling else (cells[:, ::-1], cells)

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(6)
        n = draw.number(2, 6)
        colors = draw.colors(n)
        colors += [draw.pick(colors) for _ in range(draw.between(1, 4))]
        for one in colors:
            canvas.put(draw.blob(one, 1, 2))
        return canvas.cells, *diagonal(n), diagonal(len(colors))[0]

    return pair


@family("count")
def count_and_grow(draw: Draw) -> Make:
    """Grow every cell into a square whose side is the number of colours, black aside."""

    def pair() -> tuple[Cells, ...]:
        colors = draw.colors(draw.between(2, 4))
        shape = draw.between(2, 4), draw.between(2, 4)
        if shape[0] * shape[1] <= len(colors):
            raise NoRoomError
        cells = np.zeros(shape, dtype=np.int8)
        more = draw.between(0, max(0, cells.size - len(colors) - 1))
        draw.scatter(cells, colors + [draw.pick(colors) for _ in range(more)])
        grown = [np.kron(cells, full(n, n, 1)) for n in (len(colors), 2, 3, 4, 5)]
        # The last rival counts black as a colour, too.
        return cells, *grown[:4], grown[len(colors)]

    return pair

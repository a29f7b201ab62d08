"""Families about sorting: by length, by number, by size, by place."""

import numpy as np

from arcflow.sources.counting.draw import Cells, Draw, full, stamp
from arcflow.sources.counting.registry import Make, family


@family("sort")
def sort_bars(draw: Draw) -> Make:
    """Sort the bars on one floor by length."""
    step, gap, turn = draw.pick((1, -1)), draw.between(0, 1), draw.turn()

    def pair() -> tuple[Cells, ...]:
        height = draw.side(5)
        n = min(draw.number(3, 8), height)
        lengths = np.array(draw.some(range(1, height + 1), n))
        bars = (np.arange(height)[::-1, None] < lengths) * np.array(draw.colors(n))

        def floor(order: list[int]) -> Cells:
            cells = np.zeros((height, n + gap * (n - 1)), dtype=np.int8)
            cells[:, :: 1 + gap] = bars[:, order]
            return turn(cells)

        order = np.argsort(lengths)[::step].tolist()
        unsorted = list(range(n))
        return tuple(map(floor, (unsorted, order, order[::-1], unsorted[::-1])))

    return pair


@family("sort")
def sort_colors(draw: Draw) -> Make:
    """Put the colours in a column, sorted by their numbers of cells."""
    step = draw.pick((1, -1))

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        n = draw.number(2, 6)
        colors = draw.colors(n)
        numbers = sorted(draw.some(range(1, max(n, cells.size // 7) + 1), n))
        draw.scatter(cells, np.repeat(colors, numbers).tolist())
        column = np.array(colors, dtype=np.int8)[::step, None]
        by_color = np.sort(column, axis=0)
        return cells, column, column[::-1], by_color, by_color[::-1]

    return pair


@family("sort")
def sort_rows(draw: Draw) -> Make:
    """Sort the rows (or columns) by their numbers of coloured cells."""
    step, upright = draw.pick((1, -1)), draw.chance()

    def pair() -> tuple[Cells, ...]:
        width = draw.side(4)
        height = draw.between(3, width)
        numbers = draw.some(range(1, width + 1), height)
        cells = np.zeros((height, width), dtype=np.int8)
        for line, n in zip(cells, numbers, strict=True):
            line[draw.some(range(width), n)] = draw.between(1, 9)
        right = cells[np.argsort(numbers)[::step]]
        grids = cells, right, right[::-1], cells[::-1]
        return tuple(grid.T for grid in grids) if upright else grids

    return pair


@family("sort")
def sort_squares(draw: Draw) -> Make:
    """Put the squares side by side on one floor, sorted by size."""
    step = draw.pick((1, -1))

    def pair() -> tuple[Cells, ...]:
        canvas = draw.canvas(8)
        sides = sorted(draw.some(range(1, 6), draw.number(2, 4)))
        colors = draw.colors(len(sides))
        squares = [full(side, side, color) for side, color in zip(sides, colors, strict=True)]
        places = [canvas.put(square) for square in reversed(squares)][::-1]

        def line(order: list[int]) -> Cells:
            cells = np.zeros((sides[-1], sum(sides) + len(sides) - 1), dtype=np.int8)
            left = 0
            for i in order:
                stamp(cells, squares[i], sides[-1] - sides[i], left)
                left += sides[i] + 1
            return cells

        rising = list(range(len(sides)))
        across = sorted(rising, key=lambda i: places[i][1])
        return canvas.cells, *map(line, (rising[::step], rising[::-step], across, across[::-1]))

    return pair


@family("sort")
def sort_by_place(draw: Draw) -> Make:
    """Put the dots' colours in a row, in the order of their places from one side of the grid."""
    direction = draw.between(0, 3)

    def pair() -> tuple[Cells, ...]:
        cells = draw.canvas(5).cells
        n = min(draw.number(2, 7), *cells.shape)
        rows, columns = (draw.some(range(side), n) for side in cells.shape)
        colors = np.array(draw.colors(n), dtype=np.int8)
        cells[rows, columns] = colors
        down, across = colors[None, np.argsort(rows)], colors[None, np.argsort(columns)]
        orders = [across, down, across[:, ::-1], down[:, ::-1]]
        return cells, orders.pop(direction), *orders

    return pair

"""Grids as lists, for the references of counting: objects, colours, turns."""

from collections.abc import Iterable
from itertools import product

Rows = list[list[int]]
Train = list[tuple[Rows, Rows]]


def cells_of(grid: Rows) -> dict[tuple[int, int], int]:
    """Coloured cells by place."""
    return {(i, j): c for i, row in enumerate(grid) for j, c in enumerate(row) if c}


def draw(cells: dict[tuple[int, int], int], height: int, width: int) -> Rows:
    return [[cells.get((i, j), 0) for j in range(width)] for i in range(height)]


def objects(grid: Rows, corners: bool = True) -> list[dict[tuple[int, int], int]]:
    """Coloured cells that touch, from top to bottom."""
    left, found = cells_of(grid), []
    while left:
        first = min(left)
        ahead, seen = [first], {first: left.pop(first)}
        while ahead:
            i, j = ahead.pop()
            for a, b in product((-1, 0, 1), repeat=2):
                near = i + a, j + b
                if near in left and (corners or not a or not b):
                    seen[near] = left.pop(near)
                    ahead.append(near)
        found.append(seen)
    return found


def cut(cells: dict[tuple[int, int], int]) -> Rows:
    top, left = min(i for i, _ in cells), min(j for _, j in cells)
    bottom, right = max(i for i, _ in cells), max(j for _, j in cells)
    return [[cells.get((i, j), 0) for j in range(left, right + 1)] for i in range(top, bottom + 1)]


def transposed(grid: Rows) -> Rows:
    return [list(column) for column in zip(*grid, strict=True)]


def turned(grid: Rows, times: int) -> Rows:
    """Quarter turns clockwise."""
    for _ in range(times % 4):
        grid = [list(column) for column in zip(*grid[::-1], strict=True)]
    return grid


def colors(grids: Iterable[Rows]) -> set[int]:
    return {c for grid in grids for row in grid for c in row if c}


def outputs(train: Train) -> list[Rows]:
    return [out for _, out in train]


def new_color(train: Train) -> int:
    """The colour that cells take that had another one."""
    changed = {
        b
        for cells, out in train
        for row, line in zip(cells, out, strict=True)
        for a, b in zip(row, line, strict=True)
        if a != b
    }
    [color] = changed
    return color


def numbers(grid: Rows) -> dict[int, int]:
    flat = [c for row in grid for c in row]
    return {c: flat.count(c) for c in set(flat) if c}


def shut_in(grid: Rows) -> set[tuple[int, int]]:
    """Black cells that cannot be left through black cells."""
    height, width = len(grid), len(grid[0])
    black = {(i, j) for i in range(height) for j in range(width) if not grid[i][j]}
    ahead = [(i, j) for i, j in black if i in (0, height - 1) or j in (0, width - 1)]
    black.difference_update(ahead)
    while ahead:
        i, j = ahead.pop()
        near = {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)} & black
        black -= near
        ahead.extend(near)
    return black

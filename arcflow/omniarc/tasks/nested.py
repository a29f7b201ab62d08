"""Rings within rings."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("539a4f51")
def corners_go_on_in_turn(grid):
    """Nested corners of changing colours go on, in turn, to twice the size."""
    side = len(grid)
    rows, columns = np.indices((2 * side, 2 * side))
    for turns in range(4):
        turned = rotate(grid, turns)
        number = np.count_nonzero(np.diagonal(turned))
        if number == 0:
            continue
        result = np.diagonal(turned)[np.maximum(rows, columns) % number]
        small = result[:side, :side]
        if same(np.where(turned != 0, small, 0), turned):
            return rotate(result, -turns)
    raise DslError("no nested corners")


@program("5c2c9af4")
def frames_spread_from_the_middle(grid):
    """Three dots in a line: the outer ones are corners of a frame, around which frames follow."""
    first, (row, column), _ = positions(grid != 0)
    d_row, d_column = abs(first[0] - row), abs(first[1] - column)
    result = grid
    for size in range(1, max(grid.shape)):
        top, left = row - size * d_row, column - size * d_column
        height, width = 2 * size * d_row + 1, 2 * size * d_column + 1
        result = draw_rectangle(result, top, left, height, width, grid[row, column])
    return result


@program("85c4e7cd")
def reverse_the_rings(grid):
    """The colours of the rings change places: the outermost with the innermost, and so on."""
    ring = ring_index(*grid.shape)
    colors = np.diagonal(grid)[: ring.max() + 1]
    return colors[::-1][ring]


@program("bda2d7a6")
def ring_colors_move_inwards(grid):
    """The nested rings pass their colours on: each colour becomes the one that is next outside
    of it, and the outermost becomes the innermost."""
    rings = range((min(grid.shape) + 1) // 2)
    colors = unique(int(grid[ring, ring]) for ring in rings)
    return recolor(grid, {color: colors[place - 1] for place, color in enumerate(colors)})

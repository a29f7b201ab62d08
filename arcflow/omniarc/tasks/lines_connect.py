"""Lines connect what belongs together."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("1f876c06")
def connect_dots_diagonally(grid):
    """Two dots of one colour get connected by a slanted line."""
    result = grid
    for color in colors_of(grid, ignore=0):
        result = connect(result, color, diagonal=True)
    return result


@program("40853293")
def connect_pairs_verticals_on_top(grid):
    """Two dots of one colour get connected; upright lines pass over level ones."""
    level, upright = grid.copy(), grid.copy()
    for color in colors_of(grid, ignore=0):
        dots = grid == color
        for row in np.flatnonzero(dots.sum(axis=1) == 2):
            first, last = np.flatnonzero(dots[row])
            level[row, first : last + 1] = color
        for column in np.flatnonzero(dots.sum(axis=0) == 2):
            first, last = np.flatnonzero(dots[:, column])
            upright[first : last + 1, column] = color
    return np.where(upright != 0, upright, level)


@program("e9614598")
def plus_halfway_between_dots(grid):
    """A green plus stands halfway between the two dots."""
    (row_1, col_1), (row_2, col_2) = positions(grid != 0)
    row, col = (row_1 + row_2) // 2, (col_1 + col_2) // 2
    center = np.zeros(grid.shape, dtype=bool)
    center[row, col] = True
    return np.where(grow(center, diagonal=False), 3, grid)

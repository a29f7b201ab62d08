"""Paths: walks, bounces, spirals."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("b782dc8a")
def alternate_along_the_maze(grid):
    """Two colours spread from their start through the maze, in turn."""
    centre, neighbor = colors_of(grid)[:-3:-1]
    row, column = positions(grid, centre)[0]
    beside = grow(grid == centre, diagonal=False) & ~np.isin(grid, (centre, neighbor))
    common = colors_of(grid)[:2]
    wall = most_common_color(grid[beside]) if beside.any() else common[0]
    way = next(area for area in components(grid != wall, diagonal=False) if area[row, column])
    rows, columns = np.indices(grid.shape)
    even = (rows + columns) % 2 == (row + column) % 2
    return np.where(way, np.where(even, centre, neighbor), grid)

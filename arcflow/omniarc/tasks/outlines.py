"""Things get an outline, or lose it."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("6f8cd79b")
def azure_border(grid):
    """The cells along the grid's edges become azure."""
    return np.where(edge_mask(*grid.shape), 8, grid)


@program("543a7ed5")
def outline_and_fill_frames(grid):
    """Every frame gets a green outline, and its inside becomes yellow."""
    walls = grid != most_common_color(grid)
    result = np.where(grow(walls) & ~walls, 3, grid)
    return np.where(enclosed(walls), 4, result)


@program("b27ca6d3")
def outline_dominoes(grid):
    """Two cells that lie side by side get a green outline; single cells do not."""
    result = grid.copy()
    for domino in find_objects(grid, diagonal=False):
        if domino.size == 2:
            cells = draw(new_grid(*grid.shape), domino) != 0
            result[grow(cells) & (grid == 0)] = 3
    return result


@program("4258a5f9")
def ring_around_dots(grid):
    """Every dot gets a blue ring."""
    return np.where((grid == 0) & grow(grid != 0), 1, grid)

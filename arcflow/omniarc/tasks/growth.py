"""Things grow around or beside others."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("ce22a75a")
def dots_swell_to_blocks(grid):
    """Every dot becomes a blue block of three by three around it."""
    return np.where(grow(grid != 0), 1, 0)


@program("dc1df850")
def ring_around_red(grid):
    """Every red cell gets a blue ring around it, on the empty cells."""
    return np.where(grow(grid == 2) & (grid == 0), 1, grid)


@program("0ca9ddb6")
def surround_blue_and_red_dots(grid):
    """Blue dots get orange neighbours beside them, red dots yellow ones at their corners."""
    blue, red = grid == 1, grid == 2
    beside_blue = np.any([shift(blue, *step) for step in ORTHOGONAL], axis=0)
    at_corner_of_red = np.any([shift(red, *step) for step in DIAGONAL], axis=0)
    result = np.where((grid == 0) & beside_blue, 7, grid)
    return np.where((grid == 0) & at_corner_of_red, 4, result)

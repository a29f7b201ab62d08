"""Things fall, or are drawn to something."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("d037b0a7")
def colors_run_down(grid):
    """Every coloured cell runs down until the next coloured cell or the floor."""
    result = grid.copy()
    for row in range(1, grid.shape[0]):
        result[row] = np.where(result[row] == 0, result[row - 1], result[row])
    return result


@program("a48eeaf7")
def dots_are_drawn_to_the_block(grid):
    """All dots move to the nearest cell beside the block."""
    block = max(find_objects(grid), key=lambda found: found.size)
    dots = erase(grid, block)
    result = draw(new_grid(*grid.shape), block)
    for row, column in positions(dots != 0):
        new_row = np.clip(row, block.top - 1, block.bottom + 1)
        new_column = np.clip(column, block.left - 1, block.right + 1)
        result[new_row, new_column] = dots[row, column]
    return result

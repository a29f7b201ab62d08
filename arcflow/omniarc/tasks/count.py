"""Things are counted."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("d631b094")
def count_cells_in_a_row(grid):
    """The output is a row of as many cells as there are coloured ones."""
    return new_grid(1, np.count_nonzero(grid), most_common_color(grid, ignore=0))


@program("5582e5ca")
def most_common_color_wins(grid):
    """The colour of most cells fills the whole grid."""
    return new_grid(*grid.shape, color=most_common_color(grid))

"""Stray cells are removed."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("42a50994")
def remove_single_cells(grid):
    """Cells with no other cell around them, not even at a corner, vanish."""
    alone = count_neighbors(grid != 0) == 0
    return np.where(alone, 0, grid)

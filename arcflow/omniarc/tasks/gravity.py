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

"""Lines and rays run on until something stops them."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("ba97ae07")
def lower_bar_comes_on_top(grid):
    """Two bars cross; where they do, the one that lay below comes on top."""
    lower, upper = colors_of(grid, ignore=0)
    if full_rows(grid, lower) or full_columns(grid, lower):
        lower, upper = upper, lower
    rows = (grid == lower).any(axis=1)
    columns = (grid == lower).any(axis=0)
    crossing = (grid == upper) & (rows[:, None] | columns)
    return np.where(crossing, lower, grid)

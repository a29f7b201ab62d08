"""Objects move to places that others tell."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("25ff71a9")
def one_step_down(grid):
    """Everything moves down by one cell."""
    return shift(grid, 1, 0)


@program("a79310a0")
def step_down_and_turn_red(grid):
    """The shape moves down by one cell and becomes red."""
    return np.where(shift(grid, 1, 0) != 0, 2, 0)

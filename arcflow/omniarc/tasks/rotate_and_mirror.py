"""The grid is turned or mirrored."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("67a3c6ac")
def mirror_left_right(grid):
    """The grid is mirrored from left to right."""
    return flip_left_right(grid)

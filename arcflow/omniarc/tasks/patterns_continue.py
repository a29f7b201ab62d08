"""Patterns run on."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("2dee498d")
def first_of_three_tiles(grid):
    """The grid shows the same tile three times side by side: one of them is kept."""
    return split_evenly(grid, 1, 3)[0][0]


@program("d10ecb37")
def first_tile(grid):
    """Only the 2x2 cells in the top left corner are kept."""
    return crop(grid, 0, 0, 2, 2)

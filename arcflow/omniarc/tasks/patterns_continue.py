"""Patterns run on."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("bbc9ae5d")
def bar_grows_row_by_row(grid):
    """Every row is the one above moved right by a cell, the first colour following."""
    rows = [grid]
    while len(rows) < grid.shape[1] // 2:
        rows.append(shift(rows[-1], 0, 1, fill=grid[0, 0]))
    return np.vstack(rows)


@program("017c7c7b")
def continue_half_as_long_again(grid):
    """The pattern runs on downwards by half its length, and becomes red."""
    height = len(grid)
    rows = np.arange(height + height // 2) % find_period(grid, axis=0)
    return np.where(grid[rows] != 0, 2, 0)


@program("963e52fc")
def continue_to_twice_the_width(grid):
    """The pattern runs on to the right, to twice the width."""
    period = find_period(grid, axis=1)
    return grid[:, np.arange(2 * grid.shape[1]) % period]


@program("2dee498d")
def first_of_three_tiles(grid):
    """The grid shows the same tile three times side by side: one of them is kept."""
    return split_evenly(grid, 1, 3)[0][0]


@program("d10ecb37")
def first_tile(grid):
    """Only the 2x2 cells in the top left corner are kept."""
    return crop(grid, 0, 0, 2, 2)


@program("e9afcf9a")
def turn_every_other_column_over(grid):
    """Every second column is turned upside down."""
    result = grid.copy()
    result[:, 1::2] = flip_up_down(grid)[:, 1::2]
    return result

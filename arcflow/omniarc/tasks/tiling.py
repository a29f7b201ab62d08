"""Repetition: tiles, mosaics, wallpaper."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("28bf18c6")
def cut_out_and_repeat(grid):
    """The shape is cut out and put down twice, side by side."""
    return tile(trim(grid, background=most_common_color(grid)), 1, 2)


@program("7b7f7511")
def keep_one_of_two_halves(grid):
    """The grid is one pattern twice, side by side or one above the other: keep one."""
    height, width = grid.shape
    top, bottom = grid[: height // 2], grid[height // 2 :]
    return top if same(top, bottom) else grid[:, : width // 2]


@program("f5b8619d")
def mark_columns_and_repeat(grid):
    """Black cells of columns with a dot become light blue; the result is tiled two by two."""
    marked = (grid == 0) & (grid != 0).any(axis=0)
    return tile(np.where(marked, 8, grid), 2, 2)


@program("a416b8f3")
def repeat_side_by_side(grid):
    """The grid is put down twice, side by side."""
    return tile(grid, 1, 2)

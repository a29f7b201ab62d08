"""Stray cells are removed."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("e26a3af2")
def clean_the_stripes(grid):
    """Stray cells on the stripes take the stripe's colour."""
    level = np.array([[most_common_color(row[None])] * len(row) for row in grid])
    upright = np.array([[most_common_color(row[None])] * len(row) for row in grid.T]).T
    return level if (level == grid).sum() > (upright == grid).sum() else upright


@program("91714a58")
def keep_the_largest_rectangle(grid):
    """Only the largest rectangle of one colour stays; all else is noise."""
    boxes = {color: largest_rectangle(grid == color) for color in colors_of(grid, ignore=0)}
    color = max(boxes, key=lambda color: boxes[color][2] * boxes[color][3])
    top, left, height, width = boxes[color]
    return paste(new_grid(*grid.shape), new_grid(height, width, color), top, left)


@program("d23f8c26")
def keep_the_middle_column(grid):
    """Only the middle column stays."""
    result = new_grid(*grid.shape)
    middle = grid.shape[1] // 2
    result[:, middle] = grid[:, middle]
    return result


@program("7f4411dc")
def keep_what_is_two_wide(grid):
    """Stray cells go; what remains is made of squares of two by two."""
    colored = grid != 0
    squares = find_pattern(colored.astype(np.int8), new_grid(2, 2, 1))
    keep = np.zeros(grid.shape, dtype=bool)
    for top, left in squares:
        keep[top : top + 2, left : left + 2] = True
    return np.where(keep, grid, 0)


@program("7e0986d6")
def mend_rectangles(grid):
    """Stray cells go; those inside a rectangle, its corners included, take its colour."""
    result = grid.copy()
    for stray in find_objects(grid, diagonal=False):
        if stray.size == 1:
            result[stray.top, stray.left] = 0
            for color in colors_of(grid, ignore=0):
                same_color = pad(grid == color, 1)
                around = crop(same_color, stray.top, stray.left, 3, 3)
                if around[[0, 2], 1].any() and around[1, [0, 2]].any():
                    result[stray.top, stray.left] = color
    return result


@program("42a50994")
def remove_single_cells(grid):
    """Cells with no other cell around them, not even at a corner, vanish."""
    alone = count_neighbors(grid != 0) == 0
    return np.where(alone, 0, grid)

"""Things grow around or beside others."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("db3e9e38")
def bars_step_down_both_ways(grid):
    """To both sides of the bar stand ever shorter ones, in turns light blue and of its colour."""
    upright = find_objects(grid)[0].height > 1
    field = grid if upright else transpose(grid)
    bar = find_objects(field)[0]
    rows, columns = np.indices(field.shape)
    far = abs(columns - bar.left)
    from_edge = rows if bar.top == 0 else field.shape[0] - 1 - rows
    colors = np.where(far % 2, 8, bar.color)
    result = np.where(from_edge + far < bar.height, colors, field)
    return result if upright else transpose(result)


@program("3befdf3e")
def blocks_open_like_flowers(grid):
    """The two colours of a block change places, and the outer one grows out on all sides."""
    result = grid.copy()
    for block in find_objects(grid, by_color=False):
        outer, inner = block.patch[0, 0], block.patch[1, 1]
        petal = new_grid(block.height, block.width, outer)
        for d_row, d_column in ORTHOGONAL:
            top = block.top + (block.height - 2) * d_row
            left = block.left + (block.width - 2) * d_column
            result = np.where(result == 0, paste(result, petal, top, left), result)
        swapped = recolor(block.patch, {outer: inner, inner: outer})
        result = paste(result, swapped, block.top, block.left)
    return result


@program("d364b489")
def colored_neighbors_of_dots(grid):
    """Every dot gets red above, light blue below, orange left and magenta right of it."""
    result = grid
    dots = grid != 0
    for direction, color in ((UP, 2), (DOWN, 8), (LEFT, 7), (RIGHT, 6)):
        result = np.where(shift(dots, *direction) & (result == 0), color, result)
    return result


@program("a9f96cdd")
def dot_bursts_into_corners(grid):
    """The dot goes; at its corners appear green, magenta, light blue and orange cells."""
    dot = grid != 0
    result = new_grid(*grid.shape)
    for direction, color in (((-1, -1), 3), ((-1, 1), 6), ((1, -1), 8), ((1, 1), 7)):
        result[shift(dot, *direction)] = color
    return result


@program("ce22a75a")
def dots_swell_to_blocks(grid):
    """Every dot becomes a blue block of three by three around it."""
    return np.where(grow(grid != 0), 1, 0)


@program("0962bcdd")
def plus_becomes_a_snowflake(grid):
    """The arms of a plus grow by a cell, and slanted arms of the centre's colour join them."""
    result = grid.copy()
    for plus in find_objects(grid, by_color=False):
        row, column = plus.top + 1, plus.left + 1
        arms = grid[row - 1, column]
        for directions, color in ((ORTHOGONAL, arms), (DIAGONAL, grid[row, column])):
            for d_row, d_col in directions:
                for step in (1, 2):
                    result = paste(
                        result,
                        new_grid(1, 1, color),
                        row + step * d_row,
                        column + step * d_col,
                    )
    return result


@program("49d1d64f")
def push_the_edge_outwards(grid):
    """Cells of the edge are copied one step outwards; the corners stay black."""
    result = np.pad(grid, 1, mode="edge")
    result[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    return result


@program("dc1df850")
def ring_around_red(grid):
    """Every red cell gets a blue ring around it, on the empty cells."""
    return np.where(grow(grid == 2) & (grid == 0), 1, grid)


@program("22233c11")
def squares_at_the_free_corners(grid):
    """Two squares touch at a corner; light blue ones of their size stand across from there."""
    result = grid
    for pair in find_objects(grid):
        side = pair.height // 2
        square = new_grid(side, side, 8)
        above, below = pair.top - side, pair.bottom + 1
        left, right = pair.left - side, pair.right + 1
        falling = pair.mask[0, 0]
        result = paste(result, square, above, right if falling else left)
        result = paste(result, square, below, left if falling else right)
    return result


@program("0ca9ddb6")
def surround_blue_and_red_dots(grid):
    """Blue dots get orange neighbours beside them, red dots yellow ones at their corners."""
    blue, red = grid == 1, grid == 2
    beside_blue = np.any([shift(blue, *step) for step in ORTHOGONAL], axis=0)
    at_corner_of_red = np.any([shift(red, *step) for step in DIAGONAL], axis=0)
    result = np.where((grid == 0) & beside_blue, 7, grid)
    return np.where((grid == 0) & at_corner_of_red, 4, result)


@program("93b581b8")
def throw_colors_across(grid):
    """Each cell of the block makes a block of its colour beyond the opposite corner."""
    block = find_objects(grid, by_color=False)[0]
    result = grid
    for row, across in ((0, block.top + 2), (1, block.top - 2)):
        for column, aside in ((0, block.left + 2), (1, block.left - 2)):
            square = new_grid(2, 2, block.patch[row, column])
            result = paste(result, square, across, aside)
    return result

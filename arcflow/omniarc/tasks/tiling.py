"""Repetition: tiles, mosaics, wallpaper."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("91413438")
def as_many_copies_as_cells(grid):
    """As many copies as coloured cells, in rows and columns of as many as there are black cells."""
    height, width = grid.shape
    side = count_color(grid, 0)
    result = new_grid(height * side, width * side)
    for number in range(np.count_nonzero(grid)):
        row, column = divmod(number, side)
        result = paste(result, grid, row * height, column * width)
    return result


@program("c3e719e8")
def copy_where_commonest(grid):
    """A large grid has a copy of the small one wherever the small one has its commonest color."""
    places = upscale(grid == most_common_color(grid), grid.shape)
    return np.where(places, tile(grid, *grid.shape), 0)


@program("28bf18c6")
def cut_out_and_repeat(grid):
    """The shape is cut out and put down twice, side by side."""
    return tile(trim(grid, background=most_common_color(grid)), 1, 2)


@program("007bbfb7")
def every_cell_becomes_the_grid(grid):
    """A large grid has a copy of the small one at each of its coloured cells."""
    return np.where(upscale(grid != 0, grid.shape), tile(grid, *grid.shape), 0)


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


@program("8f2ea7aa")
def pattern_of_patterns(grid):
    """The pattern in one block is copied to the blocks that make up the same pattern."""
    side = int(len(grid) ** 0.5)
    blocks = [block for row in split_evenly(grid, side, side) for block in row]
    pattern = next(block for block in blocks if block.any())
    return np.where(upscale(pattern != 0, side), tile(pattern, side, side), 0)


@program("29ec7d0e")
def repair_the_counting_table(grid):
    """Patches of one colour hide parts of a table whose rows and columns repeat: it is repaired.
    The patches' colour is the one without which the table repeats in the smallest tiles."""
    repaired = []
    for color in colors_of(grid):
        result = complete_tiling(grid, hole=color)
        if color not in result:
            repaired.append(result)
    return min(repaired, key=lambda result: smallest_tile(result).size)


@program("0dfd9992")
def repair_the_mirrored_mosaic(grid):
    """Patches of one colour hide parts of a mosaic that repeats and is its own mirror image: it is
    repaired. The patches' colour is the one without which the mosaic repeats in the smallest
    tiles."""
    height, width = grid.shape
    repaired = []
    for color in colors_of(grid):
        mirrored = complete_symmetry(grid, color, "left_right", "up_down")
        repeated = tile(smallest_tile(mirrored, color), height, width)[:height, :width]
        result = complete_symmetry(repeated, color, "left_right", "up_down")
        if color not in result:
            repaired.append(result)
    return min(repaired, key=lambda result: smallest_tile(result).size)


@program("484b58aa")
def repair_what_repeats_when_moved(grid):
    """Patches of one colour hide parts of a pattern that repeats, maybe slanted. Wherever the
    pattern moved fits on itself, what lies beside the patches shows what they hide."""
    height, width = grid.shape

    def repair(hole):
        known = grid != hole
        fitting = []
        for d_row in range(-height // 2, height // 2 + 1):
            for d_col in range(-width // 2, width // 2 + 1):
                both = known & shift(known, d_row, d_col)
                if not (both & (grid != shift(grid, d_row, d_col))).any():
                    fitting.append((d_row, d_col))
        result, before = grid, None
        while before is None or not same(result, before):
            before = result
            for move in fitting:
                result = np.where(result == hole, shift(result, *move, fill=hole), result)
        return result

    for hole in colors_of(grid):
        repaired = repair(hole)
        if hole not in repaired:
            return repaired
    return grid


@program("a416b8f3")
def repeat_side_by_side(grid):
    """The grid is put down twice, side by side."""
    return tile(grid, 1, 2)


@program("8eb1be9a")
def repeat_the_band(grid):
    """The band with the pattern is repeated up and down to fill the grid."""
    top, _, height, _ = bounding_box(grid)
    rows = np.arange(grid.shape[0]) - top
    return grid[top + rows % height]


@program("10fcaaa3")
def tile_with_azure_corners(grid):
    """The grid is laid out two by two; free cells diagonal to a coloured cell become azure."""
    tiled = tile(grid, 2, 2)
    colored = tiled > 0
    corners = np.zeros_like(colored)
    for d_row, d_col in DIAGONAL:
        corners |= shift(colored, d_row, d_col)
    return np.where(corners & ~colored, 8, tiled)

"""Grids and shapes made larger or smaller."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("5614dbcf")
def blocks_become_cells(grid):
    """Every block of three by three becomes one cell of its colour; grey is noise."""
    height, width = grid.shape
    blocks = split_evenly(grid, height // 3, width // 3)
    return to_grid([[most_common_color(block, ignore=5) for block in row] for row in blocks])


@program("cce03e0d")
def copy_grid_at_red(grid):
    """Every cell becomes a block: a copy of the whole grid if it is red, else empty."""
    return np.kron(grid == 2, grid)


@program("f25fbde4")
def cut_out_and_double(grid):
    """The shape is cut out, and each of its cells becomes a block of 2x2 cells."""
    return upscale(trim(grid, background=most_common_color(grid)), 2)


@program("46f33fce")
def dots_become_blocks(grid):
    """The dots lie on a lattice, one place in every 2x2 cells.

    Each place of the lattice becomes a block of 4x4 cells in the dot's colour.
    """
    return upscale(grid[1::2, 1::2], 4)


@program("c59eb873")
def double_the_size(grid):
    """Every cell becomes a block of 2x2 cells."""
    return upscale(grid, 2)


@program("eb5a1d5d")
def drop_repeated_lines(grid):
    """Rows like the one above, then columns like the one to the left, are left out."""
    new_row = (grid[1:] != grid[:-1]).any(axis=1)
    new_column = (grid[:, 1:] != grid[:, :-1]).any(axis=0)
    return grid[np.r_[True, new_row]][:, np.r_[True, new_column]]


@program("6b9890af")
def enlarge_into_the_frame(grid):
    """The small shape is enlarged until it fills the frame."""
    frame = max(find_objects(grid), key=lambda obj: obj.height * obj.width)
    shape = trim(np.where(grid == frame.color, 0, grid))
    factor = (frame.height - 2) // shape.shape[0]
    return paste(frame.patch, upscale(shape, factor), 1, 1)


@program("780d0b14")
def one_cell_for_each_patch(grid):
    """Black lines divide the grid into patches; each becomes one cell of its colour."""
    patches = split_panels(grid, 0)
    return to_grid([[most_common_color(patch, ignore=0) for patch in row] for row in patches])


@program("90c28cc7")
def rectangles_become_cells(grid):
    """The patchwork is cropped, and every patch becomes one cell."""
    patchwork = trim(grid)
    for _ in range(2):
        changes = (patchwork[1:] != patchwork[:-1]).any(axis=1)
        patchwork = patchwork[np.concatenate([[True], changes])].T
    return patchwork


@program("b91ae062")
def scale_by_color_count(grid):
    """Every cell grows by a factor: the number of colours in the grid, black not counted."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("ac0a08a4")
def scale_by_number_of_colors(grid):
    """Every cell becomes a block, whose side is the number of colours."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("5ad4f10b")
def shrink_and_take_the_other_color(grid):
    """The large shape is scaled down to single cells, in the colour of the noise."""
    color = max(find_objects(grid), key=lambda shape: shape.size).color
    shape = trim(grid == color)
    for factor in range(min(shape.shape), 0, -1):
        if shape.shape[0] % factor == shape.shape[1] % factor == 0:
            small = shape[::factor, ::factor]
            if same(upscale(small, factor), shape):
                break
    return np.where(small, most_common_color(grid, ignore=(0, color)), 0)


@program("746b3537")
def stripes_one_cell_wide(grid):
    """Rows and columns that repeat the one before them go."""
    rows = [row for row in range(len(grid)) if row == 0 or (grid[row] != grid[row - 1]).any()]
    grid = grid[rows].T
    columns = [col for col in range(len(grid)) if col == 0 or (grid[col] != grid[col - 1]).any()]
    return grid[columns].T


@program("9172f3a0")
def triple_the_size(grid):
    """Every cell becomes a block of 3x3 cells."""
    return upscale(grid, 3)

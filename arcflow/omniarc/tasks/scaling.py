"""Grids and shapes made larger or smaller."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


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


@program("b91ae062")
def scale_by_color_count(grid):
    """Every cell grows by a factor: the number of colours in the grid, black not counted."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("ac0a08a4")
def scale_by_number_of_colors(grid):
    """Every cell becomes a block, whose side is the number of colours."""
    return upscale(grid, len(colors_of(grid, ignore=0)))


@program("9172f3a0")
def triple_the_size(grid):
    """Every cell becomes a block of 3x3 cells."""
    return upscale(grid, 3)

"""Regions are filled."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("9edfc990")
def blue_floods_black(grid):
    """Black areas that touch blue become blue."""
    result = grid.copy()
    for area in components(grid == 0, diagonal=False):
        if (grow(area, diagonal=False) & (grid == 1)).any():
            result[area] = 1
    return result


@program("6cf79266", rearc="squares that overlap others are filled too")
def fill_black_squares(grid):
    """Every black square of three by three becomes blue."""
    result = grid.copy()
    for top, left in find_pattern(grid, new_grid(3, 3)):
        square = result[top : top + 3, left : left + 3]
        if not square.any():  # none of it belongs to a square found before
            square[:] = 1
    return result


@program("50cb2852")
def fill_inside_rectangles(grid):
    """The inside of every rectangle becomes light blue, its edge stays."""
    result = grid.copy()
    for box in find_objects(grid, diagonal=False):
        result[box.top + 1 : box.bottom, box.left + 1 : box.right] = 8
    return result


@program("44d8ac46")
def fill_square_holes(grid):
    """The holes in the shapes that are squares become red, those of other shapes stay empty."""
    result = grid.copy()
    for shape in find_objects(grid):
        hole_cells = enclosed(shape.mask)
        for hole in find_objects(hole_cells.astype(np.int8), diagonal=False):
            if is_square(hole):
                result = draw(result, hole.moved(shape.top, shape.left), 2)
    return result


@program("00d62c1b")
def fill_what_walls_enclose(grid):
    """Cells that walls enclose become yellow."""
    return np.where(enclosed(grid != 0), 4, grid)


@program("d5d6de2d")
def keep_only_the_inside(grid):
    """What lines enclose becomes green, the lines themselves go."""
    return np.where(enclosed(grid != 0), 3, 0)

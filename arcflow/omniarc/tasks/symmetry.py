"""Symmetric patterns: completed, made, or found."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("44f52bb0")
def blue_if_a_half_mirrors_the_other(grid):
    """Blue where one half mirrors the other, else orange."""
    symmetric = is_symmetric(grid, "left_right") or is_symmetric(grid, "up_down")
    return new_grid(1, 1, 1 if symmetric else 7)


@program("62c24649")
def four_mirrored_quarters(grid):
    """The grid is the top left quarter, its mirror images are the other three."""
    mirrored = flip_left_right(grid)
    return join_panels([[grid, mirrored], [flip_up_down(grid), flip_up_down(mirrored)]])


@program("67e8384a")
def kaleidoscope(grid):
    """The grid and its mirror images stand around a common centre."""
    right = flip_left_right(grid)
    below = flip_up_down(grid)
    return join_panels([[grid, right], [below, rotate(grid, 2)]])


@program("4c4377d9")
def mirror_image_above(grid):
    """The grid's upside-down mirror image is put on top of it."""
    return join_panels([[flip_up_down(grid)], [grid]])


@program("6d0aefbc")
def mirror_image_at_right(grid):
    """The grid's mirror image is added at its right."""
    return join_panels([[grid, flip_left_right(grid)]])


@program("6fa7a44f")
def mirror_image_below(grid):
    """The grid's upside-down mirror image is added below it."""
    return join_panels([[grid], [flip_up_down(grid)]])


@program("3af2c5a8")
def mirror_right_and_down(grid):
    """The grid is mirrored to the right, and both together downwards."""
    top = join_panels([[grid, flip_left_right(grid)]])
    return join_panels([[top], [flip_up_down(top)]])


@program("8be77c9e")
def reflect_downwards(grid):
    """The grid is continued downwards by its mirror image."""
    return join_panels([[grid], [flip_up_down(grid)]])


@program("c9e6f938")
def reflect_to_the_right(grid):
    """The grid is continued to the right by its mirror image."""
    return join_panels([[grid, flip_left_right(grid)]])

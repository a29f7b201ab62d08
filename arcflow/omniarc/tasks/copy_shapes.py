"""Shapes are copied: stamps and templates."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("0e206a2e")
def bodies_move_onto_their_dots(grid):
    """Every shape carries dots; it moves, turned or mirrored, onto loose dots of that kind."""
    body = most_common_color(grid, ignore=0)
    shapes = [shape for shape in find_objects(grid, by_color=False) if body in shape.colors]
    dots = grid
    for shape in shapes:
        dots = erase(dots, shape)
    result = dots
    for shape in shapes:
        for turned in eight_turns(shape.patch):
            marks = np.where(turned == body, 0, turned)
            for top, left in find_pattern(pad(dots, 30), marks, ignore=0):
                result = paste(result, turned, top - 30, left - 30, transparent=0)
    return result


@program("e76a88a6")
def copy_colored_template(grid):
    """One object has two colours; all others, of the same shape, are replaced by copies of it."""
    objects = find_objects(grid, diagonal=False, by_color=False)
    template = max(objects, key=lambda obj: len(obj.colors))
    result = grid.copy()
    for obj in objects:
        result = draw(result, template.moved_to(obj.top, obj.left))
    return result


@program("88a10436")
def copy_the_shape_onto_dots(grid):
    """The shape of several colours is copied so that its centre lies on each dot."""
    *dots, shape = sorted(find_objects(grid, by_color=False), key=lambda found: found.size)
    result = grid
    for dot in dots:
        top, left = dot.top - shape.height // 2, dot.left - shape.width // 2
        result = draw(erase(result, dot), shape.moved_to(top, left))
    return result


@program("1f642eb9")
def dots_color_the_block(grid):
    """Each dot paints the cell of the block that faces it."""
    block = max(find_objects(grid), key=lambda obj: obj.size)
    result = grid.copy()
    for row, col in positions(erase(grid, block)):
        facing_row = min(max(row, block.top), block.bottom)
        facing_col = min(max(col, block.left), block.right)
        result[facing_row, facing_col] = grid[row, col]
    return result


@program("890034e9")
def frame_the_other_black_box(grid):
    """A frame surrounds a black box; other black boxes of that size get the same frame."""
    top, left, height, width = bounding_box(grid == least_common_color(grid))
    frame = crop(grid, top, left, height, width)
    result = grid
    for row, column in find_pattern(grid, new_grid(height - 2, width - 2)):
        result = paste(result, frame, row - 1, column - 1)
    return result


@program("321b1fc6")
def put_template_in_place(grid):
    """The object of several colours vanishes, and copies of it replace all others."""
    objects = find_objects(grid, diagonal=False, by_color=False)
    template = max(objects, key=lambda obj: len(obj.colors))
    result = new_grid(*grid.shape)
    for obj in objects:
        if obj != template:
            result = draw(result, template.moved_to(obj.top, obj.left))
    return result


@program("045e512c")
def repeat_the_shape_in_rows(grid):
    """Pieces beside the whole shape tell direction and colour in which it is repeated."""
    shape = max(find_objects(grid), key=lambda found: found.size)
    result = draw(new_grid(*grid.shape), shape)
    for row, column in positions((grid != 0) & (draw(new_grid(*grid.shape), shape) == 0)):
        d_row = (row > shape.bottom) - (row < shape.top)
        d_column = (column > shape.right) - (column < shape.left)
        colored = shape.recolored(int(grid[row, column]))
        for number in range(1, max(grid.shape)):
            down, right = number * d_row, number * d_column
            moved = colored.moved(down * (shape.height + 1), right * (shape.width + 1))
            result = draw(result, moved)
    return result


@program("e8dc4411")
def repeat_the_shape_towards_the_dots(grid):
    """Dots beside the shape are a part of its next copy; the copies go on that way to the edge."""
    background, dots = most_common_color(grid), least_common_color(grid)
    shape = object_from(grid, (grid != background) & (grid != dots))
    wanted, own = set(positions(grid, dots)), set(shape.cells)
    fits = [
        (distance * d_row, distance * d_column)
        for distance in range(1, max(grid.shape))
        for d_row, d_column in ALL_DIRECTIONS
        for cells in [set(shape.moved(distance * d_row, distance * d_column).cells)]
        if wanted <= cells and not own & cells
    ]
    d_row, d_column = fits[0]
    result = grid
    for number in range(1, max(grid.shape)):
        result = draw(result, shape.moved(number * d_row, number * d_column), dots)
    return result


@program("b60334d2")
def rings_around_cells(grid):
    """Each cell becomes a ring: its colour at the four corners, blue between, empty inside."""
    color = most_common_color(grid, ignore=0)
    result = new_grid(*grid.shape)
    for row, col in positions(grid):
        ring = new_grid(3, 3, 1)
        ring[::2, ::2] = color
        ring[1, 1] = 0
        result = paste(result, ring, row - 1, col - 1, transparent=0)
    return result


@program("363442ee")
def stamp_onto_dots(grid):
    """A pattern stands on one side of a line; on the other it is stamped around each dot."""
    rows, columns = find_separators(grid)
    without_lines = grid.copy()
    without_lines[rows] = 0
    without_lines[:, columns] = 0
    shapes = find_objects(without_lines, by_color=False)
    *dots, stamp = sorted(shapes, key=lambda shape: shape.size)
    result = grid
    for dot in dots:
        top, left = dot.top - stamp.height // 2, dot.left - stamp.width // 2
        result = draw(result, stamp.moved_to(top, left))
    return result

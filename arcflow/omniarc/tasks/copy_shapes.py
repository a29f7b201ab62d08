"""Shapes are copied: stamps and templates."""

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("88a10436")
def copy_the_shape_onto_dots(grid):
    """The shape of several colours is copied so that its centre lies on each dot."""
    *dots, shape = sorted(find_objects(grid, by_color=False), key=lambda found: found.size)
    result = grid
    for dot in dots:
        top, left = dot.top - shape.height // 2, dot.left - shape.width // 2
        result = draw(erase(result, dot), shape.moved_to(top, left))
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

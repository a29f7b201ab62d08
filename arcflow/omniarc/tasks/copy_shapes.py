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

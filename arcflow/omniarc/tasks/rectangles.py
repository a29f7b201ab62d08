"""Rectangles are found, framed or filled."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("3aa6fb7a")
def complete_corners(grid):
    """Each corner of three cells gets a blue cell in its notch, so that it becomes a square."""
    result = grid.copy()
    for corner in find_objects(grid, diagonal=False):
        square = result[corner.top : corner.bottom + 1, corner.left : corner.right + 1]
        square[square == 0] = 1
    return result


@program("b6afb2da")
def corners_edges_and_inside(grid):
    """Of every rectangle the corners become blue, the edges yellow, the inside red."""
    result = grid.copy()
    for box in find_objects(grid, diagonal=False):
        patch = new_grid(box.height, box.width, 4)
        patch[1:-1, 1:-1] = 2
        patch[[0, 0, -1, -1], [0, -1, 0, -1]] = 1
        result = paste(result, patch, box.top, box.left)
    return result


@program("af902bf9")
def fill_between_four_corners(grid):
    """Where four dots are the corners of an empty rectangle, its inside becomes red."""
    result = np.array(grid)
    dots = positions(grid)
    for top, left in dots:
        for bottom, right in dots:
            if top < bottom and left < right:
                corners = grid[[top, top, bottom, bottom], [left, right, left, right]]
                box = grid[top : bottom + 1, left : right + 1]
                if corners.all() and np.count_nonzero(box) == 4:
                    result[top + 1 : bottom, left + 1 : right] = 2
    return result


@program("6d75e8bb")
def fill_box_red(grid):
    """Around the shape stands a box just large enough: its empty cells become red."""
    result = grid.copy()
    top, left, height, width = bounding_box(grid)
    box = result[top : top + height, left : left + width]
    box[box == 0] = 2
    return result


@program("60b61512")
def fill_boxes_orange(grid):
    """Around each shape stands a box just large enough: its empty cells become orange."""
    result = grid.copy()
    for shape in find_objects(grid):
        box = result[shape.top : shape.bottom + 1, shape.left : shape.right + 1]
        box[box == 0] = 7
    return result


@program("3eda0437")
def fill_the_largest_black_rectangle(grid):
    """The largest black rectangle, at least two cells wide and high, becomes magenta."""
    boxes = []
    for top in range(len(grid)):
        for height in range(2, len(grid) - top + 1):
            black = (grid[top : top + height] == 0).all(axis=0)
            for run in components(black[None]):
                _, left, _, width = bounding_box(run)
                if width > 1:
                    boxes.append((top, left, height, width))
    top, left, height, width = max(boxes, key=lambda box: box[2] * box[3])
    return paste(grid, new_grid(height, width, 6), top, left)


@program("a8d7556c", rearc="RE-ARC paints every black 2x2 square, also those that overlap others.")
def fill_the_largest_black_rectangles(grid):
    """Black rectangles at least two cells wide and high become red, the largest one first.

    Each is cut out whole, so a strip one cell wide that is left beside it stays black.
    """
    result = grid.copy()
    while True:
        black = result == 0
        squares = black & shift(black, -1, 0) & shift(black, 0, -1) & shift(black, -1, -1)
        if not squares.any():
            return result
        # A rectangle of h x w places at which 2x2 squares begin has h + 1 rows and w + 1 columns.
        top, left, height, width = largest_rectangle(squares)
        result = paste(result, new_grid(height + 1, width + 1, 2), top, left)


@program("4347f46a")
def hollow_out_rectangles(grid):
    """Of every full rectangle only the edge stays."""
    result = grid.copy()
    for box in find_objects(grid, diagonal=False):
        result[box.top + 1 : box.bottom, box.left + 1 : box.right] = 0
    return result


@program("56ff96f3")
def rectangle_between_corners(grid):
    """Two cells of one colour are opposite corners of a rectangle, which that colour fills."""
    result = grid.copy()
    for color in colors_of(grid, ignore=0):
        top, left, height, width = bounding_box(grid == color)
        result[top : top + height, left : left + width] = color
    return result


@program("b548a754")
def stretch_box_to_the_dot(grid):
    """The two-coloured rectangle is stretched until it reaches the dot."""
    border = max(find_objects(grid), key=lambda obj: obj.height * obj.width)
    filling = most_common_color(object_grid(grid, border), ignore=border.color)
    return draw_rectangle(np.zeros_like(grid), *bounding_box(grid), border.color, filling)


@program("1bfc4729")
def two_boxes_with_a_shelf(grid):
    """Each half of the grid becomes an open box in its dot's colour, with a shelf at the dot."""
    (upper_row, upper_column), (lower_row, lower_column) = positions(grid != 0)
    upper, lower = grid[upper_row, upper_column], grid[lower_row, lower_column]
    half = len(grid) // 2
    result = new_grid(*grid.shape)
    result[:half, [0, -1]] = upper
    result[[0, upper_row]] = upper
    result[half:, [0, -1]] = lower
    result[[lower_row, -1]] = lower
    return result

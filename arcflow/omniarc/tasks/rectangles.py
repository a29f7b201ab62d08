"""Rectangles are found, framed or filled."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("b527c5c6")
def blocks_beam_from_their_odd_cell(grid):
    """Each block has a cell of another colour on its side: from there a beam runs to the edge,
    that cell's line in the middle, on both sides of it one line less than the block is thick."""
    result = grid.copy()
    for block in find_objects(grid, by_color=False, diagonal=False):
        odd = least_common_color(block.patch)
        row, col = positions(block.patch, odd)[0]
        row, col = block.top + row, block.left + col
        sides = {
            UP: row == block.top,
            DOWN: row == block.bottom,
            LEFT: col == block.left,
            RIGHT: col == block.right,
        }
        d_row, d_col = direction = next(way for way, there in sides.items() if there)
        reach = min(block.height, block.width) - 1
        for aside in range(-reach, reach + 1):
            start = (row + aside * abs(d_col), col + aside * abs(d_row))
            for cell in ray(grid, start, direction):
                result[cell] = block.color if aside else odd
    return result


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


@program(
    "a64e4611",
    rearc="a row beside a narrow street may be blank by chance: its width cannot be told",
)
def fill_blank_streets(grid):
    """A long blank street from an edge and the side streets that lead from it to other edges
    are filled, but for a margin of one cell along their sides. Of the upright and the level street
    it is the one that makes more filled cells."""

    def without_margin(start, end, size):
        return slice(start + (start > 0), end - (end < size))

    def fill_upright_street(cells):
        height, width = cells.shape
        streets = []
        lengths = range(height // 2, height + 1)
        from_the_edges = [span for n in lengths for span in ((0, n), (height - n, height))]
        for top, bottom in from_the_edges:
            for run in components(~cells[top:bottom].any(axis=0, keepdims=True)):
                _, left, _, columns = bounding_box(run)
                if columns >= 3:
                    area = (bottom - top) * columns
                    streets.append((area, top, bottom, left, left + columns))
        if not streets:
            return cells
        _, top, bottom, left, right = max(streets)
        street = without_margin(left, right, width)
        result = cells.copy()
        result[without_margin(top, bottom, height), street] = 3
        for side in (slice(0, street.start), slice(street.stop, width)):
            for run in components(~cells[:, side].any(axis=1, keepdims=True)):
                start, _, rows, _ = bounding_box(run)
                if rows >= 3 and start < bottom and start + rows > top:
                    result[without_margin(start, start + rows, height), side] = 3
        return result

    level = transpose(fill_upright_street(transpose(grid)))
    return max(fill_upright_street(grid), level, key=lambda filled: count_color(filled, 3))


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

"""Symmetric patterns: completed, made, or found."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("44f52bb0")
def blue_if_a_half_mirrors_the_other(grid):
    """Blue where one half mirrors the other, else orange."""
    symmetric = is_symmetric(grid, "left_right") or is_symmetric(grid, "up_down")
    return new_grid(1, 1, 1 if symmetric else 7)


@program("e40b9e2f")
def complete_pinwheel(grid):
    """Quarter turns about its middle, a full block of 2x2 or 3x3 cells, should not change the
    shape: it is completed with as few cells as possible."""
    shape = {cell: grid[cell] for cell in positions(grid)}

    def complete(row_sum, col_sum):
        """Around the middle at half of these, if no two colours meet."""
        middle = grid[(row_sum - 1) // 2 : row_sum // 2 + 2, (col_sum - 1) // 2 : col_sum // 2 + 2]
        if not middle.all():
            return None
        whole = dict(shape)
        for (row, col), color in shape.items():
            for _ in range(3):
                row, col = (row_sum - col_sum) // 2 + col, (row_sum + col_sum) // 2 - row
                if whole.setdefault((row, col), color) != color:
                    return None
        return whole

    height, width = grid.shape
    sums = [(a, b) for a in range(1, 2 * height) for b in range(1 + (a + 1) % 2, 2 * width, 2)]
    wholes = [whole for pair in sums if (whole := complete(*pair))]
    result = grid.copy()
    for (row, col), color in min(wholes, key=len).items():
        if 0 <= row < height and 0 <= col < width:
            result[row, col] = color
    return result


@program("11852cab")
def complete_snowflakes(grid):
    """Every snowflake of 5x5 cells is completed with as few cells as possible: it looks the
    same in all turns and mirrors."""
    cells = pad(grid, 2)
    result = cells.copy()
    while cells.any():
        flakes = []
        for row, col in positions(cells):
            box = slice(row - 2, row + 3), slice(col - 2, col + 3)
            turns = eight_turns(cells[box])
            if all(((a == b) | (a == 0) | (b == 0)).all() for a in turns for b in turns):
                flake = overlay(turns)
                known = np.count_nonzero(cells[box])
                flakes.append((known, -np.count_nonzero(flake), box, flake))
        _, _, box, flake = max(flakes, key=lambda found: found[:2])
        result[box] = flake
        cells[box] = 0
    return result[2:-2, 2:-2]


@program("1b60fb0c")
def complete_the_turning_shape(grid):
    """The shape looks the same after a quarter turn; what is missing for that becomes red."""
    cells = set(positions(grid != 0))

    def all_turns(row_sum, column_sum):
        # Quarter turns around the point that is half of both sums.
        result = set(cells)
        for _ in range(3):
            result |= {
                ((row_sum + column_sum) // 2 - column, (column_sum - row_sum) // 2 + row)
                for row, column in result
            }
        return result

    height, width = grid.shape
    whole = min(
        (
            all_turns(row_sum, column_sum)
            for row_sum in range(2 * height)
            for column_sum in range(row_sum % 2, 2 * width, 2)
        ),
        key=len,
    )
    result = grid.copy()
    for row, column in whole - cells:
        if 0 <= row < height and 0 <= column < width:
            result[row, column] = 2
    return result


@program("2013d3e2")
def crop_a_quarter(grid):
    """The shape is made of four turned quarters: the one at the top left is cropped."""
    shape = trim(grid)
    return shape[: shape.shape[0] // 2, : shape.shape[1] // 2]


@program("9d9215db")
def dotted_frames(grid):
    """Dots are mirrored into all corners; those on a frame's edge, not its corner, dot the edge."""
    height, width = grid.shape
    result = grid.copy()
    for row, column in positions(grid != 0):
        rows = sorted((row, height - 1 - row))
        columns = sorted((column, width - 1 - column))
        if rows[0] < columns[0]:
            columns = range(columns[0], columns[1] + 1, 2)
        elif columns[0] < rows[0]:
            rows = range(rows[0], rows[1] + 1, 2)
        result[np.ix_(rows, columns)] = grid[row, column]
    return result


@program("e3497940")
def fold_the_right_onto_the_left(grid):
    """The right half is folded over the line in the middle onto the left half."""
    half = grid.shape[1] // 2
    return overlay([grid[:, :half], flip_left_right(grid[:, half + 1 :])])


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


@program("4938f0c2")
def mirror_about_the_square(grid):
    """The shape is mirrored left-right and up-down about the middle of the 2x2 square."""
    square = next(
        obj
        for obj in find_objects(grid)
        if is_square(obj) and obj.size == 4 and count_color(grid, obj.color) == 4
    )
    result = grid.copy()
    for row, col in positions(grid):
        mirrored_row = square.top + square.bottom - row
        mirrored_col = square.left + square.right - col
        for place in [(row, mirrored_col), (mirrored_row, col), (mirrored_row, mirrored_col)]:
            result[place] = grid[row, col]
    return result


@program("b775ac94")
def mirror_across_the_marks(grid):
    """Marks beside a shape's corner say where it is mirrored to, and in which colour."""
    result = grid.copy()
    height, width = grid.shape
    for shape in find_objects(grid, by_color=False):
        body = shape.color
        cells = [cell for cell in shape.cells if grid[cell] == body]
        marks = [cell for cell in shape.cells if grid[cell] != body]

        def remoteness(cell, marks=marks):
            steps = [np.abs(np.subtract(mark, cell)) for mark in marks]
            return [max((step.max() for step in steps), default=0), sum(map(np.sum, steps))]

        corner = min(cells, key=remoteness)
        for mark in marks:
            down, right = np.subtract(mark, corner)
            for row, column in cells:
                new_row = 2 * corner[0] + down - row if down else row
                new_column = 2 * corner[1] + right - column if right else column
                if 0 <= new_row < height and 0 <= new_column < width:
                    result[new_row, new_column] = grid[mark]
    return result


@program("4c5c2cf0")
def mirror_around_the_cross(grid):
    """The slanted cross is a centre, around which the other shape is mirrored both ways."""

    def is_cross(color):
        mask = trim(grid == color)
        return mask.shape == (3, 3) and same(np.rot90(mask), mask) and mask.sum() == 5

    color = next(color for color in colors_of(grid, ignore=0) if is_cross(color))
    top, left, _, _ = bounding_box(grid == color)
    result = grid.copy()
    for row, column in positions(grid):
        for new_row in (row, 2 * (top + 1) - row):
            for new_column in (column, 2 * (left + 1) - column):
                dot = new_grid(1, 1, grid[row, column])
                result = paste(result, dot, new_row, new_column)
    return result


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


@program("47c1f68c")
def mirror_into_all_quarters(grid):
    """The pattern in one quarter is mirrored into all, in the colour of the lines between them."""
    (row,), (column,) = find_separators(grid)
    color = grid[row, column]
    quarters = np.delete(np.delete(grid, row, axis=0), column, axis=1) != 0
    quarters = quarters | flip_left_right(quarters)
    return np.where(quarters | flip_up_down(quarters), color, 0)


@program("f25ffba3")
def mirror_into_the_empty_half(grid):
    """One half is empty: the other is mirrored into it."""
    middle = len(grid) // 2
    top_or_bottom_empty = not grid[:middle].any() or not grid[-middle:].any()
    return overlay([grid, flip_up_down(grid) if top_or_bottom_empty else flip_left_right(grid)])


@program("3af2c5a8")
def mirror_right_and_down(grid):
    """The grid is mirrored to the right, and both together downwards."""
    top = join_panels([[grid, flip_left_right(grid)]])
    return join_panels([[top], [flip_up_down(top)]])


@program("496994bd")
def mirror_the_bars(grid):
    """The pattern at one side of the grid is mirrored to the other side."""
    flip = flip_up_down if is_symmetric(grid, "left_right") else flip_left_right
    return overlay([grid, flip(grid)])


@program("760b3cac")
def mirror_to_the_side_of_the_bump(grid):
    """The sign's bump says to which side the other shape is mirrored."""
    model = to_grid([[1, 0, 0], [1, 1, 1], [0, 1, 0]])
    signs = [turned.astype(bool) for turned in eight_turns(model)]
    boxes = [object_from(grid, grid == color) for color in colors_of(grid, ignore=0)]
    boxes.sort(key=lambda shape: any(same(shape.mask, sign) for sign in signs))
    shape, sign = boxes
    corners = sign.mask[[0, 0, -1, -1], [0, -1, 0, -1]]
    row, column = [(-1, -1), (-1, 1), (1, -1), (1, 1)][np.argmax(corners)]
    down, right = np.subtract(shape.center, sign.center)
    if abs(down) > abs(right):
        return draw(grid, shape.turned(flip_left_right).moved(0, column * shape.width))
    return draw(grid, shape.turned(flip_up_down).moved(row * shape.height, 0))


@program("9ecd008a")
def missing_part_by_symmetry(grid):
    """The pattern mirrors itself about both middles; what the black hole hides is cut out."""
    mirrored = overlay([rotate(grid, 2), flip_up_down(grid), flip_left_right(grid)])
    return crop(mirrored, *bounding_box(grid == 0))


@program("2bcee788")
def reflect_at_the_line(grid):
    """The cells of the rarer colour show at which side the shape is mirrored: its mirror image
    is put there, over these cells. The background becomes green."""
    line_color = least_common_color(grid, ignore=0)
    shape = object_from(grid, (grid != 0) & (grid != line_color))
    line = object_from(grid, grid == line_color)
    if line.right < shape.left or line.left > shape.right:
        width = -shape.width if line.right < shape.left else shape.width
        image = shape.turned(flip_left_right).moved(0, width)
    else:
        height = -shape.height if line.bottom < shape.top else shape.height
        image = shape.turned(flip_up_down).moved(height, 0)
    background = np.full_like(grid, 3)
    return draw(draw(background, shape), image)


@program("8be77c9e")
def reflect_downwards(grid):
    """The grid is continued downwards by its mirror image."""
    return join_panels([[grid], [flip_up_down(grid)]])


@program("c9e6f938")
def reflect_to_the_right(grid):
    """The grid is continued to the right by its mirror image."""
    return join_panels([[grid, flip_left_right(grid)]])


@program("73251a56")
def repair_diagonal_mirror(grid):
    """The pattern is its own mirror image along a diagonal: spoilt cells take the colour of
    their image. Where that is spoilt too, the colour runs on along the diagonal."""
    turned = flip_left_right(grid)
    turn = np.sum(turned == transpose(turned)) > np.sum(grid == transpose(grid))
    result = turned if turn else grid
    hole = most_common_color(result[result != transpose(result)])
    result = np.where(result == hole, transpose(result), result)
    for _ in range(max(grid.shape)):
        for step in (1, -1):
            result = np.where(result == hole, shift(result, step, step, fill=hole), result)
    return flip_left_right(result) if turn else result

"""Objects move to places that others tell."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("1a07d186")
def cells_join_their_line(grid):
    """Each loose cell moves straight to the line of its colour and stops beside it.
    Loose cells without a line of their colour vanish."""
    upright = not any(grid[row, 0] for row in full_rows(grid))
    cells = transpose(grid) if upright else grid
    lines = {cells[row, 0]: row for row in full_rows(cells) if cells[row, 0]}
    result = np.zeros_like(cells)
    for color, line in lines.items():
        result[line] = color
        for row, col in positions(cells, color):
            if row != line:
                result[line + np.sign(row - line), col] = color
    return transpose(result) if upright else result


@program("234bbc79")
def couple_the_shapes(grid):
    """Every shape moves so that its left coupling comes right beside the right coupling of the
    shape before it. The couplings take the colour of their shape."""
    shapes = sorted(find_objects(grid, by_color=False), key=lambda obj: obj.left)
    shared = set.intersection(*(set(shape.colors) for shape in shapes))
    coupling = min(shared, key=lambda color: count_color(grid, color))
    result = np.zeros_like(grid)
    target = None
    for shape in shapes:
        couplings = [cell for cell in shape.cells if grid[cell] == coupling]
        left = min(couplings, key=lambda cell: cell[1])
        right = max(couplings, key=lambda cell: cell[1])
        d_row, d_col = (target[0] - left[0], target[1] + 1 - left[1]) if target else (0, 0)
        target = right[0] + d_row, right[1] + d_col
        color = next(color for color in shape.colors if color != coupling)
        moved = shape.moved(d_row, d_col)
        result = draw(result, moved, color)
    return result[:, : moved.right + 1]


@program("e48d4e1a")
def cross_moves_away_from_marks(grid):
    """The cross moves away from the marks, by as many cells as there are; the marks go."""
    cross, mark = colors_of(grid, ignore=0)
    row = full_rows(grid, cross)[0]
    column = full_columns(np.where(grid == mark, cross, grid), cross)[0]
    marks = positions(grid, mark)
    new_row = row + len(marks) * np.sign(row - marks[0][0])
    new_column = column + len(marks) * np.sign(column - marks[0][1])
    result = new_grid(*grid.shape)
    result[new_row] = cross
    result[:, new_column] = cross
    return result


@program("d687bc17")
def dots_go_to_their_wall(grid):
    """Dots move to the wall of their colour; those without one vanish."""
    height, width = grid.shape
    ring = ring_index(height, width)
    result = np.where(ring == 0, grid, 0)
    result[[0, 0, -1, -1], [0, -1, 0, -1]] = 0
    for row, column in positions((grid != 0) & (ring > 0)):
        color = grid[row, column]
        if color == grid[0, 1]:
            result[1, column] = color
        elif color == grid[-1, 1]:
            result[height - 2, column] = color
        elif color == grid[1, 0]:
            result[row, 1] = color
        elif color == grid[1, -1]:
            result[row, width - 2] = color
    return result


@program("952a094c")
def dots_leave_through_the_opposite_corner(grid):
    """Dots in the corners of a frame move outside, to the corner across from theirs."""
    frame = max(find_objects(grid), key=lambda shape: shape.size)
    result = draw(new_grid(*grid.shape), frame)
    rows, columns = (frame.top, frame.bottom), (frame.left, frame.right)
    for up, down in ((0, 1), (1, 0)):
        for left, right in ((0, 1), (1, 0)):
            d_row, d_column = (1, -1)[up], (1, -1)[left]
            color = grid[rows[up] + d_row, columns[left] + d_column]
            outside = rows[down] + d_row, columns[right] + d_column
            result = paste(result, new_grid(1, 1, color), *outside)
    return result


@program("d89b689b")
def dots_move_to_the_block(grid):
    """The four dots move to the nearest cell of the block, and take it over."""
    *dots, block = sorted(find_objects(grid), key=lambda found: found.size)
    result = new_grid(*grid.shape)
    for dot in dots:
        row = np.clip(dot.top, block.top, block.bottom)
        column = np.clip(dot.left, block.left, block.right)
        result[row, column] = dot.color
    return result


@program("025d127b")
def lean_to_the_right(grid):
    """Shapes lean to the right by a cell; their bottom row and right edge stay."""
    result = new_grid(*grid.shape)
    for shape in find_objects(grid):
        for row, column in shape.cells:
            if row < shape.bottom:
                column = min(column + 1, shape.right)
            result[row, column] = shape.color
    return result


@program("5521c0d9")
def leave_the_edge_by_own_length(grid):
    """All rectangles stand on one edge; each moves away from it by its own length."""
    boxes = find_objects(grid, diagonal=False)
    height, width = grid.shape
    if all(box.bottom == height - 1 for box in boxes):
        direction = UP
    elif all(box.top == 0 for box in boxes):
        direction = DOWN
    elif all(box.left == 0 for box in boxes):
        direction = RIGHT
    else:
        direction = LEFT
    result = new_grid(height, width)
    for box in boxes:
        moved = box.moved(direction[0] * box.height, direction[1] * box.width)
        result = draw(result, moved)
    return result


@program("1caeab9d")
def line_up_with_blue(grid):
    """All shapes move up or down until they stand beside the blue one."""
    shapes = find_objects(grid)
    blue = next(shape for shape in shapes if shape.color == 1)
    result = new_grid(*grid.shape)
    for shape in shapes:
        result = draw(result, shape.moved(blue.bottom - shape.bottom, 0))
    return result


@program("ae3edfdc")
def magnets_pull_their_color(grid):
    """Red pulls green and blue pulls orange: cells in line with the magnet move beside it.
    All other cells vanish."""
    result = np.zeros_like(grid)
    for magnet, pulled in ((2, 3), (1, 7)):
        for row, col in positions(grid, magnet):
            result[row, col] = magnet
            for d_row, d_col in ALL_DIRECTIONS:
                cells = ray(grid, (row, col), (d_row, d_col))
                if any(grid[cell] == pulled for cell in cells):
                    result[row + d_row, col + d_col] = pulled
    return result


@program("6855a6e4")
def mirror_into_the_brackets(grid):
    """What stands outside two brackets is mirrored to the inside of the nearer one."""
    shapes = {color: bounding_box(grid == color) for color in colors_of(grid, ignore=0)}

    def are_brackets(color):
        box = crop(grid, *shapes[color]) == color
        level, upright = box[[0, -1]].all(), box[:, [0, -1]].all()
        return min(box.shape) > 1 and level != upright

    color = next(color for color in shapes if are_brackets(color))
    turn = not (crop(grid, *shapes[color])[[0, -1]] == color).all()
    field = transpose(grid) if turn else grid
    top, _, height, _ = bounding_box(field == color)
    bottom = top + height - 1
    result = np.where(field == color, color, 0)
    for row, column in positions((field != 0) & (field != color)):
        wall = top if row < top else bottom
        result[2 * wall - row, column] = field[row, column]
    return transpose(result) if turn else result


@program("f8a8fe49")
def mirror_out_of_the_brackets(grid):
    """What stands between two brackets is mirrored to the outside of the nearer one."""
    shapes = {color: bounding_box(grid == color) for color in colors_of(grid, ignore=0)}
    color = max(shapes, key=lambda color: shapes[color][2] * shapes[color][3])
    turn = not (crop(grid, *shapes[color])[0] == color).all()
    field = transpose(grid) if turn else grid
    top, _, height, _ = bounding_box(field == color)
    bottom = top + height - 1
    result = np.where(field == color, color, 0)
    for row, column in positions((field != 0) & (field != color)):
        wall = top if row - top < bottom - row else bottom
        result = paste(result, field[row : row + 1, column : column + 1], 2 * wall - row, column)
    return transpose(result) if turn else result


@program("5168d44c")
def move_box_one_dot(grid):
    """The box moves on to the next dot of the dotted line: to the right, down or both."""
    box = max(find_objects(grid), key=lambda obj: obj.size).color
    dot = most_common_color(grid, ignore=(0, box))
    dots = positions(grid, dot)
    around = count_neighbors(grid == box)
    row, col = max(dots, key=lambda place: around[place])
    d_row = 2 if len({row for row, _ in dots}) > 1 else 0
    d_col = 2 if len({col for _, col in dots}) > 1 else 0
    without_box = np.where(grid == dot, dot, 0)
    return draw_rectangle(without_box, row + d_row - 1, col + d_col - 1, 3, 3, box)


@program("a1570a43")
def move_into_the_four_corners(grid):
    """Four dots mark the corners of a frame, into which the shape moves."""

    def are_corners(dots):
        top, left, height, width = bounding_box(dots)
        bottom, right = top + height - 1, left + width - 1
        return positions(dots) == [(top, left), (top, right), (bottom, left), (bottom, right)]

    color = next(color for color in colors_of(grid, ignore=0) if are_corners(grid == color))
    corners = grid == color
    top, left, _, _ = bounding_box(corners)
    shape = object_from(grid, (grid != 0) & ~corners)
    return draw(np.where(corners, color, 0), shape.moved_to(top + 1, left + 1))


@program("25ff71a9")
def one_step_down(grid):
    """Everything moves down by one cell."""
    return shift(grid, 1, 0)


@program("98cf29f8")
def pull_the_block_along_its_line(grid):
    """A line leads from one block to the other; the block with the line is pulled along it."""
    shapes = find_objects(grid, diagonal=False)
    tied = next(shape for shape in shapes if not is_rectangle(shape))
    other = next(shape for shape in shapes if shape != tied)
    thick = np.zeros_like(tied.mask)
    for row, column in find_pattern(tied.mask.astype(np.int8), new_grid(2, 2, 1)):
        thick[row : row + 2, column : column + 2] = True
    top, left, height, width = bounding_box(thick)
    line = tied.mask & ~thick
    line_top, line_left, line_height, line_width = bounding_box(line)
    d_row = line_height * ((line_top > top) - (line_top < top)) * (line_width == 1)
    d_column = line_width * ((line_left > left) - (line_left < left)) * (line_height == 1)
    if top <= line_top < top + height:
        d_row = 0
    else:
        d_column = 0
    block = new_grid(height, width, tied.color)
    result = draw(new_grid(*grid.shape), other)
    return paste(result, block, tied.top + top + d_row, tied.left + left + d_column)


@program("05f2a901")
def slide_to_block(grid):
    """The irregular shape slides straight to the solid block until they touch."""
    shape, block = sorted(find_objects(grid), key=is_rectangle)
    if shape.bottom < block.top:
        direction = DOWN
    elif shape.top > block.bottom:
        direction = UP
    elif shape.right < block.left:
        direction = RIGHT
    else:
        direction = LEFT
    return draw(erase(grid, shape), slide(grid, shape, direction))


@program("a79310a0")
def step_down_and_turn_red(grid):
    """The shape moves down by one cell and becomes red."""
    return np.where(shift(grid, 1, 0) != 0, 2, 0)


@program("dc433765")
def step_towards_yellow(grid):
    """The other dot moves one step towards the yellow one."""
    color = most_common_color(grid, ignore=(0, 4))
    row, column = positions(grid, color)[0]
    goal_row, goal_column = positions(grid, 4)[0]
    result = recolor(grid, {color: 0})
    result[row + np.sign(goal_row - row), column + np.sign(goal_column - column)] = color
    return result

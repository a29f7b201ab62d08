"""Slanted lines and beams that run to the edge."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("bdad9b1f")
def bars_run_through_and_cross(grid):
    """Bars run on to both edges; where a level and an upright one cross there is yellow."""
    bars = find_objects(grid, diagonal=False)
    level = [bar for bar in bars if bar.width > bar.height]
    upright = [bar for bar in bars if bar.height > bar.width]
    result = grid.copy()
    for bar in level:
        result[bar.top] = bar.color
    for bar in upright:
        result[:, bar.left] = bar.color
    for bar in level:
        result[bar.top, [other.left for other in upright]] = 4
    return result


@program("673ef223")
def beams_to_and_from_the_gates(grid):
    """A beam joins each dot to its gate; it comes out of the other gate and crosses the grid."""
    gates = [found for found in find_objects(grid, diagonal=False) if found.size > 1]
    turn = gates[0].width > 1
    field = transpose(grid) if turn else grid
    gates = [found for found in find_objects(field, diagonal=False) if found.size > 1]
    result = field.copy()
    for row, column in positions((field != 0) & (field != gates[0].color)):
        gate = next(gate for gate in gates if gate.top <= row <= gate.bottom)
        other = next(found for found in gates if found != gate)
        color = field[row, column]
        if gate.left < column:
            result[row, gate.left + 1 : column] = color
        else:
            result[row, column + 1 : gate.left] = color
        result[row, column] = 4
        exit_row = result[row - gate.top + other.top]
        exit_row[:] = np.where(field[row - gate.top + other.top] == other.color, other.color, color)
    return transpose(result) if turn else result


@program("1f0c79e5")
def block_flies_off_at_red_corners(grid):
    """The 2x2 block flies off diagonally at each of its red corners.
    It and all its trails get the block's other colour."""
    top, left, _, _ = bounding_box(grid)
    color = most_common_color(grid, ignore=[0, 2])
    block = new_grid(2, 2, color)
    result = paste(grid, block, top, left)
    for row, col in positions(grid, 2):
        d_row, d_col = (-1 if row == top else 1), (-1 if col == left else 1)
        for step in range(max(grid.shape)):
            result = paste(result, block, top + step * d_row, left + step * d_col)
    return result


@program("5c0a986e")
def blue_up_left_red_down_right(grid):
    """Slanted lines run from blue squares up to the left, from red ones down to the right."""
    result = grid
    for square in find_objects(grid, diagonal=False):
        start, direction = (square.top, square.left), (-1, -1)
        if square.color == 2:
            start, direction = (square.bottom, square.right), (1, 1)
        result = shoot(result, start, direction, square.color)
    return result


@program("508bd3b6")
def bounce_off_wall(grid):
    """The diagonal flies on towards the wall in green, bounces off it and leaves the grid."""
    upright_wall = not any(grid[row, 0] for row in full_rows(grid))
    scene = transpose(grid) if upright_wall else grid
    wall_rows = [row for row in full_rows(scene) if scene[row, 0]]
    wall = scene[wall_rows[0], 0]
    cells = positions((scene != 0) & (scene != wall))
    down = 1 if cells[0][0] < wall_rows[0] else -1
    tail, head = (cells[0], cells[-1]) if down == 1 else (cells[-1], cells[0])
    right = 1 if head[1] > tail[1] else -1
    gap = min(abs(row - head[0]) for row in wall_rows) - 1
    turning_point = (head[0] + down * gap, head[1] + right * gap)
    scene = shoot(scene, head, (down, right), 3)
    scene = shoot(scene, turning_point, (-down, right), 3)
    return transpose(scene) if upright_wall else scene


@program("3bd67248")
def diagonal_and_floor_from_the_bar(grid):
    """From the foot of the bar a red line rises slantwise, a yellow one runs along the floor."""

    def stands_left(field):
        return field[:, 0].all() and not field[:, -1].any()

    turns = next(turns for turns in range(4) if stands_left(rotate(grid, turns)))
    turned = rotate(grid, turns)
    thickness = np.count_nonzero(turned[0])
    small = downscale(turned, thickness)
    foot = len(small) - 1, 0
    small = shoot(small, foot, (-1, 1), 2)
    small = shoot(small, foot, RIGHT, 4)
    return rotate(upscale(small, thickness), -turns)


@program("d07ae81c")
def diagonals_colored_by_region(grid):
    """Slanted lines leave every dot; in each region they have the colour of the dots there."""
    regions = colors_of(grid)[:2]
    color = dict(zip(regions, regions, strict=True))
    dots = positions(~np.isin(grid, regions))
    for row, column in dots:
        around = grid[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        color[most_common_color(around, ignore=grid[row, column])] = grid[row, column]
    result = grid.copy()
    for dot in dots:
        for direction in DIAGONAL:
            for cell in ray(grid, dot, direction):
                result[cell] = color.get(grid[cell], grid[cell])
    return result


@program("ea786f4a")
def diagonals_through_the_centre(grid):
    """Slanted lines of the colour in the centre run from it to the edges."""
    centre = grid.shape[0] // 2, grid.shape[1] // 2
    result = grid.copy()
    for direction in DIAGONAL:
        for cell in ray(grid, centre, direction):
            result[cell] = grid[centre]
    return result


@program("623ea044")
def diagonals_through_the_dot(grid):
    """Slanted lines run from the dot to the edges of the grid."""
    result = grid.copy()
    for dot in positions(grid != 0):
        for direction in DIAGONAL:
            for cell in ray(grid, dot, direction):
                result[cell] = grid[dot]
    return result


@program("855e0971")
def dots_cut_their_stripe(grid):
    """A dot in a stripe becomes a line across the stripe."""
    level = np.array([[most_common_color(row[None])] * len(row) for row in grid])
    upright = np.array([[most_common_color(row[None])] * len(row) for row in grid.T]).T
    turn = (level == grid).sum() < (upright == grid).sum()
    field, stripes = (grid.T, upright.T) if turn else (grid, level)
    result = field.copy()
    for row, column in positions(field != stripes):
        first, last = row, row
        while first > 0 and stripes[first - 1, 0] == stripes[row, 0]:
            first -= 1
        while last < len(field) - 1 and stripes[last + 1, 0] == stripes[row, 0]:
            last += 1
        result[first : last + 1, column] = field[row, column]
    return result.T if turn else result


@program("7ddcd7ec")
def extend_tails_of_square(grid):
    """The tails at the corners of the square go on diagonally to the edge."""
    top, left, height, width = largest_rectangle(grid > 0)
    bottom, right = top + height - 1, left + width - 1
    result = grid.copy()
    for d_row, d_col in DIAGONAL:
        corner = (bottom if d_row > 0 else top, right if d_col > 0 else left)
        path = ray(grid, corner, (d_row, d_col))
        if path and grid[path[0]] > 0:
            result = shoot(result, path[0], (d_row, d_col), grid[path[0]])
    return result


@program("a78176bb")
def line_beyond_each_triangle(grid):
    """Triangles lean on a slanted line; a parallel line passes beyond each, and they go."""

    def offsets(field, color):
        rows, columns = np.nonzero(field == color)
        return columns - rows

    flip = all(len(set(offsets(grid, color))) > 1 for color in colors_of(grid, ignore=0))
    field = flip_left_right(grid) if flip else grid
    lines = [color for color in colors_of(field, ignore=0) if len(set(offsets(field, color))) == 1]
    line = max(lines, key=lambda color: count_color(field, color))
    own = offsets(field, line)[0]
    drawn = {own}
    rows, columns = np.nonzero((field != 0) & (field != line))
    triangles = columns - rows
    if (triangles > own).any():
        drawn.add(triangles.max() + 2)
    if (triangles < own).any():
        drawn.add(triangles.min() - 2)
    rows, columns = np.indices(field.shape)
    result = np.where(np.isin(columns - rows, list(drawn)), line, 0)
    return flip_left_right(result) if flip else result


@program("6e19193c")
def open_corners_shoot(grid):
    """Every corner of three cells shoots a diagonal line out of its open side."""
    result = grid
    for corner in find_objects(grid):
        for row, column in positions(~corner.mask):
            start = corner.top + row, corner.left + column
            direction = (2 * row - 1, 2 * column - 1)
            result = shoot(result, start, direction, corner.color)
    return result

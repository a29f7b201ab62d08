"""Lines connect what belongs together."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("a2fd1cf0")
def bent_line_from_red_to_green(grid):
    """A light blue line runs level from the red dot, then up or down to the green one."""
    (red_row, red_column), (green_row, green_column) = positions(grid, 2)[0], positions(grid, 3)[0]
    corner = red_row, green_column
    result = draw_line(grid, (red_row, red_column), corner, 8)
    result = draw_line(result, corner, (green_row, green_column), 8)
    return np.where(grid != 0, grid, result)


@program("d6ad076f")
def bridge_between_rectangles(grid):
    """A light blue bridge joins the two rectangles where they face, one cell in at either side."""
    one, other = find_objects(grid)
    top, bottom = max(one.top, other.top), min(one.bottom, other.bottom)
    left, right = max(one.left, other.left), min(one.right, other.right)
    result = np.array(grid)
    if top > bottom:
        result[bottom + 1 : top, left + 1 : right] = 8
    else:
        result[top + 1 : bottom, right + 1 : left] = 8
    return result


@program("b7249182")
def clamps_between_two_dots(grid):
    """Two dots reach for each other with a clamp each; the clamps meet in the middle."""
    dots = positions(grid != 0)
    turn = dots[0][1] == dots[1][1]
    result = transpose(grid) if turn else grid.copy()
    (row, first), (_, last) = positions(result != 0)
    middle = (first + last) // 2
    left, right = result[row, first], result[row, last]
    result[row, first:middle] = left
    result[row - 2 : row + 3, middle - 1] = left
    result[[row - 2, row + 2], middle] = left
    result[row, middle + 2 : last] = right
    result[row - 2 : row + 3, middle + 2] = right
    result[[row - 2, row + 2], middle + 1] = right
    return transpose(result) if turn else result


@program("dbc1a6ce")
def connect_blue_dots_with_light_blue(grid):
    """Dots in one row or column get connected by light blue lines."""
    return connect(grid, most_common_color(grid, ignore=0), with_color=8)


@program("d4a91cb9")
def connect_by_a_corner(grid):
    """From azure a yellow line goes up or down to the row of red, then along it to red."""
    azure, red = positions(grid, 8)[0], positions(grid, 2)[0]
    corner = (red[0], azure[1])
    lines = draw_line(draw_line(grid, azure, corner, 4), corner, red, 4)
    return np.where(grid > 0, grid, lines)


@program("1f876c06")
def connect_dots_diagonally(grid):
    """Two dots of one colour get connected by a slanted line."""
    result = grid
    for color in colors_of(grid, ignore=0):
        result = connect(result, color, diagonal=True)
    return result


@program("ded97339")
def connect_dots_in_line(grid):
    """Dots in one row or column get connected."""
    return connect(grid, most_common_color(grid, ignore=0))


@program("253bf280")
def connect_dots_with_green(grid):
    """Dots in one row or column get connected by a green line."""
    return connect(grid, most_common_color(grid, ignore=0), with_color=3)


@program("6cdd2623")
def connect_ends_at_the_edges(grid):
    """One colour stands only in pairs at opposite edges, which get connected; all else goes."""
    inside = set(colors_of(grid[1:-1, 1:-1]))
    rows = (grid[:, 0] == grid[:, -1]) & ~np.isin(grid[:, 0], list(inside))
    columns = (grid[0] == grid[-1]) & ~np.isin(grid[0], list(inside))
    result = np.where(rows[:, None], grid[:, :1], 0)
    return np.where(columns, grid[:1], result)


@program("40853293")
def connect_pairs_verticals_on_top(grid):
    """Two dots of one colour get connected; upright lines pass over level ones."""
    level, upright = grid.copy(), grid.copy()
    for color in colors_of(grid, ignore=0):
        dots = grid == color
        for row in np.flatnonzero(dots.sum(axis=1) == 2):
            first, last = np.flatnonzero(dots[row])
            level[row, first : last + 1] = color
        for column in np.flatnonzero(dots.sum(axis=0) == 2):
            first, last = np.flatnonzero(dots[:, column])
            upright[first : last + 1, column] = color
    return np.where(upright != 0, upright, level)


@program("2c608aff")
def dots_ahead_reach_the_block(grid):
    """Dots that see the block straight ahead send a line to it."""
    background = most_common_color(grid)
    shapes = find_objects(grid, background=background, diagonal=False)
    block = max(shapes, key=lambda shape: shape.size)
    result = grid.copy()
    for dot in positions((grid != background) & (grid != block.color)):
        for direction in ORTHOGONAL:
            path = ray(grid, dot, direction)
            ahead = [number for number, cell in enumerate(path) if grid[cell] == block.color]
            for cell in path[: min(ahead, default=0)]:
                result[cell] = grid[dot]
    return result


@program("d43fd935")
def dots_reach_for_the_block(grid):
    """Dots that see the block straight ahead send a line to it."""
    shapes = find_objects(grid, diagonal=False)
    block = max(shapes, key=lambda shape: min(shape.height, shape.width))
    result = grid.copy()
    for dot in positions((grid != 0) & (grid != block.color)):
        for direction in ORTHOGONAL:
            path = ray(grid, dot, direction)
            free = (0, grid[dot])
            ahead = next((n for n, cell in enumerate(path) if grid[cell] not in free), None)
            if ahead is not None and path[ahead] in block.cells:
                for cell in path[:ahead]:
                    result[cell] = grid[dot]
    return result


@program("22eb0ac0")
def equal_ends_join(grid):
    """Dots lie in pairs at opposite edges: a line joins those of equal colour."""
    upright = grid[:, 1:-1].any()
    field = transpose(grid) if upright else grid
    first, last = field[:, :1], field[:, -1:]
    result = np.where((first == last) & (first != 0), first, field)
    return transpose(result) if upright else result


@program("ef135b50")
def fill_the_gaps_in_rows(grid):
    """In every row but the first and the last, gaps between rectangles become dark red."""
    colored = grid != 0
    left = np.logical_or.accumulate(colored, axis=1)
    right = flip_left_right(np.logical_or.accumulate(flip_left_right(colored), axis=1))
    gaps = ~colored & left & right
    gaps[[0, -1]] = False
    return np.where(gaps, 9, grid)


@program("29c11459")
def lines_meet_in_grey(grid):
    """Dots at opposite edges send lines to each other, which meet in a grey cell."""
    upright = not grid[1:-1].any()
    result = transpose(grid) if upright else np.array(grid)
    middle = result.shape[1] // 2
    for row in result:
        if row[0] and row[-1]:
            row[:middle], row[middle], row[middle + 1 :] = row[0], 5, row[-1]
    return transpose(result) if upright else result


@program("4612dd53")
def mend_the_walls_with_red(grid):
    """The walls of a room have gaps, and so has a wall inside; red closes the gaps."""
    top, left, height, width = bounding_box(grid)
    walls = ring_index(height, width) == 0
    room = crop(grid, top, left, height, width)
    inside = positions((room != 0) & ~walls)
    if inside:
        rows, columns = zip(*inside, strict=True)
        if len(set(columns)) == 1:
            walls[:, columns[0]] = True
        else:
            walls[rows[0]] = True
    return paste(grid, np.where(walls & (room == 0), 2, room), top, left)


@program("e9614598")
def plus_halfway_between_dots(grid):
    """A green plus stands halfway between the two dots."""
    (row_1, col_1), (row_2, col_2) = positions(grid != 0)
    row, col = (row_1 + row_2) // 2, (col_1 + col_2) // 2
    center = np.zeros(grid.shape, dtype=bool)
    center[row, col] = True
    return np.where(grow(center, diagonal=False), 3, grid)


@program("a699fb00")
def red_between_neighbors(grid):
    """A free cell between two coloured cells of its row becomes red."""
    colored = grid > 0
    between = shift(colored, 0, 1) & shift(colored, 0, -1) & ~colored
    return np.where(between, 2, grid)


@program("f35d900a")
def ringed_corners_with_dotted_sides(grid):
    """Four cells are the corners of a rectangle. Each gets a ring of the other colour,
    and gray cells at even distances from the nearer corner dot the sides."""
    colors = colors_of(grid, ignore=0)
    top, left, height, width = bounding_box(grid)
    bottom, right = top + height - 1, left + width - 1
    result = grid.copy()
    for row in range(top, bottom):
        if min(row - top, bottom - row) % 2 == 0:
            result[row, [left, right]] = 5
    for col in range(left, right):
        if min(col - left, right - col) % 2 == 0:
            result[[top, bottom], col] = 5
    for row, col in positions(grid):
        other = sum(colors) - int(grid[row, col])
        result = draw_rectangle(result, row - 1, col - 1, 3, 3, other)
        result[row, col] = grid[row, col]
    return result

"""Lines and rays run on until something stops them."""

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


@program("feca6190")
def cells_rise_to_the_right(grid):
    """In a square of a width for each colour, the cells of the bottom row rise to the right."""
    side = grid.shape[1] * np.count_nonzero(grid)
    result = new_grid(side, side)
    for step in range(side):
        result = paste(result, grid, side - 1 - step, step)
    return result


@program("d13f3404")
def cells_run_down_right(grid):
    """In a grid twice as large every cell runs down to the right."""
    height, width = grid.shape
    result = paste(new_grid(2 * height, 2 * width), grid, 0, 0)
    for step in range(1, 2 * max(height, width)):
        result = paste(result, grid, step, step, transparent=0)
    return result


@program("178fcbfb")
def columns_then_rows(grid):
    """A red cell fills its column; then green and blue cells fill their rows."""
    result = grid.copy()
    result[:, (grid == 2).any(axis=0)] = 2
    for row, col in positions((grid == 1) | (grid == 3)):
        result[row] = grid[row, col]
    return result


@program("8731374e")
def crop_and_draw_lines_through_dots(grid):
    """In the noise lies a rectangle with dots: it is cropped, with lines through the dots."""
    best = (0, 0, 0, 0)
    for color in colors_of(grid):
        for dot in colors_of(grid, ignore=color):
            box = largest_rectangle((grid == color) | (grid == dot))
            if box[2] * box[3] > best[2] * best[3]:
                best = box
    sheet = crop(grid, *best)
    paper, dot = colors_of(sheet)
    dots = sheet == dot
    return np.where(dots.any(axis=1)[:, None] | dots.any(axis=0), dot, paper)


@program("41e4d17e")
def cross_hairs_through_frames(grid):
    """Lines of magenta run through the centre of every frame, under the frames."""
    background = most_common_color(grid)
    result = grid.copy()
    for color in colors_of(grid, ignore=background):
        for top, left, height, width in find_frames(grid, color, min_side=5):
            result[top + height // 2, :] = 6
            result[:, left + width // 2] = 6
    return np.where(grid == background, result, grid)


@program("23581191")
def crosses_with_red_crossings(grid):
    """Every cell sends lines along its row and its column.
    Where lines of different colours cross, the cell is red."""
    result = grid.copy()
    for row, col in positions(grid):
        for cells in (result[row], result[:, col]):
            crossed = (cells != 0) & (cells != grid[row, col])
            cells[...] = np.where(crossed, 2, grid[row, col])
    return np.where(grid != 0, grid, result)


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


@program("834ec97d")
def dot_steps_down_under_a_comb(grid):
    """The dot moves down a row; yellow lines rise from its old row in every other column."""
    row, column = positions(grid != 0)[0]
    result = shift(grid, 1, 0)
    result[: row + 1, column % 2 :: 2] = 4
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


@program("f1cefba8")
def dots_in_the_edge_become_lines(grid):
    """Dots in a rectangle's edge stand for lines through it: dark inside, bright outside."""
    outer = find_objects(grid, by_color=False)[0]
    edge, inner = grid[outer.top, outer.left], 0
    inner = most_common_color(outer.patch, ignore=edge)
    top, left, height, width = largest_rectangle(grid == inner)
    core = np.zeros(grid.shape, dtype=bool)
    core[top : top + height, left : left + width] = True
    lines = np.zeros(grid.shape, dtype=bool)
    for row, column in positions((grid == inner) & ~core):
        if top <= row < top + height:
            lines[row] = True
        else:
            lines[:, column] = True
    result = np.where((grid == inner) & (lines | ~core), edge, grid)
    return np.where(lines & (grid == 0), inner, result)


@program("99fa7670")
def dots_run_right_and_down(grid):
    """Every dot runs to the right edge, and from there down to the next dot's row."""
    result = grid.copy()
    for row, column in positions(grid != 0):
        result[row, column:] = grid[row, column]
        result[row:, -1] = grid[row, column]
    return result


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


@program("2bee17df")
def green_through_free_lines(grid):
    """Every row and column that is black all the way between the grid's edges turns green."""
    free = grid[1:-1, 1:-1] == 0
    lines = free.all(axis=1)[:, None] | free.all(axis=0)
    result = grid.copy()
    result[1:-1, 1:-1][lines & free] = 3
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


@program("f15e1fac")
def lines_step_aside_at_marks(grid):
    """Lines run down from the dots; at every red mark they step aside, away from its edge."""
    dots = (grid != 0) & (grid != 2)
    turns = next(n for n in range(4) if not rotate(dots, n)[1:].any())
    turned = rotate(grid, turns)
    line = np.where(turned[:1] == 2, 0, turned[:1])
    result = np.where(turned == 2, 2, 0)
    for row in range(len(turned)):
        if turned[row, 0] == 2:
            line = shift(line, 0, 1)
        elif turned[row, -1] == 2:
            line = shift(line, 0, -1)
        result[row] = np.where(line[0] != 0, line[0], result[row])
    return rotate(result, -turns)


@program("ba97ae07")
def lower_bar_comes_on_top(grid):
    """Two bars cross; where they do, the one that lay below comes on top."""
    lower, upper = colors_of(grid, ignore=0)
    if full_rows(grid, lower) or full_columns(grid, lower):
        lower, upper = upper, lower
    rows = (grid == lower).any(axis=1)
    columns = (grid == lower).any(axis=0)
    crossing = (grid == upper) & (rows[:, None] | columns)
    return np.where(crossing, lower, grid)


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


@program("ec883f72")
def rays_from_the_bends(grid):
    """A bent line surrounds a block; rays of the block's colour leave its bends outwards."""
    shapes = find_objects(grid)
    wall = max(shapes, key=lambda shape: shape.height * shape.width)
    block = next(shape for shape in shapes if shape.color != wall.color)
    result = grid
    for row, d_row in ((wall.top, -1), (wall.bottom, 1)):
        for column, d_column in ((wall.left, -1), (wall.right, 1)):
            bend = {(row, column), (row - d_row, column), (row, column - d_column)}
            if bend <= set(wall.cells):
                result = shoot(result, (row, column), (d_row, d_column), block.color)
    return result


@program("b8cdaf2b")
def rays_from_the_step(grid):
    """A step stands on a floor along one edge. From the step's two ends rays of the floor's inner
    colour go outwards and upwards to the edge of the grid."""
    turns = next(turns for turns in range(4) if rotate(grid, turns)[-1].all())
    result = rotate(grid, turns)
    row = result.shape[0] - 2
    step = np.flatnonzero(result[row])
    color = result[-1, step[0]]
    for start, direction in ((step[0], (-1, -1)), (step[-1], (-1, 1))):
        result = shoot(result, (row, int(start)), direction, int(color))
    return rotate(result, -turns)


@program("25d487eb")
def triangle_shoots_from_its_tip(grid):
    """In the middle of each triangle's base is a cell of another colour.
    A line of that colour goes from the triangle's tip to the edge of the grid."""
    result = grid.copy()
    for triangle in find_objects(grid, by_color=False):
        color = triangle.colors[-1]
        base = next(cell for cell in triangle.cells if grid[cell] == color)
        for d_row, d_col in ORTHOGONAL:
            if (base[0] - d_row, base[1] - d_col) in triangle.cells:
                continue
            tip = base
            while (tip[0] + d_row, tip[1] + d_col) in triangle.cells:
                tip = (tip[0] + d_row, tip[1] + d_col)
            if tip != base:
                result = shoot(result, tip, (d_row, d_col), color)
    return result

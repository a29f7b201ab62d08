"""Lines and rays run on until something stops them."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


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


@program("834ec97d")
def dot_steps_down_under_a_comb(grid):
    """The dot moves down a row; yellow lines rise from its old row in every other column."""
    row, column = positions(grid != 0)[0]
    result = shift(grid, 1, 0)
    result[: row + 1, column % 2 :: 2] = 4
    return result


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


@program("5daaa586")
def dots_run_to_their_line_inside(grid):
    """The part that four lines enclose is cut out, lines included; its dots run to the line of
    their colour."""

    def find_lines(rows):
        """Those of one colour, but for the two crossings."""
        longest = [max(count_color(row, color) for color in range(1, 10)) for row in rows]
        return [place for place, cells in enumerate(longest) if cells >= rows.shape[1] - 2]

    top, bottom = find_lines(grid)
    left, right = find_lines(grid.T)
    inside = grid[top : bottom + 1, left : right + 1]
    result = inside
    sides = {UP: inside[0], DOWN: inside[-1], LEFT: inside[:, 0], RIGHT: inside[:, -1]}
    for direction, side in sides.items():
        color = int(side[1])
        for row, col in positions(inside[1:-1, 1:-1], color):
            result = shoot(result, (row + 1, col + 1), direction, color)
    return result


@program("d4f3cd78")
def fill_the_box_and_pour_out(grid):
    """The open box is filled with light blue, which runs out of its openings to the edge."""
    top, left, height, width = bounding_box(grid != 0)
    free = crop(grid, top, left, height, width) == 0
    result = grid.copy()
    result[top : top + height, left : left + width][free] = 8
    for row, col in positions(free & edge_mask(height, width)):
        sides = {UP: row == 0, DOWN: row == height - 1, LEFT: col == 0, RIGHT: col == width - 1}
        for direction, open_there in sides.items():
            if open_there:
                result = shoot(result, (top + row, left + col), direction, 8)
    return result


@program("2bee17df")
def green_through_free_lines(grid):
    """Every row and column that is black all the way between the grid's edges turns green."""
    free = grid[1:-1, 1:-1] == 0
    lines = free.all(axis=1)[:, None] | free.all(axis=0)
    result = grid.copy()
    result[1:-1, 1:-1][lines & free] = 3
    return result


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


@program("6d58a25d")
def rain_under_roof(grid):
    """On the open side of the roof, every line that holds a dot is filled with the dots' colour
    from the roof to the edge."""
    roof = min(colors_of(grid, ignore=0), key=lambda color: len(components(grid == color)))
    dot = most_common_color(grid, ignore=(0, roof))
    for turns in range(4):
        turned = rotate(grid, turns)
        top, left, height, width = bounding_box(turned == roof)
        last = turned[top + height - 1]
        if last[left] == last[left + width - 1] == roof:
            break
    for col in range(left, left + width):
        edge = np.nonzero(turned[:, col] == roof)[0][-1]
        below = turned[edge + 1 :, col]
        if dot in below:
            below[:] = dot
    return rotate(turned, -turns)


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


@program("8d510a79")
def red_to_the_wall_blue_away_from_it(grid):
    """A wall divides the grid: red dots send a line to it, blue dots one away from it."""
    rows, columns = find_separators(grid)
    result = grid
    for row, col in positions(grid):
        if rows:
            to_wall, away = (DOWN, UP) if row < rows[0] else (UP, DOWN)
        else:
            to_wall, away = (RIGHT, LEFT) if col < columns[0] else (LEFT, RIGHT)
        if grid[row, col] == 2:
            result = shoot(result, (row, col), to_wall, 2)
        elif grid[row, col] == 1:
            result = shoot(result, (row, col), away, 1)
    return result


@program("ecdecbb3")
def shoot_into_walls(grid):
    """Each dot shoots at the walls next to it on either side, and each hit gets a ring in the
    colour of the wall around it."""
    upright_walls = not any(grid[row, 0] for row in full_rows(grid))
    result = transpose(grid if upright_walls else transpose(grid))
    wall_rows = [row for row in full_rows(result) if result[row, 0]]
    wall = int(result[wall_rows[0], 0])
    dot = most_common_color(result, ignore=(0, wall))
    hits = []
    for row, col in positions(result, dot):
        above = [other for other in wall_rows if other < row][-1:]
        below = [other for other in wall_rows if other > row][:1]
        for hit in above + below:
            result = draw_line(result, (row, col), (hit, col), dot)
            hits.append((hit, col))
    for row, col in hits:
        result = draw_rectangle(result, row - 1, col - 1, 3, 3, wall)
    for row, col in hits:
        result[row, col] = dot
    return transpose(result) if upright_walls else result


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

"""Cells change colour by what they are."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("b94a9452")
def crop_and_swap_colors(grid):
    """The square is cut out, and its two colours change places."""
    square = trim(grid)
    outside, inside = colors_of(square)
    return recolor(square, {outside: inside, inside: outside})


@program("a5f85a15")
def every_other_cell_of_diagonals(grid):
    """Along every diagonal line, each second cell from the edge becomes yellow."""
    rows, columns = np.indices(grid.shape)
    second = np.minimum(rows, columns) % 2 == 1
    return np.where((grid != 0) & second, 4, grid)


@program("d406998b")
def every_other_column_green(grid):
    """Counted from the right edge, the coloured cells of every other column become green."""
    from_right = np.arange(grid.shape[1])[::-1]
    return np.where((grid > 0) & (from_right % 2 == 0), 3, grid)


@program("ba26e723")
def every_third_column_turns_magenta(grid):
    """In the first and then every third column the coloured cells become magenta."""
    third = np.arange(grid.shape[1]) % 3 == 0
    return np.where((grid != 0) & third, 6, grid)


@program("f76d97a5")
def exchange_grey_and_color(grid):
    """Grey takes over the other colour, which becomes black."""
    color = most_common_color(grid, ignore=5)
    return recolor(grid, {5: color, color: 0})


@program("0d3d703e")
def exchange_paired_colors(grid):
    """Every colour has a partner, with which it changes places."""
    partner = {1: 5, 2: 6, 3: 4, 8: 9}
    return recolor(grid, partner | {b: a for a, b in partner.items()})


@program("d90796e8")
def green_eats_red(grid):
    """Green beside red becomes light blue, and the red goes."""
    green, red = grid == 3, grid == 2
    result = np.where(green & grow(red, diagonal=False), 8, grid)
    return np.where(red & grow(green, diagonal=False), 0, result)


@program("9565186b")
def keep_commonest_color(grid):
    """The commonest colour stays, everything else becomes grey."""
    return np.where(grid == most_common_color(grid), grid, 5)


@program("aedd82e4")
def lone_cells_become_blue(grid):
    """Coloured cells without a neighbour above, below, left or right become blue."""
    colored = grid > 0
    lone = colored & (count_neighbors(colored, diagonal=False) == 0)
    return np.where(lone, 1, grid)


@program("25d8a9c8")
def mark_uniform_rows(grid):
    """Rows of a single colour become grey, all others black."""
    uniform = (grid == grid[:, :1]).all(axis=1, keepdims=True)
    return np.where(uniform, 5, np.zeros_like(grid))


@program("c8f0f002")
def orange_becomes_gray(grid):
    """Every orange cell becomes gray, all others stay."""
    return recolor(grid, {7: 5})


@program("b1948b0a")
def pink_becomes_red(grid):
    """Every pink cell becomes red, all others stay."""
    return recolor(grid, {6: 2})


@program("32597951")
def recolor_inside_the_box(grid):
    """The rarest colour spans a box, in which the other colour becomes green."""
    marker = least_common_color(grid)
    other = most_common_color(grid, ignore=(0, marker))
    top, left, height, width = bounding_box(grid == marker)
    result = grid.copy()
    box = result[top : top + height, left : left + width]
    box[box == other] = 3
    return result


@program("c1d99e64")
def redden_full_lines(grid):
    """Rows and columns that have one colour from edge to edge become red."""
    result = grid.copy()
    result[full_rows(grid)] = 2
    result[:, full_columns(grid)] = 2
    return result


@program("a85d4709")
def row_color_by_place_of_the_dot(grid):
    """A row becomes red, yellow or green: for a dot in its left, middle or right third."""
    columns = (grid != 0).argmax(axis=1)
    thirds = columns * 3 // grid.shape[1]
    return np.repeat(np.array([2, 4, 3])[thirds][:, None], grid.shape[1], axis=1)


@program("d511f180")
def swap_gray_and_azure(grid):
    """Gray and azure cells swap their colours."""
    return recolor(grid, {5: 8, 8: 5})


@program("c9f8e694")
def take_the_color_at_the_edge(grid):
    """Shapes take, line by line, the colours that stand at one edge of the grid."""
    filler = most_common_color(grid, ignore=0)
    turns = max(
        range(4), key=lambda turn: len(colors_of(rotate(grid, turn)[:, :1], ignore=(0, filler)))
    )
    result = rotate(grid, turns)
    for row in result:
        row[row == filler] = row[0]
    return rotate(result, -turns)


@program("2204b7a8")
def take_the_nearer_color(grid):
    """Dots take the colour of the nearer of two bars at opposite edges."""
    turn = grid[0, 0] == grid[0, -1]
    field = grid.T if turn else grid
    left, right = field[0, 0], field[0, -1]
    nearer_left = np.arange(field.shape[1]) < field.shape[1] / 2
    dots = (field != 0) & (field != left) & (field != right)
    result = np.where(dots, np.where(nearer_left, left, right), field)
    return result.T if turn else result

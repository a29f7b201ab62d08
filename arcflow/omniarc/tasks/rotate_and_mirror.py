"""The grid, or parts of it, turned and mirrored."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("7468f01a")
def cut_out_and_mirror(grid):
    """The rectangle on the background is cut out, and left and right change places."""
    return flip_left_right(trim(grid, background=most_common_color(grid)))


@program("8e5a5113")
def each_panel_a_quarter_further(grid):
    """One panel is given; each next one shows it turned a quarter further clockwise."""
    rows, columns = find_separators(grid)
    color = grid[rows[0], 0] if rows else grid[0, columns[0]]
    panels = [panel for row in split_panels(grid, color) for panel in row]
    given = max(range(len(panels)), key=lambda number: np.count_nonzero(panels[number]))
    turned = [rotate(panels[given], number - given) for number in range(len(panels))]
    return join_panels([[panel] for panel in turned] if rows else [turned], color)


@program("3c9b0459")
def half_turn(grid):
    """The grid is turned by half a turn."""
    return rotate(grid, 2)


@program("74dd1130")
def mirror_along_diagonal(grid):
    """Rows become columns: the grid is mirrored along its main diagonal."""
    return transpose(grid)


@program("8d5021e8")
def mirror_and_stack(grid):
    """The grid and its mirror image stand side by side, and three such rows on each other."""
    row = np.hstack([flip_left_right(grid), grid])
    return np.vstack([flip_up_down(row), row, flip_up_down(row)])


@program("9dfd6313")
def mirror_at_the_line(grid):
    """The grid is mirrored at the line that runs through its middle."""
    height, width = grid.shape
    rows, columns = np.indices(grid.shape)
    for mirrored, on_line in (
        (transpose, rows == columns),
        (lambda field: rotate(transpose(field), 2), rows + columns == width - 1),
        (flip_up_down, rows == height // 2),
        (flip_left_right, columns == width // 2),
    ):
        line = grid[on_line]
        if line[0] and (line == line[0]).all() and len(line) in (height, width):
            return mirrored(grid)
    raise DslError("no line")


@program("67a3c6ac")
def mirror_left_right(grid):
    """The grid is mirrored: left and right change places."""
    return flip_left_right(grid)


@program("68b16354")
def mirror_up_down(grid):
    """The grid is mirrored: top and bottom change places."""
    return flip_up_down(grid)


@program("46442a0e")
def pinwheel_of_turns(grid):
    """The grid and its three turns stand around a common centre."""
    top = np.hstack([grid, rotate(grid, 1)])
    bottom = np.hstack([rotate(grid, 3), rotate(grid, 2)])
    return np.vstack([top, bottom])


@program("ed36ccf7")
def quarter_turn_left(grid):
    """The grid is turned counter-clockwise by a quarter."""
    return rotate(grid, -1)


@program("7fe24cdd")
def turn_around_the_corner(grid):
    """Four copies of the grid, each a quarter turn from the one before it."""
    top = np.hstack([grid, rotate(grid, 1)])
    bottom = np.hstack([rotate(grid, 3), rotate(grid, 2)])
    return np.vstack([top, bottom])


@program("6150a2bd")
def turn_by_180_degrees(grid):
    """The grid is turned by 180 degrees."""
    return rotate(grid, 2)

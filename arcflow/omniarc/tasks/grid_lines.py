"""Grids divided by lines into a lattice of cells."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("7837ac64")
def cells_between_equal_knots(grid):
    """Some knots of the lattice are coloured; a cell counts where its four knots are equal."""
    knots = grid[(grid != 0).all(axis=1)][:, (grid != 0).all(axis=0)]
    knots = np.where(knots == most_common_color(grid[grid != 0][None]), 0, knots)
    knots = trim(knots)
    corner = knots[:-1, :-1]
    equal = (corner == knots[1:, :-1]) & (corner == knots[:-1, 1:]) & (corner == knots[1:, 1:])
    return np.where(equal, corner, 0)


@program("272f95fa")
def color_the_nine_fields(grid):
    """Lines make nine fields: the middle and its four neighbours get fixed colours."""
    (top, bottom), (left, right) = find_separators(grid)
    result = grid.copy()
    result[:top, left + 1 : right] = 2
    result[top + 1 : bottom, :left] = 4
    result[top + 1 : bottom, left + 1 : right] = 6
    result[top + 1 : bottom, right + 1 :] = 3
    result[bottom + 1 :, left + 1 : right] = 1
    return result


@program("06df4c85")
def connect_equal_cells_of_the_lattice(grid):
    """Cells of the lattice that have one colour and are in line get connected."""
    panels = split_panels(grid)
    cells = to_grid([[panel[0, 0] for panel in row] for row in panels])
    background = most_common_color(cells)
    result = cells
    for color in colors_of(cells, ignore=background):
        result = connect(result, color, background=background)
    rows, _ = find_separators(grid)
    filled = [
        [np.full_like(panel, result[r, c]) for c, panel in enumerate(row)]
        for r, row in enumerate(panels)
    ]
    return join_panels(filled, separator=int(grid[rows[0], 0]))


@program("cbded52d")
def connect_marks_across_blocks(grid):
    """Marks at the same place of two blocks in one row or column of blocks are joined: the
    blocks between them get the mark at that place too."""
    height, width = full_rows(grid)[0] + 1, full_columns(grid)[0] + 1
    base = most_common_color(grid, ignore=int(grid[height - 1, 0]))
    result = grid.copy()
    for row in range(height - 1):
        for col in range(width - 1):
            same_place = grid[row::height, col::width]
            for mark in colors_of(same_place, ignore=base):
                joined = connect(same_place, mark, background=base)
                result[row::height, col::width][joined == mark] = mark
    return result


@program("1e32b0e9")
def fill_up_the_panels(grid):
    """The panels show parts of one picture; what is missing is added in the lines' colour."""
    panels = split_panels(grid)
    rows, _ = find_separators(grid)
    line = int(grid[rows[0], 0])
    picture = np.any([panel != 0 for row in panels for panel in row], axis=0)
    filled = [[np.where(picture & (panel == 0), line, panel) for panel in row] for row in panels]
    return join_panels(filled, separator=line)


@program("9f236235")
def lattice_as_mirrored_cells(grid):
    """Each cell of the lattice becomes one cell of the output, which is mirrored."""
    panels = split_panels(grid)
    return flip_left_right(to_grid([[most_common_color(panel) for panel in row] for row in panels]))


@program("2281f1f4")
def red_where_marks_meet(grid):
    """Marks along two edges of the grid stand for rows and columns.
    Where a marked row and a marked column meet, the cell is red."""
    for edge_row in (0, -1):
        for edge_col in (0, -1):
            inner = grid.copy()
            inner[edge_row] = 0
            inner[:, edge_col] = 0
            if inner.any():
                continue
            marked_rows = grid[:, edge_col] != 0
            marked_columns = grid[edge_row] != 0
            marked_rows[edge_row] = marked_columns[edge_col] = False
            return np.where(np.outer(marked_rows, marked_columns), 2, grid)
    raise DslError("no two edges have marks")


@program("83302e8f")
def sound_cells_green_leaky_yellow(grid):
    """Cells of the lattice become green; those with a gap in their walls yellow, gaps included."""
    result = grid.copy()
    for space in find_objects(grid, background=most_common_color(grid, ignore=0), diagonal=False):
        sound = is_rectangle(space) and space.size > 1
        result = draw(result, space, 3 if sound else 4)
    return result


@program("39e1d7f9")
def stamp_flower_on_lattice(grid):
    """One cell of the lattice has its petals around it; all cells of its colour get the same."""
    height, width = full_rows(grid)[0] + 1, full_columns(grid)[0] + 1
    lines = grid[height - 1, 0]
    cells = pad(grid[::height, ::width], 1)
    crowd = np.where(cells != 0, count_neighbors(cells != 0), 0)
    row, col = np.unravel_index(crowd.argmax(), crowd.shape)
    flower = crop(cells, row - 1, col - 1, 3, 3)
    for place in positions(cells, flower[1, 1]):
        cells = paste(cells, flower, place[0] - 1, place[1] - 1, transparent=0)
    filled = upscale(cells[1:-1, 1:-1], (height, width))[: grid.shape[0], : grid.shape[1]]
    return np.where(grid == lines, lines, filled)

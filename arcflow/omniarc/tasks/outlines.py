"""Things get an outline, or lose it."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("6f8cd79b")
def azure_border(grid):
    """The cells along the grid's edges become azure."""
    return np.where(edge_mask(*grid.shape), 8, grid)


@program("928ad970")
def frame_inside_dots(grid):
    """Four dots bound a box; just inside it a frame is drawn in the colour of the given ring."""
    dot_color = least_common_color(grid, ignore=0)
    ring_color = most_common_color(grid, ignore=(0, dot_color))
    top, left, height, width = bounding_box(grid == dot_color)
    return draw_rectangle(grid, top + 1, left + 1, height - 2, width - 2, ring_color)


@program("67a423a3")
def frame_the_crossing(grid):
    """Two lines cross; the crossing gets a yellow frame."""
    lines = grid != 0
    crossing = lines.all(axis=1)[:, None] & lines.all(axis=0)
    return np.where(grow(crossing) & ~crossing, 4, grid)


@program("db93a21d")
def halo_and_shadow(grid):
    """Each square gets a green halo half as thick as the square is wide, and a blue shadow
    that falls down to the floor. Halos cover shadows."""
    squares = find_objects(grid, diagonal=False)
    result = np.zeros_like(grid)
    for square in squares:
        result[square.top :, square.left : square.right + 1] = 1
    for square in squares:
        halo = max(square.height, square.width) // 2
        patch = new_grid(square.height + 2 * halo, square.width + 2 * halo, 3)
        result = paste(result, patch, square.top - halo, square.left - halo)
    return overlay([result, grid])


@program("95990924")
def number_the_corners(grid):
    """Blocks get blue, red, green and yellow dots at their corners."""
    corners = new_grid(*grid.shape)
    for block in find_objects(grid, diagonal=False):
        signs = paste(new_grid(4, 4), to_grid([[1]]), 0, 0)
        signs[0, 3], signs[3, 0], signs[3, 3] = 2, 3, 4
        corners = paste(corners, signs, block.top - 1, block.left - 1, transparent=0)
    return overlay([grid, corners])


@program("543a7ed5")
def outline_and_fill_frames(grid):
    """Every frame gets a green outline, and its inside becomes yellow."""
    walls = grid != most_common_color(grid)
    result = np.where(grow(walls) & ~walls, 3, grid)
    return np.where(enclosed(walls), 4, result)


@program("b27ca6d3")
def outline_dominoes(grid):
    """Two cells that lie side by side get a green outline; single cells do not."""
    result = grid.copy()
    for domino in find_objects(grid, diagonal=False):
        if domino.size == 2:
            cells = draw(new_grid(*grid.shape), domino) != 0
            result[grow(cells) & (grid == 0)] = 3
    return result


@program("4258a5f9")
def ring_around_dots(grid):
    """Every dot gets a blue ring."""
    return np.where((grid == 0) & grow(grid != 0), 1, grid)


@program("31aa019c")
def ring_around_rarest_color(grid):
    """Only the cell whose colour occurs once is kept, with a red ring around it."""
    rarest = least_common_color(grid, ignore=0)
    cell = grid == rarest
    return np.where(cell, rarest, np.where(grow(cell), 2, 0))


@program("913fb3ed")
def ring_color_by_dot_color(grid):
    """Every dot gets a ring: green a magenta one, red a blue one, light blue a yellow one."""
    result = grid.copy()
    for dot, ring in ((3, 6), (2, 1), (8, 4)):
        result[grow(grid == dot) & (grid == 0)] = ring
    return result

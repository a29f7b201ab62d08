"""Panels laid over each other: and, or, neither."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


@program("c444b776")
def all_panels_show_the_same(grid):
    """The pattern in one panel appears in all the others."""
    rows, columns = find_separators(grid)
    color = grid[rows[0], 0] if rows else grid[0, columns[0]]
    panels = split_panels(grid, color)
    pattern = overlay([panel for row in panels for panel in row])
    return join_panels([[pattern] * len(row) for row in panels], separator=color)


@program("f2829549")
def green_where_both_are_black(grid):
    """A line divides the grid into halves: green where both are black."""
    first, second = split_halves(grid)
    return np.where((first == 0) & (second == 0), 3, 0)


@program("6430c8c4")
def green_where_neither_is_colored(grid):
    """A line divides the grid into halves: green where neither has a colour."""
    first, second = split_halves(grid)
    return np.where((first == 0) & (second == 0), 3, 0)


@program("99b1bc43")
def green_where_one_is_black(grid):
    """A line divides the grid into halves: green where exactly one of them is black."""
    first, second = split_halves(grid)
    return np.where((first == 0) != (second == 0), 3, 0)


@program("3428a4f5")
def green_where_they_differ(grid):
    """A line divides the grid into halves: green where exactly one of them has a colour."""
    first, second = split_halves(grid)
    return np.where((first != 0) != (second != 0), 3, 0)


@program("e98196ab")
def lay_halves_together(grid):
    """The two halves on either side of the line are laid over each other."""
    return overlay(split_halves(grid))


@program("75b8110e")
def lay_the_quarters_over_each_other(grid):
    """The quarters of the grid lie over each other: the one at the top right on top."""
    (top_left, top_right), (bottom_left, bottom_right) = split_evenly(grid, 2, 2)
    return overlay([top_left, bottom_right, bottom_left, top_right])


@program("1b2d62fb")
def light_blue_where_both_are_black(grid):
    """A line divides the grid into halves: light blue where both are black."""
    first, second = split_halves(grid)
    return np.where((first == 0) & (second == 0), 8, 0)


@program("a68b268e")
def overlay_the_four_panels(grid):
    """The four panels lie over each other: top left, top right, bottom left, bottom right."""
    (top_left, top_right), (bottom_left, bottom_right) = split_panels(grid)
    return overlay([bottom_right, bottom_left, top_right, top_left])


@program("cf98881b")
def overlay_the_three_panels(grid):
    """The three panels lie over each other: the first on top."""
    first, second, third = [panel for row in split_panels(grid) for panel in row]
    return overlay([third, second, first])


@program("0520fde7")
def red_where_both_are_colored(grid):
    """A line divides the grid into halves: red where both have a colour."""
    first, second = split_halves(grid)
    return np.where((first != 0) & (second != 0), 2, 0)


@program("94f9d214")
def red_where_both_are_empty(grid):
    """The grid is two panels, each with a colour of its own, put on each other:
    a cell is red where neither has colour."""
    height, width = grid.shape
    cuts = []
    if height % 2 == 0:
        cuts.append([row[0] for row in split_evenly(grid, 2, 1)])
    if width % 2 == 0:
        cuts.append(split_evenly(grid, 1, 2)[0])
    # Each panel has one colour: that tells which of the two cuts is meant.
    first, second = min(cuts, key=lambda halves: max(len(colors_of(half, 0)) for half in halves))
    return np.where((first == 0) & (second == 0), 2, 0)


@program("fafffa47")
def red_where_neither_half_is_colored(grid):
    """Each half of the grid has a colour of its own: red where both are black."""
    height, width = grid.shape
    halves = (grid[: height // 2], grid[height // 2 :])
    shared = np.intersect1d(halves[0], halves[1])
    if width % 2 == 0 and (height % 2 or shared.any()):
        halves = (grid[:, : width // 2], grid[:, width // 2 :])
    return np.where((halves[0] == 0) & (halves[1] == 0), 2, 0)


@program("ce4f8723")
def union_in_green(grid):
    """A cell is green where at least one of the two panels beside the line has colour."""
    first, second = split_halves(grid)
    return np.where((first != 0) | (second != 0), 3, 0)


@program("dae9d2b5")
def union_of_two_halves(grid):
    """The grid is two panels, each with a colour of its own, put on each other:
    a cell is pink where at least one of them has colour."""
    height, width = grid.shape
    cuts = []
    if height % 2 == 0:
        cuts.append([row[0] for row in split_evenly(grid, 2, 1)])
    if width % 2 == 0:
        cuts.append(split_evenly(grid, 1, 2)[0])
    # Each panel has one colour: that tells which of the two cuts is meant.
    first, second = min(cuts, key=lambda halves: max(len(colors_of(half, 0)) for half in halves))
    return np.where((first != 0) | (second != 0), 6, 0)

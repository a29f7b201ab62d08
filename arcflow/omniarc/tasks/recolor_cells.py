"""Cells change colour by what they are."""

import numpy as np

from arcflow.omniarc.dsl import *
from arcflow.omniarc.registry import program


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


@program("9565186b")
def keep_commonest_color(grid):
    """The commonest colour stays, everything else becomes grey."""
    return np.where(grid == most_common_color(grid), grid, 5)


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


@program("d511f180")
def swap_gray_and_azure(grid):
    """Gray and azure cells swap their colours."""
    return recolor(grid, {5: 8, 8: 5})

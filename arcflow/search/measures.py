"""Numbers by which images of a list are compared."""

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import compiled
from arcflow.search.geometry import turned
from arcflow.search.images import Image, count_colors, main_color, n_colors, same
from arcflow.search.recolor import painted
from arcflow.search.shapes import enclosed, labels

MEASURES = (
    "cells",
    "area",
    "colors",
    "height",
    "width",
    "top",
    "left",
    "bottom",
    "right",
    "holes",
    "parts",
    "symmetry",
    "density",
    "copies",
    "shapes",
    "dots",
    "color",
)
"""The names of the measures, in the order of their numbers."""


@compiled
def least(counts: NDArray[np.int64]) -> int:
    """Return the number of cells of the least frequent colour that is there; 0 if none is.

    Args:
        counts: The number of cells of each colour, of which 0 is nothing.
    """
    found = 0
    for color in range(1, 10):
        if counts[color] and (found == 0 or counts[color] < found):
            found = counts[color]
    return found


@compiled
def measures(images: list[Image], which: int) -> NDArray[np.int64]:
    """Return one number for each image of a list.

    Args:
        images: The list.
        which: The index of a name in :data:`MEASURES`: number of cells that are not nothing; area
            of the box; number of colours; height; width; the negative row of the top; the
            negative column of the left side; row of the bottom; column of the right side; number
            of enclosed cells; number of components; number of mirror symmetries; cells per area
            in thousandths; how many images of the list are equal; how many have the same shape in
            any colours; cells of the least frequent colour; how many have the same main colour.
    """
    n = len(images)
    out = np.zeros(n, np.int64)
    for i in range(n):
        g, y, x = images[i]
        h, w = g.shape
        counts = count_colors(g)
        cells = h * w - counts[0]
        if which == 0:
            out[i] = cells
        elif which == 1:
            out[i] = h * w
        elif which == 2:
            out[i] = n_colors(g)
        elif which == 3:
            out[i] = h
        elif which == 4:
            out[i] = w
        elif which == 5:
            out[i] = -y
        elif which == 6:
            out[i] = -x
        elif which == 7:
            out[i] = y + h
        elif which == 8:
            out[i] = x + w
        elif which == 9:
            out[i] = enclosed(g).sum()
        elif which == 10:
            out[i] = labels(g, 1, 0)[1]
        elif which == 11:
            for how in range(1, 8):
                out[i] += same(g, turned(g, how))
        elif which == 12:
            out[i] = cells * 1000 // (h * w)
        elif which == 13:
            for j in range(n):
                out[i] += same(g, images[j][0])
        elif which == 14:
            shape = painted(g, 1)
            for j in range(n):
                out[i] += same(shape, painted(images[j][0], 1))
        elif which == 15:
            out[i] = least(counts) if n_colors(g) > 1 else 0
        else:
            for j in range(n):
                out[i] += main_color(images[j][0]) == main_color(g)
    return out


@compiled
def chosen(images: list[Image], which: int, how: int) -> NDArray[np.bool_]:
    """Return which images of a list a choice keeps, shape (length,).

    Args:
        images: The list.
        which: The measure.
        how: 0 those of the largest measure, 1 of the smallest, 2 all but those of the largest,
            3 all but those of the smallest, 4 the one whose measure differs from all others' (none
            unless all the others agree).
    """
    values = measures(images, which)
    n = len(images)
    out = np.zeros(n, np.bool_)
    if n < 2:
        return out
    high, low = values.max(), values.min()
    if high == low:
        return out
    for i in range(n):
        if how == 0:
            out[i] = values[i] == high
        elif how == 1:
            out[i] = values[i] == low
        elif how == 2:
            out[i] = values[i] != high
        elif how == 3:
            out[i] = values[i] != low
        elif n > 2:
            others = 0
            for j in range(n):
                others += values[j] == values[i]
            out[i] = others == 1
    if how == 4 and out.sum() != 1:
        out[:] = False
    elif how == 4:
        for i in range(n):
            for j in range(n):
                if not out[i] and not out[j] and values[i] != values[j]:
                    out[:] = False
                    return out
    return out

"""Functions from image to image that change colours and leave shapes as they are."""

import numpy as np

from arcflow.search.compiled import compiled
from arcflow.search.images import Cells, blank, filled, main_color, n_colors, nothing, rare_color


@compiled
def only_color(g: Cells, color: int) -> Cells:
    """Return the cells of one colour alone."""
    out = np.zeros_like(g)
    found = False
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == color:
                out[r, c] = color
                found = True
    return out if found else nothing()


@compiled
def without_color(g: Cells, color: int) -> Cells:
    """Return the image without the cells of one colour."""
    out = g.copy()
    found = False
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == color:
                out[r, c] = 0
                found = True
    return out if found else nothing()


@compiled
def painted(g: Cells, color: int) -> Cells:
    """Return the image with all its cells in one colour."""
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c]:
                out[r, c] = color
    return out


@compiled
def filled_up(g: Cells, color: int) -> Cells:
    """Return the image with one colour wherever nothing is."""
    out = g.copy()
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == 0:
                out[r, c] = color
    return out


@compiled
def inverted(g: Cells) -> Cells:
    """Return the main colour wherever nothing is, and nothing elsewhere."""
    color = main_color(g)
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == 0:
                out[r, c] = color
    return out


@compiled
def only_main(g: Cells) -> Cells:
    """Return the cells of the most frequent colour alone."""
    return only_color(g, main_color(g))


@compiled
def only_rare(g: Cells) -> Cells:
    """Return the cells of the least frequent colour alone."""
    return only_color(g, rare_color(g))


@compiled
def without_main(g: Cells) -> Cells:
    """Return the image without its most frequent colour."""
    return without_color(g, main_color(g))


@compiled
def without_rare(g: Cells) -> Cells:
    """Return the image without its least frequent colour."""
    return without_color(g, rare_color(g))


@compiled
def all_main(g: Cells) -> Cells:
    """Return the image with all its cells in its most frequent colour."""
    return painted(g, main_color(g))


@compiled
def all_rare(g: Cells) -> Cells:
    """Return the image with all its cells in its least frequent colour."""
    return painted(g, rare_color(g))


@compiled
def main_takes_rare(g: Cells) -> Cells:
    """Return the cells of the main colour in the least frequent colour, and no others."""
    return painted(only_main(g), rare_color(g))


@compiled
def rare_takes_main(g: Cells) -> Cells:
    """Return the cells of the least frequent colour in the main colour, and no others."""
    return painted(only_rare(g), main_color(g))


@compiled
def swapped(g: Cells) -> Cells:
    """Return the image with its two colours exchanged, or no image if it has not two colours."""
    if n_colors(g) != 2:
        return nothing()
    a, b = main_color(g), rare_color(g)
    if a == b:
        for r in range(g.shape[0]):
            for c in range(g.shape[1]):
                if g[r, c] > a:
                    b = g[r, c]
    out = g.copy()
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == a:
                out[r, c] = b
            elif g[r, c] == b:
                out[r, c] = a
    return out


@compiled
def one_cell(g: Cells) -> Cells:
    """Return a single cell of the main colour."""
    return filled(1, 1, main_color(g))


@compiled
def solid(g: Cells) -> Cells:
    """Return a full rectangle of the image's size in its main colour."""
    return filled(g.shape[0], g.shape[1], main_color(g))


@compiled
def empty(g: Cells) -> Cells:
    """Return an empty image of the same size."""
    return blank(g.shape[0], g.shape[1])


@compiled
def by_count(g: Cells) -> Cells:
    """Return a row with as many cells of the main colour as there are in the image, up to 30."""
    n = 0
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c]:
                n += 1
    return filled(1, n, main_color(g)) if n <= 30 else nothing()


@compiled
def palette_column(g: Cells) -> Cells:
    """Return the image's colours as a column, the most frequent first."""
    rest = g.copy()
    out = blank(max(n_colors(g), 1), 1)
    for i in range(n_colors(g)):
        color = main_color(rest)
        out[i, 0] = color
        for r in range(g.shape[0]):
            for c in range(g.shape[1]):
                if rest[r, c] == color:
                    rest[r, c] = 0
    return out


@compiled
def color_bars(g: Cells) -> Cells:
    """Return a bar for each colour as long as it has cells, the longest first, side by side."""
    rest = g.copy()
    longest = 0
    color = main_color(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == color and color:
                longest += 1
    if longest > 30 or longest == 0:
        return nothing()
    out = blank(longest, n_colors(g))
    for i in range(n_colors(g)):
        color = main_color(rest)
        n = 0
        for r in range(g.shape[0]):
            for c in range(g.shape[1]):
                if rest[r, c] == color:
                    rest[r, c] = 0
                    out[n, i] = color
                    n += 1
    return out

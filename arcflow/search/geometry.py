"""Functions from image to image that cut, turn, move, tile and scale."""

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import compiled
from arcflow.search.images import (
    Cells,
    Image,
    blank,
    box,
    cut,
    filled,
    main_color,
    nothing,
    place,
    rare_color,
)
from arcflow.search.recolor import only_color


@compiled
def turned(g: Cells, how: int) -> Cells:
    """Return one of the eight turns of an image.

    Args:
        g: The image.
        how: 0 nothing, 1 quarter turn to the left, 2 half turn, 3 quarter turn to the right,
            4 left to right, 5 upside down, 6 along the main diagonal, 7 along the other diagonal.
    """
    h, w = g.shape
    swap = how == 1 or how == 3 or how >= 6
    out = blank(w, h) if swap else blank(h, w)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            if how == 0:
                out[r, c] = g[r, c]
            elif how == 1:
                out[r, c] = g[c, w - 1 - r]
            elif how == 2:
                out[r, c] = g[h - 1 - r, w - 1 - c]
            elif how == 3:
                out[r, c] = g[h - 1 - c, r]
            elif how == 4:
                out[r, c] = g[r, w - 1 - c]
            elif how == 5:
                out[r, c] = g[h - 1 - r, c]
            elif how == 6:
                out[r, c] = g[c, r]
            else:
                out[r, c] = g[h - 1 - c, w - 1 - r]
    return out


@compiled
def cropped(g: Cells, y: int, x: int) -> Image:
    """Return the box around everything in the image, at its place."""
    top, left, h, w = box(g)
    return cut(g, top, left, h, w), y + top, x + left


@compiled
def half(g: Cells, y: int, x: int, side: int) -> Image:
    """Return the upper (side 0), lower (1), left (2) or right (3) half, without a middle line."""
    h, w = g.shape
    if side == 0:
        return cut(g, 0, 0, h // 2, w), y, x
    if side == 1:
        return cut(g, h - h // 2, 0, h // 2, w), y + h - h // 2, x
    if side == 2:
        return cut(g, 0, 0, h, w // 2), y, x
    return cut(g, 0, w - w // 2, h, w // 2), y, x + w - w // 2


@compiled
def _chosen_lines(g: Cells, rows: NDArray[np.bool_], cols: NDArray[np.bool_]) -> Cells:
    out = blank(int(rows.sum()), int(cols.sum()))
    if out.shape[0] == 0:
        return out
    i = 0
    for r in range(g.shape[0]):
        if rows[r]:
            j = 0
            for c in range(g.shape[1]):
                if cols[c]:
                    out[i, j] = g[r, c]
                    j += 1
            i += 1
    return out


@compiled
def without_empty_lines(g: Cells) -> Cells:
    """Return the image without its empty rows and columns."""
    rows = np.zeros(g.shape[0], np.bool_)
    cols = np.zeros(g.shape[1], np.bool_)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c]:
                rows[r] = True
                cols[c] = True
    return _chosen_lines(g, rows, cols)


@compiled
def without_repeated_lines(g: Cells) -> Cells:
    """Return the image without rows and columns that are equal to the one before."""
    rows = np.zeros(g.shape[0], np.bool_)
    cols = np.zeros(g.shape[1], np.bool_)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if r == 0 or g[r, c] != g[r - 1, c]:
                rows[r] = True
            if c == 0 or g[r, c] != g[r, c - 1]:
                cols[c] = True
    return _chosen_lines(g, rows, cols)


@compiled
def without_full_lines(g: Cells) -> Cells:
    """Return the image without the rows and columns that have one colour, which is not nothing."""
    rows = np.ones(g.shape[0], np.bool_)
    cols = np.ones(g.shape[1], np.bool_)
    for r in range(g.shape[0]):
        one = g[r, 0] != 0
        for c in range(g.shape[1]):
            one = one and g[r, c] == g[r, 0]
        rows[r] = not one
    for c in range(g.shape[1]):
        one = g[0, c] != 0
        for r in range(g.shape[0]):
            one = one and g[r, c] == g[0, c]
        cols[c] = not one
    return _chosen_lines(g, rows, cols)


@compiled
def on_canvas(g: Cells, y: int, x: int, height: int, width: int) -> Image:
    """Return the image at its place on an empty canvas of the given size."""
    out = blank(height, width)
    place(out, g, y, x)
    return out, 0, 0


@compiled
def in_middle(g: Cells, height: int, width: int) -> Image:
    """Return the image in the middle of an empty canvas of the given size."""
    out = blank(height, width)
    place(out, g, (height - g.shape[0]) // 2, (width - g.shape[1]) // 2)
    return out, 0, 0


@compiled
def tiled(g: Cells, y: int, x: int, height: int, width: int, mirror: int) -> Image:
    """Return a canvas that copies of the image fill, from its place on in all directions.

    Args:
        g: The image.
        y: The row of its place.
        x: The column of its place.
        height: The height of the canvas.
        width: The width of the canvas.
        mirror: 1 to mirror every second copy, 0 not to.
    """
    out = blank(height, width)
    h, w = g.shape
    if out.shape[0] == 0 or (h >= height and w >= width):
        return nothing(), 0, 0
    for r in range(height):
        for c in range(width):
            i, j = (r - y) % (2 * h), (c - x) % (2 * w)
            if i >= h:
                i = 2 * h - 1 - i if mirror else i - h
            if j >= w:
                j = 2 * w - 1 - j if mirror else j - w
            out[r, c] = g[i, j]
    return out, 0, 0


@compiled
def scaled_up(g: Cells, y: int, x: int, down: int, across: int) -> Image:
    """Return the image with each cell made larger, at its place times the factor."""
    out = blank(g.shape[0] * down, g.shape[1] * across)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = g[r // down, c // across]
    return out, y * down, x * across


@compiled
def scaled_to(g: Cells, height: int, width: int) -> Image:
    """Return the image scaled to a size that is a multiple or a divisor of its own."""
    h, w = g.shape
    if h == height and w == width:
        return nothing(), 0, 0
    if height % h == 0 and width % w == 0:
        return scaled_up(g, 0, 0, height // h, width // w)
    if h % height or w % width:
        return nothing(), 0, 0
    out = blank(height, width)
    a, b = h // height, w // width
    for r in range(height):
        for c in range(width):
            counts = np.zeros(10, np.int64)
            for i in range(a):
                for j in range(b):
                    counts[g[r * a + i, c * b + j]] += 1
            best = 0
            for color in range(1, 10):
                if counts[color] > counts[best]:
                    best = color
            out[r, c] = best
    return out, 0, 0


@compiled
def with_mirror(g: Cells, y: int, x: int, how: int) -> Image:
    """Return the image laid over turns of itself, so that nothing is where no turn has a cell.

    Args:
        g: The image.
        y: The row of its place.
        x: The column of its place.
        how: 0 left-right, 1 up-down, 2 both, 3 half turn, 4 all turns of a square, 5 the main
            diagonal.
    """
    h, w = g.shape
    if how >= 4 and h != w:
        return nothing(), 0, 0
    out = g.copy()
    if how == 0 or how == 2 or how == 4:
        place(out, turned(g, 4), 0, 0)
    if how == 1 or how == 2 or how == 4:
        place(out, turned(g, 5), 0, 0)
    if how == 2 or how == 3 or how == 4:
        place(out, turned(g, 2), 0, 0)
    if how == 4 or how == 5:
        place(out, turned(g, 6), 0, 0)
    if how == 4:
        place(out, turned(g, 1), 0, 0)
        place(out, turned(g, 3), 0, 0)
        place(out, turned(g, 7), 0, 0)
    return out, y, x


@compiled
def doubled(g: Cells, y: int, x: int, how: int) -> Image:
    """Return the image beside (0), above (1) its mirror image, or both (2); 3 to 5 unmirrored."""
    h, w = g.shape
    kind = how % 3
    rows = 2 if kind >= 1 else 1
    cols = 2 if kind != 1 else 1
    return tiled(g, 0, 0, h * rows, w * cols, 1 if how < 3 else 0)


@compiled
def moved(g: Cells, y: int, x: int, side: int, full: int) -> Image:
    """Return the image moved up, down, left or right (side 0 to 3) by one, or by its own size."""
    h = g.shape[0] if full else 1
    w = g.shape[1] if full else 1
    if side == 0:
        return g, y - h, x
    if side == 1:
        return g, y + h, x
    if side == 2:
        return g, y, x - w
    return g, y, x + w


@compiled
def fallen(g: Cells, side: int) -> Cells:
    """Return the image after each cell has fallen up, down, left or right (side 0 to 3)."""
    out = np.zeros_like(g)
    h, w = g.shape
    if side < 2:
        for c in range(w):
            n = 0
            for i in range(h):
                r = i if side == 0 else h - 1 - i
                if g[r, c]:
                    out[n if side == 0 else h - 1 - n, c] = g[r, c]
                    n += 1
    else:
        for r in range(h):
            n = 0
            for i in range(w):
                c = i if side == 2 else w - 1 - i
                if g[r, c]:
                    out[r, n if side == 2 else w - 1 - n] = g[r, c]
                    n += 1
    return out


@compiled
def stripped(g: Cells, y: int, x: int) -> Image:
    """Return the image without its outermost ring of cells."""
    return cut(g, 1, 1, g.shape[0] - 2, g.shape[1] - 2), y + 1, x + 1


@compiled
def framed(g: Cells, y: int, x: int, color: int) -> Image:
    """Return the image with one more ring of cells around it, of one colour."""
    out = filled(g.shape[0] + 2, g.shape[1] + 2, color)
    for r in range(out.shape[0] - 2):
        for c in range(out.shape[1] - 2):
            out[r + 1, c + 1] = g[r, c]
    return out, y - 1, x - 1


@compiled
def read_into(g: Cells, height: int, width: int) -> Image:
    """Return a canvas filled row by row with the cells of the image that are not nothing."""
    out = blank(height, width)
    n = 0
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] and n < out.shape[0] * out.shape[1]:
                out[n // out.shape[1], n % out.shape[1]] = g[r, c]
                n += 1
    return out, 0, 0


@compiled
def cut_to_color(g: Cells, y: int, x: int, color: int) -> Image:
    """Return the box around the cells of one colour, with all that is in it."""
    top, left, h, w = box(only_color(g, color))
    if h == 0 or (h == g.shape[0] and w == g.shape[1]):
        return nothing(), 0, 0
    return cut(g, top, left, h, w), y + top, x + left


@compiled
def inside_color(g: Cells, y: int, x: int, color: int) -> Image:
    """Return what is inside the box around the cells of one colour, without its outermost ring."""
    part, top, left = cut_to_color(g, y, x, color)
    return stripped(part, top, left)


@compiled
def fractal(g: Cells, how: int) -> Cells:
    """Return the image scaled up by its own size, with a copy of it in place of some cells.

    Args:
        g: The image.
        how: The cells that become copies: 0 all that are not nothing, 1 nothing, 2 the main colour,
            3 the least frequent colour; the others are empty.
    """
    h, w = g.shape
    out = blank(h * h, w * w)
    color = main_color(g) if how == 2 else rare_color(g)
    if out.shape[0] > 30 or out.shape[1] > 30:
        return nothing()
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            a = g[r // h, c // w]
            if (a != 0 and how == 0) or (a == 0 and how == 1) or (how >= 2 and a == color):
                out[r, c] = g[r % h, c % w]
    return out

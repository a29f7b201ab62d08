"""Functions from image to image that look at regions, borders and neighbours."""

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import compiled
from arcflow.search.images import Cells, main_color


@compiled
def labels(g: Cells, diagonal: int, by_color: int) -> tuple[NDArray[np.int64], int]:
    """Number the connected components.

    Args:
        g: The image.
        diagonal: 1 if cells that touch at a corner are connected.
        by_color: 1 if all cells of a component have one colour and nothing is a colour, 0 if cells
            that are not nothing are connected.

    Returns:
        The number of each cell's component, from 1 on in reading order, 0 for no component, shape
        (H, W); and the number of components.
    """
    h, w = g.shape
    out = np.zeros((h, w), np.int64)
    stack = np.empty((h * w, 2), np.int64)
    n = 0
    for r0 in range(h):
        for c0 in range(w):
            if out[r0, c0] or (by_color == 0 and g[r0, c0] == 0):
                continue
            n += 1
            out[r0, c0] = n
            stack[0, 0], stack[0, 1] = r0, c0
            size = 1
            while size:
                size -= 1
                r, c = stack[size, 0], stack[size, 1]
                for dr in range(-1, 2):
                    for dc in range(-1, 2):
                        i, j = r + dr, c + dc
                        if (
                            (
                                (dr == 0) + (dc == 0) != 1
                                and (diagonal == 0 or (dr == 0 and dc == 0))
                            )
                            or i < 0
                            or j < 0
                            or i >= h
                            or j >= w
                            or out[i, j]
                        ):
                            continue
                        if (by_color == 1 and g[i, j] == g[r, c]) or (
                            by_color == 0 and g[i, j] != 0
                        ):
                            out[i, j] = n
                            stack[size, 0], stack[size, 1] = i, j
                            size += 1
    return out, n


@compiled
def enclosed(g: Cells) -> NDArray[np.bool_]:
    """Return where nothing is and the outside cannot be reached through nothing, shape (H, W)."""
    h, w = g.shape
    lab, n = labels(g, 0, 1)
    outside = np.zeros(n + 1, np.bool_)
    for r in range(h):
        for c in range(w):
            if r == 0 or c == 0 or r == h - 1 or c == w - 1:
                outside[lab[r, c]] = True
    out = np.zeros((h, w), np.bool_)
    for r in range(h):
        for c in range(w):
            out[r, c] = g[r, c] == 0 and not outside[lab[r, c]]
    return out


@compiled
def holes(g: Cells) -> Cells:
    """Return the enclosed cells alone, in the main colour."""
    inside = enclosed(g)
    color = main_color(g)
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if inside[r, c]:
                out[r, c] = color
    return out


@compiled
def holes_filled(g: Cells) -> Cells:
    """Return the image with each enclosed cell in the colour of the first cell to its left."""
    inside = enclosed(g)
    out = g.copy()
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if inside[r, c]:
                out[r, c] = out[r, c - 1]
    return out


@compiled
def outside(g: Cells) -> Cells:
    """Return the cells of nothing that are not enclosed, in the main colour."""
    inside = enclosed(g)
    color = main_color(g)
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == 0 and not inside[r, c]:
                out[r, c] = color
    return out


@compiled
def inner(g: Cells, diagonal: int) -> Cells:
    """Return the cells whose 4 (diagonal 0) or 8 (1) neighbours all exist and are like them."""
    h, w = g.shape
    out = np.zeros_like(g)
    for r in range(1, h - 1):
        for c in range(1, w - 1):
            alike = g[r, c] != 0
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    if diagonal or dr == 0 or dc == 0:
                        alike = alike and g[r + dr, c + dc] == g[r, c]
            if alike:
                out[r, c] = g[r, c]
    return out


@compiled
def border(g: Cells, diagonal: int) -> Cells:
    """Return the cells that are not nothing and that :func:`inner` leaves out."""
    core = inner(g, diagonal)
    out = g.copy()
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if core[r, c]:
                out[r, c] = 0
    return out


@compiled
def grown(g: Cells, diagonal: int) -> Cells:
    """Return the image in which each cell spreads to its 4 or 8 empty neighbours."""
    h, w = g.shape
    out = g.copy()
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0:
                continue
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    i, j = r + dr, c + dc
                    near = diagonal or dr == 0 or dc == 0
                    if near and 0 <= i < h and 0 <= j < w and out[i, j] == 0:
                        out[i, j] = g[r, c]
    return out


@compiled
def halo(g: Cells, how: int) -> Cells:
    """Return the empty neighbours of cells, in their colours: 4 (0), 8 (1), or corners (2)."""
    h, w = g.shape
    out = np.zeros_like(g)
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0:
                continue
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    i, j = r + dr, c + dc
                    corner = dr != 0 and dc != 0
                    wanted = how == 1 or (how == 2 and corner) or (how == 0 and not corner)
                    if wanted and 0 <= i < h and 0 <= j < w and g[i, j] == 0 and out[i, j] == 0:
                        out[i, j] = g[r, c]
    return out


@compiled
def spread(g: Cells) -> Cells:
    """Return the image with every empty cell in the colour of the nearest cell, step by step."""
    out = g.copy()
    for _ in range(g.shape[0] + g.shape[1]):
        more = grown(out, 0)
        out = more
    return out


@compiled
def without_dots(g: Cells, keep: int) -> Cells:
    """Return the image without cells that have no neighbour of their colour; keep 1: only these."""
    lab, n = labels(g, 1, 1)
    sizes = np.zeros(n + 1, np.int64)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            sizes[lab[r, c]] += 1
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if (sizes[lab[r, c]] == 1) == (keep == 1):
                out[r, c] = g[r, c]
    return out


@compiled
def every_second(g: Cells, how: int) -> Cells:
    """Return the cells of every second row (0), column (1) or both by turns (2)."""
    out = np.zeros_like(g)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            key = r if how == 0 else c if how == 1 else r + c
            if key % 2 == 0:
                out[r, c] = g[r, c]
    return out


@compiled
def smooth(g: Cells) -> Cells:
    """Return each cell as most of the nine cells around it are, if five or more agree."""
    h, w = g.shape
    out = g.copy()
    for r in range(h):
        for c in range(w):
            counts = np.zeros(10, np.int64)
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    if 0 <= r + dr < h and 0 <= c + dc < w:
                        counts[g[r + dr, c + dc]] += 1
            for color in range(10):
                if counts[color] >= 5:
                    out[r, c] = color
    return out


@compiled
def rings(g: Cells) -> Cells:
    """Return the image in which ring i from outside takes the colour that ring i from inside has.

    The rings of cells around the middle exchange their colours, as seen in their left top corner.
    """
    h, w = g.shape
    depth = (min(h, w) + 1) // 2
    colors = np.zeros(depth, np.uint8)
    n = 0
    for i in range(depth):
        if n == 0 or colors[n - 1] != g[i, i]:
            colors[n] = g[i, i]
            n += 1
    out = np.zeros_like(g)
    for r in range(h):
        for c in range(w):
            for i in range(n):
                if colors[i] == g[r, c]:
                    out[r, c] = colors[n - 1 - i]
    return out


@compiled
def bounded(g: Cells) -> Cells:
    """Return the outermost ring of the image's box in its main colour."""
    h, w = g.shape
    color = main_color(g)
    out = np.zeros_like(g)
    for r in range(h):
        for c in range(w):
            if r == 0 or c == 0 or r == h - 1 or c == w - 1:
                out[r, c] = color
    return out

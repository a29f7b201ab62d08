"""Images, the values of a search: a grid of 0 (nothing) to 9 and the place of its corner."""

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import compiled

Cells = NDArray[np.uint8]
"""Cells of shape (H, W); 0 stands for nothing. An array of shape (0, 0) is no image at all."""

Image = tuple[Cells, int, int]
"""Cells, and the row and column of their top left corner in the input."""

MAX_SIDE = 60
MAX_AREA = 1800
MAX_ITEMS = 100
MAX_LIST_AREA = 6000


@compiled
def blank(height: int, width: int) -> Cells:
    """Return cells of nothing, or no image if a side is not in 1 to 60 or the area over 1800."""
    if (
        height < 1
        or width < 1
        or height > MAX_SIDE
        or width > MAX_SIDE
        or height * width > MAX_AREA
    ):
        return np.zeros((0, 0), np.uint8)
    return np.zeros((height, width), np.uint8)


@compiled
def filled(height: int, width: int, color: int) -> Cells:
    """Return cells that all have one colour."""
    out = blank(height, width)
    out[:, :] = color
    return out


@compiled
def nothing() -> Cells:
    """Return no image: cells of shape (0, 0)."""
    return np.zeros((0, 0), np.uint8)


@compiled
def no_images() -> list[Image]:
    """Return an empty list of images."""
    images = [(np.zeros((0, 0), np.uint8), 0, 0)]
    images.pop()
    return images


@compiled
def cut(g: Cells, top: int, left: int, height: int, width: int) -> Cells:
    """Return a copy of a part of an image; what lies outside of the image is nothing."""
    out = blank(height, width)
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            if 0 <= top + r < g.shape[0] and 0 <= left + c < g.shape[1]:
                out[r, c] = g[top + r, left + c]
    return out


@compiled
def place(canvas: Cells, g: Cells, top: int, left: int) -> None:
    """Draw the cells of ``g`` that are not nothing onto the canvas, in place, where it is empty."""
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if (
                g[r, c]
                and 0 <= top + r < canvas.shape[0]
                and 0 <= left + c < canvas.shape[1]
                and canvas[top + r, left + c] == 0
            ):
                canvas[top + r, left + c] = g[r, c]


@compiled
def box(g: Cells) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the box around all cells that are not nothing."""
    top, left, bottom, right = g.shape[0], g.shape[1], -1, -1
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c]:
                top, bottom = min(top, r), max(bottom, r)
                left, right = min(left, c), max(right, c)
    if bottom < 0:
        return 0, 0, 0, 0
    return top, left, bottom - top + 1, right - left + 1


@compiled
def count_colors(g: Cells) -> NDArray[np.int64]:
    """Return how many cells there are of each of the ten colours."""
    counts = np.zeros(10, np.int64)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            counts[g[r, c]] += 1
    return counts


@compiled
def main_color(g: Cells) -> int:
    """Return the most frequent colour that is not nothing (of equals the lowest), or 0."""
    counts = count_colors(g)
    best = 0
    for color in range(1, 10):
        if counts[color] and (best == 0 or counts[color] > counts[best]):
            best = color
    return best


@compiled
def rare_color(g: Cells) -> int:
    """Return the least frequent colour that is there and not nothing (of equals the lowest)."""
    counts = count_colors(g)
    best = 0
    for color in range(1, 10):
        if counts[color] and (best == 0 or counts[color] < counts[best]):
            best = color
    return best


@compiled
def n_colors(g: Cells) -> int:
    """Return the number of colours that are not nothing."""
    counts = count_colors(g)
    n = 0
    for color in range(1, 10):
        if counts[color]:
            n += 1
    return n


@compiled
def same(a: Cells, b: Cells) -> bool:
    """Return whether two images have the same size and the same cells."""
    if a.shape[0] != b.shape[0] or a.shape[1] != b.shape[1]:
        return False
    for r in range(a.shape[0]):
        for c in range(a.shape[1]):
            if a[r, c] != b[r, c]:
                return False
    return True

"""Functions from list to list and from list to image."""

import numpy as np

from arcflow.search.compiled import compiled
from arcflow.search.images import (
    Cells,
    Image,
    blank,
    cut,
    filled,
    main_color,
    no_images,
    nothing,
    place,
    same,
)
from arcflow.search.measures import chosen, measures


@compiled
def kept(images: list[Image], which: int, how: int) -> list[Image]:
    """Return the images that a choice keeps, in their order; see ``measures.chosen``."""
    keep = chosen(images, which, how)
    out = no_images()
    for i in range(len(images)):
        if keep[i]:
            out.append(images[i])
    return out


@compiled
def picked(images: list[Image], which: int, how: int) -> Image:
    """Return the first image that a choice keeps."""
    keep = chosen(images, which, how)
    for i in range(len(images)):
        if keep[i]:
            return images[i]
    return nothing(), 0, 0


@compiled
def item(images: list[Image], index: int) -> Image:
    """Return the image with an index, which may count from the end (-1 is the last)."""
    i = index if index >= 0 else len(images) + index
    if len(images) < 2 or i < 0 or i >= len(images):
        return nothing(), 0, 0
    return images[i]


@compiled
def sorted_by(images: list[Image], which: int, down: int) -> list[Image]:
    """Return the list sorted by a measure, the smallest first, or the largest first (down 1)."""
    values = measures(images, which)
    out = no_images()
    used = np.zeros(len(images), np.bool_)
    for _ in range(len(images)):
        best = -1
        for i in range(len(images)):
            better = values[i] > values[best] if down else values[i] < values[best]
            if not used[i] and (best < 0 or better):
                best = i
        used[best] = True
        out.append(images[best])
    return out


@compiled
def reversed_list(images: list[Image]) -> list[Image]:
    """Return the list backwards."""
    out = no_images()
    for i in range(len(images)):
        out.append(images[len(images) - 1 - i])
    return out


@compiled
def without_copies(images: list[Image]) -> list[Image]:
    """Return the list without images that are equal to an earlier one, wherever they lie."""
    out = no_images()
    for i in range(len(images)):
        new = True
        for j in range(len(out)):
            if same(out[j][0], images[i][0]):
                new = False
        if new:
            out.append(images[i])
    return out


@compiled
def bounds(images: list[Image]) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the box around all images of a list, or zeros."""
    if len(images) == 0:
        return 0, 0, 0, 0
    top, left, bottom, right = 10**6, 10**6, -(10**6), -(10**6)
    for g, y, x in images:
        top, left = min(top, y), min(left, x)
        bottom, right = max(bottom, y + g.shape[0]), max(right, x + g.shape[1])
    return top, left, bottom - top, right - left


@compiled
def stacked(images: list[Image]) -> Image:
    """Return all images at their places as one, the first on top, cut to the box around them."""
    top, left, h, w = bounds(images)
    out = blank(h, w)
    for g, y, x in images:
        place(out, g, y - top, x - left)
    return out, top, left


@compiled
def joined(images: list[Image], down: int) -> Image:
    """Return the images side by side, or one below the other (down 1), in their order."""
    h, w = 0, 0
    for g, _, _ in images:
        h = h + g.shape[0] if down else max(h, g.shape[0])
        w = max(w, g.shape[1]) if down else w + g.shape[1]
    out = blank(h, w)
    at = 0
    if out.shape[0] == 0:
        return out, 0, 0
    for g, _, _ in images:
        place(out, g, at if down else 0, 0 if down else at)
        at += g.shape[0] if down else g.shape[1]
    return out, 0, 0


@compiled
def combined(images: list[Image], how: int) -> Image:
    """Return what images of one size have in common, cell by cell.

    Args:
        images: The list.
        how: 0 where all have a cell, 1 where exactly one has, 2 where none has (in the main
            colour of the first), 3 overlaid, the first on top, 4 overlaid, the last on top, 5 the
            first where the others have nothing, 6 the last where the others have nothing, 7 where
            an odd number has a cell.
    """
    n = len(images)
    if n < 2:
        return nothing(), 0, 0
    h, w = images[0][0].shape
    for g, _, _ in images:
        if g.shape[0] != h or g.shape[1] != w:
            return nothing(), 0, 0
    out = blank(h, w)
    color = main_color(images[0][0])
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            count, first, last = 0, 0, 0
            for g, _, _ in images:
                if g[r, c]:
                    count += 1
                    last = int(g[r, c])
                    first = first if first else last
            if how == 0:
                out[r, c] = first if count == n else 0
            elif how == 1:
                out[r, c] = first if count == 1 else 0
            elif how == 2:
                out[r, c] = color if count == 0 else 0
            elif how == 3:
                out[r, c] = first
            elif how == 4:
                out[r, c] = last
            elif how == 5:
                out[r, c] = images[0][0][r, c] if count == 1 else 0
            elif how == 6:
                out[r, c] = images[n - 1][0][r, c] if count == 1 else 0
            elif how == 7:
                out[r, c] = first if count % 2 else 0
            else:
                votes = np.zeros(10, np.int64)
                for g, _, _ in images:
                    votes[g[r, c]] += 1
                out[r, c] = votes.argmax()
    return out, 0, 0


@compiled
def counted(images: list[Image], how: int) -> Image:
    """Return a row (0) or column (1) with one cell for each image, in its main colour.

    With 2 it is a square of that size instead, and with 3 a descending diagonal in it, in the main
    colour of the first.
    """
    n = len(images)
    if n == 0 or n > 30:
        return nothing(), 0, 0
    if how >= 2:
        square = filled(n, n, main_color(images[0][0]))
        for r in range(n):
            for c in range(n):
                if how == 3 and r != c:
                    square[r, c] = 0
        return square, 0, 0
    out = blank(n, 1) if how else blank(1, n)
    for i in range(n):
        color = main_color(images[i][0])
        if how:
            out[i, 0] = color
        else:
            out[0, i] = color
    return out, 0, 0


@compiled
def summary(images: list[Image]) -> Image:
    """Return one cell for each image, laid out as the images lie: by their tops and left sides."""
    tops = np.zeros(200, np.bool_)
    lefts = np.zeros(200, np.bool_)
    for _, y, x in images:
        if not (-60 <= y < 140 and -60 <= x < 140):
            return nothing(), 0, 0
        tops[y + 60] = True
        lefts[x + 60] = True
    if tops.sum() > 30 or lefts.sum() > 30:
        return nothing(), 0, 0
    out = blank(int(tops.sum()), int(lefts.sum()))
    for g, y, x in images:
        r, c = int(tops[: y + 60].sum()), int(lefts[: x + 60].sum())
        if out[r, c] == 0:
            out[r, c] = main_color(g)
    return out, 0, 0


@compiled
def packed(images: list[Image]) -> Image:
    """Return the images drawn together: the gaps between them are gone, their order stays."""
    tops = np.zeros(400, np.int64)
    lefts = np.zeros(400, np.int64)
    for g, y, x in images:
        if not (-60 <= y < 140 and -60 <= x < 140):
            return nothing(), 0, 0
        tops[y + 60] = max(tops[y + 60], g.shape[0])
        lefts[x + 60] = max(lefts[x + 60], g.shape[1])
    out = blank(int(tops.sum()), int(lefts.sum()))
    for g, y, x in images:
        place(out, g, int(tops[: y + 60].sum()), int(lefts[: x + 60].sum()))
    return out, 0, 0


@compiled
def slid(images: list[Image], side: int, height: int, width: int) -> list[Image]:
    """Return the images after each slid up, down, left or right (side 0 to 3) until it hit another.

    Args:
        images: The images; those that are nearer to the edge slide first.
        side: The direction.
        height: The height of the canvas, whose edge stops them.
        width: The width of the canvas.
    """
    out = no_images()
    if len(images) > 40:
        return out
    canvas = blank(height, width)
    which = 5 if side == 0 else 7 if side == 1 else 6 if side == 2 else 8
    order = sorted_by(images, which, 1)
    dr = -1 if side == 0 else 1 if side == 1 else 0
    dc = -1 if side == 2 else 1 if side == 3 else 0
    for g, y0, x0 in order:
        y, x = y0, x0
        while _free(canvas, g, y + dr, x + dc):
            y, x = y + dr, x + dc
        place(canvas, g, y, x)
        out.append((g, y, x))
    return out


@compiled
def _free(canvas: Cells, g: Cells, y: int, x: int) -> bool:
    if y < 0 or x < 0 or y + g.shape[0] > canvas.shape[0] or x + g.shape[1] > canvas.shape[1]:
        return False
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] and canvas[y + r, x + c]:
                return False
    return True


@compiled
def cut_from(images: list[Image], source: Cells, masked: int) -> list[Image]:
    """Return for each image what the source has in its box, or under its cells (masked 1)."""
    out = no_images()
    for g, y, x in images:
        part = cut(source, y, x, g.shape[0], g.shape[1])
        if masked:
            for r in range(g.shape[0]):
                for c in range(g.shape[1]):
                    if g[r, c] == 0:
                        part[r, c] = 0
        out.append((part, y, x))
    return out


@compiled
def ranked(images: list[Image], which: int, down: int) -> list[Image]:
    """Return the images painted 1, 2, 3, ... in the order of a measure; equals get one colour."""
    values = measures(images, which)
    out = no_images()
    for i in range(len(images)):
        rank = 1
        for j in range(len(images)):
            better = values[j] > values[i] if down else values[j] < values[i]
            new = better
            for k in range(j):
                if values[k] == values[j]:
                    new = False
            rank += new
        if rank > 9:
            return no_images()
        out.append((_painted(images[i][0], rank), images[i][1], images[i][2]))
    return out


@compiled
def numbered(images: list[Image], which: int) -> list[Image]:
    """Return the images painted in the colour whose number is their measure, if 1 to 9."""
    values = measures(images, which)
    out = no_images()
    for i in range(len(images)):
        if not 1 <= values[i] <= 9:
            return no_images()
        out.append((_painted(images[i][0], values[i]), images[i][1], images[i][2]))
    return out


@compiled
def _painted(g: Cells, color: int) -> Cells:
    out = filled(g.shape[0], g.shape[1], color)
    for r in range(g.shape[0]):
        for c in range(g.shape[1]):
            if g[r, c] == 0:
                out[r, c] = 0
    return out

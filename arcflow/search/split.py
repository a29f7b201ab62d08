"""Functions from image to list: objects, colours, panels, tiles, holes, rows."""

import numpy as np

from arcflow.search.compiled import compiled
from arcflow.search.geometry import cropped, turned
from arcflow.search.images import (
    MAX_ITEMS,
    Cells,
    Image,
    blank,
    cut,
    main_color,
    no_images,
)
from arcflow.search.recolor import only_color
from arcflow.search.shapes import enclosed, labels


@compiled
def objects(g: Cells, y: int, x: int, diagonal: int, by_color: int) -> list[Image]:
    """Return the connected components in reading order, each cut out at its place.

    Args:
        g: The image.
        y: The row of its place.
        x: The column of its place.
        diagonal: 1 if cells that touch at a corner are connected.
        by_color: 1 if a component has one colour.
    """
    images = no_images()
    lab, n = labels(g, diagonal, by_color)
    if n > MAX_ITEMS + 1:
        return images
    h, w = g.shape
    boxes = np.empty((n + 1, 4), np.int64)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = h, w, -1, -1
    for r in range(h):
        for c in range(w):
            if g[r, c]:
                k = lab[r, c]
                boxes[k, 0], boxes[k, 2] = min(boxes[k, 0], r), max(boxes[k, 2], r)
                boxes[k, 1], boxes[k, 3] = min(boxes[k, 1], c), max(boxes[k, 3], c)
    for k in range(1, n + 1):
        top, left = boxes[k, 0], boxes[k, 1]
        if boxes[k, 2] < 0:
            continue
        out = blank(boxes[k, 2] - top + 1, boxes[k, 3] - left + 1)
        for r in range(out.shape[0]):
            for c in range(out.shape[1]):
                if lab[top + r, left + c] == k:
                    out[r, c] = g[top + r, left + c]
        images.append((out, y + top, x + left))
    return images


@compiled
def colors_apart(g: Cells, y: int, x: int, crop: int) -> list[Image]:
    """Return one image for each colour, the most frequent first; crop 1: cut to its box."""
    images = no_images()
    rest = g.copy()
    for _ in range(9):
        color = main_color(rest)
        if color == 0:
            break
        part = only_color(g, color)
        for r in range(g.shape[0]):
            for c in range(g.shape[1]):
                if rest[r, c] == color:
                    rest[r, c] = 0
        if crop:
            images.append(cropped(part, y, x))
        else:
            images.append((part, y, x))
    return images


@compiled
def panels(g: Cells, y: int, x: int) -> list[Image]:
    """Return the panels between separators: full rows and columns of one colour, not nothing."""
    h, w = g.shape
    rows = np.zeros(h + 1, np.bool_)
    cols = np.zeros(w + 1, np.bool_)
    images = no_images()
    n = 0
    for r in range(h):
        rows[r] = g[r, 0] != 0 and (g[r] == g[r, 0]).all()
        n += rows[r]
    for c in range(w):
        cols[c] = g[0, c] != 0 and (g[:, c] == g[0, c]).all()
        n += cols[c]
    if n == 0 or n > 20:
        return images
    rows[h] = True
    cols[w] = True
    top = 0
    for r in range(h + 1):
        if not rows[r]:
            continue
        left = 0
        for c in range(w + 1):
            if not cols[c]:
                continue
            if r > top and c > left and len(images) < MAX_ITEMS:
                images.append((cut(g, top, left, r - top, c - left), y + top, x + left))
            left = c + 1
        top = r + 1
    return images


@compiled
def even_parts(g: Cells, y: int, x: int, down: int, across: int) -> list[Image]:
    """Return equal parts, which may have lines of one cell between them."""
    images = no_images()
    h, w = g.shape
    gap_r = 0 if h % down == 0 else 1
    gap_c = 0 if w % across == 0 else 1
    ph, pw = (h - gap_r * (down - 1)) // down, (w - gap_c * (across - 1)) // across
    if (
        ph * down + gap_r * (down - 1) != h
        or pw * across + gap_c * (across - 1) != w
        or ph < 1
        or pw < 1
        or down * across < 2
        or down * across > MAX_ITEMS
    ):
        return images
    for i in range(down):
        for j in range(across):
            top, left = i * (ph + gap_r), j * (pw + gap_c)
            images.append((cut(g, top, left, ph, pw), y + top, x + left))
    return images


@compiled
def squares(g: Cells, y: int, x: int) -> list[Image]:
    """Return the squares side by side that a long image consists of."""
    h, w = g.shape
    if h > w:
        return even_parts(g, y, x, (h + 1) // (w + 1) if h % w else h // w, 1)
    if w > h:
        return even_parts(g, y, x, 1, (w + 1) // (h + 1) if w % h else w // h)
    return no_images()


@compiled
def tiles(g: Cells, y: int, x: int, height: int, width: int) -> list[Image]:
    """Return the parts of the given size that the image consists of."""
    h, w = g.shape
    down = h // height if h % height == 0 else (h + 1) // (height + 1)
    across = w // width if w % width == 0 else (w + 1) // (width + 1)
    if down < 1 or across < 1:
        return no_images()
    return even_parts(g, y, x, down, across)


@compiled
def windows(g: Cells, y: int, x: int, height: int, width: int) -> list[Image]:
    """Return all windows of the given size, at most 100."""
    images = no_images()
    h, w = g.shape
    n = (h - height + 1) * (w - width + 1)
    if h < height or w < width or n > MAX_ITEMS or n < 2:
        return images
    for r in range(h - height + 1):
        for c in range(w - width + 1):
            images.append((cut(g, r, c, height, width), y + r, x + c))
    return images


@compiled
def lines(g: Cells, y: int, x: int, across: int) -> list[Image]:
    """Return the rows (across 0) or the columns (1)."""
    images = no_images()
    h, w = g.shape
    if across:
        for c in range(w):
            images.append((cut(g, 0, c, h, 1), y, x + c))
    else:
        for r in range(h):
            images.append((cut(g, r, 0, 1, w), y + r, x))
    return images


@compiled
def empty_regions(g: Cells, y: int, x: int, inside: int) -> list[Image]:
    """Return the regions of nothing, painted in the main colour; inside 1: the enclosed ones."""
    h, w = g.shape
    color = max(main_color(g), 1)
    shut = enclosed(g)
    out = np.zeros_like(g)
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0 and (shut[r, c] or inside == 0):
                out[r, c] = color
    return objects(out, y, x, 0, 1)


@compiled
def rectangles(g: Cells, y: int, x: int, of_nothing: int) -> list[Image]:
    """Return the largest full rectangle of each component, of one colour or of nothing.

    Only rectangles with sides of at least two count; those of nothing get the main colour.
    """
    images = no_images()
    h, w = g.shape
    used = np.zeros((h, w), np.bool_)
    color = max(main_color(g), 1)
    for _ in range(12):
        best, top, left, bh, bw = 3, 0, 0, 0, 0
        run = np.zeros((h, w), np.int64)
        for r in range(h):
            for c in range(w):
                if used[r, c] or (g[r, c] != 0) == (of_nothing == 1):
                    continue
                run[r, c] = run[r, c - 1] + 1 if c and g[r, c - 1] == g[r, c] else 1
                least = run[r, c]
                i = r
                while i >= 0 and g[i, c] == g[r, c] and run[i, c] > 0:
                    least = min(least, run[i, c])
                    if least < 2:
                        break
                    height = r - i + 1
                    if height >= 2 and height * least > best:
                        best, top, left = height * least, i, c - least + 1
                        bh, bw = height, least
                    i -= 1
        if best <= 3:
            break
        used[top : top + bh, left : left + bw] = True
        out = cut(g, top, left, bh, bw)
        if of_nothing:
            out[:, :] = color
        images.append((out, y + top, x + left))
    return images


@compiled
def framed_parts(g: Cells, y: int, x: int, inside: int) -> list[Image]:
    """Return the parts in rectangular frames of one colour, with the frame (0) or without (1)."""
    images = no_images()
    h, w = g.shape
    for top in range(h - 2):
        for left in range(w - 2):
            color = g[top, left]
            if color == 0 or g[top + 1, left] != color or g[top, left + 1] != color:
                continue
            right = left
            while right + 1 < w and g[top, right + 1] == color:
                right += 1
            bottom = top
            while bottom + 1 < h and g[bottom + 1, left] == color:
                bottom += 1
            found = False
            while right >= left + 2 and not found:
                b = bottom
                while b >= top + 2 and not found:
                    if (g[b, left : right + 1] == color).all() and (
                        g[top : b + 1, right] == color
                    ).all():
                        found = (g[top + 1 : b, left + 1 : right] != color).any()
                        if found:
                            bottom = b
                            break
                    b -= 1
                if not found:
                    right -= 1
            if found and len(images) < MAX_ITEMS:
                if inside:
                    part = cut(g, top + 1, left + 1, bottom - top - 1, right - left - 1)
                    images.append((part, y + top + 1, x + left + 1))
                else:
                    part = cut(g, top, left, bottom - top + 1, right - left + 1)
                    images.append((part, y + top, x + left))
    return images


@compiled
def eight_turns(g: Cells, y: int, x: int) -> list[Image]:
    """Return the eight turns of a square image, or the four of an oblong one that keep its size."""
    images = no_images()
    square = g.shape[0] == g.shape[1]
    for how in range(8):
        if square or how == 0 or how == 2 or how == 4 or how == 5:
            images.append((turned(g, how), y, x))
    return images


@compiled
def steps(g: Cells, y: int, x: int, dr: int, dc: int, height: int, width: int) -> list[Image]:
    """Return copies of the image moved again and again by its size or by one, off the canvas.

    Args:
        g: The image.
        y: The row of its place.
        x: The column of its place.
        dr: -1, 0 or 1: the direction down in units of its height.
        dc: -1, 0 or 1: the direction across in units of its width.
        height: The height of the canvas, where the copies end.
        width: The width of the canvas.
    """
    images = no_images()
    i, j = y, x
    while -g.shape[0] < i < height and -g.shape[1] < j < width and len(images) < 40:
        images.append((g, i, j))
        i, j = i + dr * g.shape[0], j + dc * g.shape[1]
    return images

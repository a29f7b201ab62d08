"""Functions from image to image that draw lines, continue patterns and complete tilings."""

import numpy as np

from arcflow.search.compiled import compiled
from arcflow.search.images import Cells, nothing

N_RAYS = 15


@compiled
def _wanted(how: int, dr: int, dc: int) -> bool:
    """Return whether a set of directions, one of 15, contains a direction."""
    if how < 8:
        k = 0
        for r in range(-1, 2):
            for c in range(-1, 2):
                if r or c:
                    if k == how and r == dr and c == dc:
                        return True
                    k += 1
        return False
    if how == 8:
        return dr == 0
    if how == 9:
        return dc == 0
    if how == 10:
        return dr == 0 or dc == 0
    if how == 11:
        return dr != 0 and dc != 0
    if how == 12:
        return dr == dc
    if how == 13:
        return dr == -dc
    return True


@compiled
def _shoot(g: Cells, out: Cells, start: tuple[int, int], step: tuple[int, int]) -> None:
    """Draw into ``out`` the ray of a cell of ``g`` through nothing, where nothing is drawn yet."""
    h, w = g.shape
    color = g[start]
    i, j = start[0] + step[0], start[1] + step[1]
    while 0 <= i < h and 0 <= j < w and g[i, j] == 0:
        if out[i, j] == 0:
            out[i, j] = color
        i, j = i + step[0], j + step[1]


@compiled
def rays(g: Cells, how: int) -> Cells:
    """Return the image with rays from every cell through nothing, up to the next cell or the edge.

    Args:
        g: The image.
        how: The directions: 0 to 7 up left, up, up right, left, right, down left, down, down right;
            8 left and right, 9 up and down, 10 these four, 11 four diagonals, 12 and 13 one
            diagonal, 14 all eight.
    """
    h, w = g.shape
    out = g.copy()
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0:
                continue
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    if (dr == 0 and dc == 0) or not _wanted(how, dr, dc):
                        continue
                    _shoot(g, out, (r, c), (dr, dc))
    return out


@compiled
def continued(g: Cells, how: int) -> Cells:
    """Return the image with lines of two or more cells continued to the next cell or the edge.

    Args:
        g: The image.
        how: The directions, as for :func:`rays`.
    """
    h, w = g.shape
    out = g.copy()
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0:
                continue
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    if (dr == 0 and dc == 0) or not _wanted(how, dr, dc):
                        continue
                    i, j = r - dr, c - dc
                    if not (0 <= i < h and 0 <= j < w and g[i, j] == g[r, c]):
                        continue
                    _shoot(g, out, (r, c), (dr, dc))
    return out


@compiled
def connected(g: Cells, how: int) -> Cells:
    """Return lines between two cells of one colour that see each other through nothing.

    Args:
        g: The image.
        how: 0 in rows, 1 in columns, 2 in both, 3 along diagonals, 4 in all directions.
    """
    h, w = g.shape
    out = np.zeros_like(g)
    for r in range(h):
        for c in range(w):
            if g[r, c] == 0:
                continue
            for k in range(4):
                dr, dc = (0, 1) if k == 0 else (1, 0) if k == 1 else (1, 1) if k == 2 else (1, -1)
                if not (how == 4 or how == k or (how == 2 and k < 2) or (how == 3 and k >= 2)):
                    continue
                if how == 2 and k >= 2:
                    continue
                i, j, n = r + dr, c + dc, 0
                while 0 <= i < h and 0 <= j < w and g[i, j] == 0:
                    i, j, n = i + dr, j + dc, n + 1
                if n and 0 <= i < h and 0 <= j < w and g[i, j] == g[r, c]:
                    for s in range(1, n + 1):
                        out[r + s * dr, c + s * dc] = g[r, c]
    return out


@compiled
def full_lines(g: Cells, how: int) -> Cells:
    """Return the full rows (0), columns (1) or both (2) of one colour; 3: all that is in none."""
    h, w = g.shape
    out = np.zeros_like(g)
    if how != 1:
        for r in range(h):
            if g[r, 0] and (g[r] == g[r, 0]).all():
                out[r] = g[r, 0]
    if how != 0:
        for c in range(w):
            if g[0, c] and (g[:, c] == g[0, c]).all():
                out[:, c] = g[0, c]
    if how == 3:
        for r in range(h):
            for c in range(w):
                out[r, c] = 0 if out[r, c] else g[r, c]
    return out


@compiled
def _fits(g: Cells, dr: int, dc: int) -> bool:
    """Return whether cells at a distance of (dr, dc) never contradict each other."""
    h, w = g.shape
    for r in range(h - dr):
        for c in range(max(0, -dc), min(w, w - dc)):
            a, b = g[r, c], g[r + dr, c + dc]
            if a and b and a != b:
                return False
    return True


@compiled
def tiling_completed(g: Cells, how: int) -> Cells:
    """Return the image with nothing replaced by what the shortest fitting periods say.

    Args:
        g: The image.
        how: 0 periods down and across, 1 only down, 2 only across, 3 each row for itself.
    """
    h, w = g.shape
    out = g.copy()
    if how == 3:
        for r in range(h):
            row = g[r : r + 1].copy()
            for p in range(1, w):
                if _fits_row(row, p):
                    for c in range(w):
                        if out[r, c] == 0:
                            for k in range(c % p, w, p):
                                if g[r, k]:
                                    out[r, c] = g[r, k]
                    break
        return out
    down, across = h, w
    if how != 2:
        for p in range(1, h):
            if _fits(g, p, 0):
                down = p
                break
    if how != 1:
        for p in range(1, w):
            if _fits(g, 0, p):
                across = p
                break
    if down == h and across == w:
        return nothing()
    tile = np.zeros((down, across), np.uint8)
    for r in range(h):
        for c in range(w):
            if g[r, c]:
                a = tile[r % down, c % across]
                if a and a != g[r, c]:
                    return nothing()
                tile[r % down, c % across] = g[r, c]
    for r in range(h):
        for c in range(w):
            out[r, c] = tile[r % down, c % across]
    return out


@compiled
def _fits_row(row: Cells, p: int) -> bool:
    for c in range(row.shape[1]):
        for k in range(c + p, row.shape[1], p):
            if row[0, c] and row[0, k] and row[0, c] != row[0, k]:
                return False
    return True


@compiled
def diagonal_tiling_completed(g: Cells) -> Cells:
    """Return the image with nothing replaced along diagonals that have one colour each.

    The shortest period p is taken for which all cells with equal (row + column) modulo p, or equal
    (row - column) modulo p, agree.
    """
    h, w = g.shape
    for p in range(2, min(h, w)):
        for sign in range(2):
            colors = np.zeros(p, np.uint8)
            good = True
            for r in range(h):
                for c in range(w):
                    k = (r + c) % p if sign == 0 else (r - c) % p
                    if g[r, c]:
                        if colors[k] and colors[k] != g[r, c]:
                            good = False
                        colors[k] = g[r, c]
            if good:
                out = np.zeros_like(g)
                for r in range(h):
                    for c in range(w):
                        out[r, c] = colors[(r + c) % p if sign == 0 else (r - c) % p]
                return out
    return nothing()


@compiled
def symmetry_completed(g: Cells) -> Cells:
    """Return the image with nothing filled in by the mirror axes that fit it best.

    Both a level and an upright axis are tried near the middle, where known cells never contradict
    each other; the ones that leave most cells in reach are taken.
    """
    h, w = g.shape
    out = g.copy()
    for turn in range(2):
        best, best_axis = -1, 0
        n = h if turn == 0 else w
        for axis in range(n // 2, n + n // 2):
            agree = 0
            for r in range(h):
                for c in range(w):
                    i = axis - r if turn == 0 else r
                    j = c if turn == 0 else axis - c
                    if 0 <= i < h and 0 <= j < w and g[r, c] and g[i, j]:
                        if g[r, c] != g[i, j]:
                            agree = -(10**6)
                        else:
                            agree += 1
            if agree > best:
                best, best_axis = agree, axis
        if best > 0:
            now = out.copy()
            for r in range(h):
                for c in range(w):
                    i = best_axis - r if turn == 0 else r
                    j = c if turn == 0 else best_axis - c
                    if out[r, c] == 0 and 0 <= i < h and 0 <= j < w:
                        now[r, c] = out[i, j]
            out = now
    return out

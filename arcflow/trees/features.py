"""The features of a grid's cells: some hundreds of numbers for each cell, in one array."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from arcflow.core.grid import N_COLORS
from arcflow.trees.regions import (
    Plane,
    box_planes,
    enclosed,
    region_planes,
    regions_of_any_color,
    regions_of_color,
)

OUTSIDE = -1
"""Stands for the colour of a cell outside the grid, and for what does not exist."""

_EIGHT_WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1))


def background_of(grid: NDArray[np.integer]) -> int:
    """Return the background's colour: the most frequent one, and the smaller of equals."""
    return int(np.bincount(grid.ravel(), minlength=N_COLORS).argmax())


def cell_features(grid: NDArray[np.integer]) -> NDArray[np.int16]:
    """Return the features of every cell.

    Args:
        grid: The colours, shape (H, W).

    Returns:
        An array of shape (H, W, features); the first feature is the cell's own colour, and the
        number of features is the same for all grids.
    """
    cells = np.ascontiguousarray(grid, dtype=np.int16)
    background = background_of(cells)
    planes = [
        cells,
        *_position(cells),
        *_neighbours(cells, background),
        *_rays(cells, background),
        *_mirrors(cells),
        *_lines(cells, background),
        *_nearest(cells, background),
    ]
    by_color = regions_of_color(cells, diagonal=True, background=background)
    for regions in (
        by_color,
        regions_of_color(cells, diagonal=False),
        regions_of_any_color(cells, background),
    ):
        planes += region_planes(cells, regions)
    planes += box_planes(cells, by_color)
    planes += [enclosed(cells, background, diagonal) for diagonal in (False, True)]
    table = np.empty((*cells.shape, len(planes) + N_GLOBALS), dtype=np.int16)
    np.stack(planes, axis=2, out=table[..., : len(planes)], casting="unsafe")
    table[..., len(planes) :] = grid_features(cells)
    return table


def _position(cells: Plane) -> list[NDArray[Any]]:
    height, width = cells.shape
    r, c = np.indices(cells.shape)
    down, right = height - 1 - r, width - 1 - c
    edge = np.minimum(np.minimum(r, c), np.minimum(down, right))
    return [
        r, c, down, right, edge, r + c, r - c, abs(r - c), r - right, abs(r - right),
        r % 2, c % 2, (r + c) % 2, r % 3, c % 3, (r + c) % 3, (r - c) % 3,
        down % 2, right % 2, edge % 2, (down + c) % 2, down % 3, right % 3,
        np.minimum(r, down), np.minimum(c, right), abs(r - down), abs(c - right),
    ]  # fmt: skip


def shifted(cells: Plane, down: int, right: int, fill: int = OUTSIDE) -> Plane:
    """Return for each cell the colour of the cell that lies so many rows and columns from it."""
    height, width = cells.shape
    reach = max(abs(down), abs(right))
    padded = np.pad(cells, reach, constant_values=fill)
    return padded[reach + down : reach + down + height, reach + right : reach + right + width]


def _neighbours(cells: Plane, background: int) -> list[NDArray[Any]]:
    planes: list[NDArray[Any]] = []
    for down in range(-2, 3):
        for right in range(-2, 3):
            if (down, right) != (0, 0):
                planes.append(shifted(cells, down, right))
    near = [shifted(cells, *way) for way in _EIGHT_WAYS]
    planes += [(other == cells) for other in near]
    for ways in (near[:4], near[4:], near):
        planes.append(sum((other == cells).astype(np.int16) for other in ways))
        filled = [(other != background) & (other != OUTSIDE) for other in ways]
        planes.append(sum(mark.astype(np.int16) for mark in filled))
        planes.append(
            np.maximum.reduce([np.where(f, o, -1) for f, o in zip(filled, ways, strict=True)])
        )
    planes += [
        sum((other == color).astype(np.int16) for other in near) for color in range(N_COLORS)
    ]
    planes += [cells == background, cells == 0]
    return planes


def _rays(cells: Plane, background: int) -> list[NDArray[Any]]:
    """What is seen first along eight rays: the first figure, and the first other colour."""
    planes: list[NDArray[Any]] = []
    figures, others = [], []
    for down, right in _EIGHT_WAYS:
        figure, at_figure, other, at_other, edge = _look(cells, background, down, right)
        figures.append((figure, at_figure))
        others.append((other, at_other))
        planes += [figure, at_figure, other, at_other, edge]
    for pairs in (figures, others):
        for i in range(0, 8, 2):
            (one, at_one), (two, at_two) = pairs[i], pairs[i + 1]
            planes.append(np.where(one == two, one, -2))  # between two of one colour
            planes.append(np.sign(at_one - at_two))
    seen = np.stack([figure for figure, _ in figures])
    planes += [(seen != OUTSIDE).sum(axis=0), (seen[:4] != OUTSIDE).sum(axis=0)]
    planes += [(seen == color).sum(axis=0) for color in range(N_COLORS)]
    return planes


def _look(
    cells: Plane, background: int, down: int, right: int
) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """Look along one ray from every cell.

    Returns:
        The colour and distance of the first cell that is not background, the same of the first
        cell of another colour than one's own, and the colour at the ray's end.
    """
    height, width = cells.shape
    figure, other, edge = (np.full(cells.shape, OUTSIDE, dtype=np.int16) for _ in range(3))
    at_figure, at_other = (np.full(cells.shape, 99, dtype=np.int16) for _ in range(2))
    steps = max(height if down else 0, width if right else 0)
    if down and right:
        steps = min(height, width)
    reach = max(height, width)
    padded = np.pad(cells, reach, constant_values=OUTSIDE)
    for step in range(1, steps):
        top, left = reach + step * down, reach + step * right
        there = padded[top : top + height, left : left + width]
        new = (figure == OUTSIDE) & (there != OUTSIDE) & (there != background)
        figure[new], at_figure[new] = there[new], step
        new = (other == OUTSIDE) & (there != OUTSIDE) & (there != cells)
        other[new], at_other[new] = there[new], step
        inside = there != OUTSIDE
        edge[inside] = there[inside]
    return figure, at_figure, other, at_other, edge


def _mirrors(cells: Plane) -> list[NDArray[Any]]:
    """The colours at the places of the seven other turns, and whether they equal one's own."""
    height, width = cells.shape
    square = cells if height == width else None
    turned = [cells[::-1], cells[:, ::-1], cells[::-1, ::-1]]
    if square is not None:
        turned += [square.T, square[::-1, ::-1].T, np.rot90(square), np.rot90(square, 3)]
    else:
        turned += [np.full(cells.shape, OUTSIDE, dtype=np.int16)] * 4
    return [*turned, *(other == cells for other in turned), np.maximum.reduce(turned)]


def _lines(cells: Plane, background: int) -> list[NDArray[Any]]:
    """What is in the cell's row and column: counts, modes, ends, order, the colours there."""
    planes: list[NDArray[Any]] = []
    counts = np.stack([cells == color for color in range(N_COLORS)], axis=2)
    for axis, side in ((1, 0), (0, 1)):
        line = counts.sum(axis=axis)  # (lines, colours)
        figures = line.copy()
        figures[:, background] = 0
        n = figures.sum(axis=1)
        mode = np.where(n > 0, figures.argmax(axis=1), OUTSIDE)
        filled = n > 0
        rank = np.cumsum(filled) - 1
        along = cells if side == 0 else cells.T
        per_line = [
            n,
            mode,
            line.argmax(axis=1),
            (line > 0).sum(axis=1),
            filled,
            rank,
            filled.sum() - 1 - rank,
            (n[None, :] > n[:, None]).sum(axis=1),
            (n[None, :] < n[:, None]).sum(axis=1),
            (along == along[:, :1]).all(axis=1),
            along[:, 0],
            along[:, -1],
            *_ends(along, background),
            *line.T,
        ]
        shape = (-1, 1) if side == 0 else (1, -1)
        planes += [np.broadcast_to(values.reshape(shape), cells.shape) for values in per_line]
        own = np.take_along_axis(line, along.astype(np.int64), axis=1)
        planes.append(own if side == 0 else own.T)
        before = np.cumsum(along != background, axis=1)
        planes.append(before if side == 0 else before.T)
    return planes


def _ends(along: Plane, background: int) -> list[NDArray[Any]]:
    """The places of the first and the last figure cell of each line, or -1."""
    filled = along != background
    some = filled.any(axis=1)
    first = np.where(some, filled.argmax(axis=1), -1)
    last = np.where(some, along.shape[1] - 1 - filled[:, ::-1].argmax(axis=1), -1)
    return [first, last, last - first]


def _nearest(cells: Plane, background: int) -> list[NDArray[Any]]:
    """The distance to the nearest other figure cell, and its colour."""
    empty = cells == background
    if empty.all() or not empty.any():
        blank = np.full(cells.shape, OUTSIDE, dtype=np.int16)
        return [blank, blank, blank]
    distance, (r, c) = ndimage.distance_transform_cdt(
        empty, metric="chessboard", return_indices=True
    )
    steps = ndimage.distance_transform_cdt(empty, metric="taxicab")
    return [distance, cells[r, c], steps]


def grid_features(cells: Plane) -> NDArray[np.int16]:
    """Return what is known of a grid as a whole, shape (:data:`N_GLOBALS`,).

    The sides, each colour's count, rank, number of regions and presence, the colours in order of
    frequency, the colours of the largest and the smallest region, the corners.
    """
    background = background_of(cells)
    counts = np.bincount(cells.ravel(), minlength=N_COLORS)
    order = np.argsort(-counts, kind="stable")
    ordered = np.where(counts[order] > 0, order, OUTSIDE)
    rank = np.argsort(order, kind="stable")
    rank = np.where(counts > 0, rank, N_COLORS)
    regions = regions_of_color(cells, diagonal=True, background=background)
    found = np.bincount(regions.colors, minlength=N_COLORS)
    largest = smallest = OUTSIDE
    if len(regions.sizes):
        largest = regions.colors[regions.sizes.argmax()]
        smallest = regions.colors[regions.sizes.argmin()]
    n = int((counts > 0).sum())
    height, width = cells.shape
    joined = regions_of_any_color(cells, background)
    return np.array(
        [
            height, width, height - width, background, n, len(regions.sizes), len(joined.sizes),
            largest, smallest, ordered[n - 1], found.argmax(), found.max(),
            cells[0, 0], cells[0, -1], cells[-1, 0], cells[-1, -1], cells[height // 2, width // 2],
            (cells == cells[::-1]).all(), (cells == cells[:, ::-1]).all(),
            height == width and (cells == cells.T).all(),
            *ordered[:4], *counts, *rank, *found,
        ],
        dtype=np.int16,
    )  # fmt: skip


N_GLOBALS = 54
"""The number of features of a grid as a whole."""

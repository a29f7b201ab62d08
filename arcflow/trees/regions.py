"""Connected regions of a grid, and what each cell can know about the region that it lies in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from arcflow.core.grid import N_COLORS

Plane = NDArray[np.int16]
"""One number for each cell of a grid, shape (H, W)."""

_FOUR = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
_EIGHT = np.ones((3, 3), dtype=int)


@dataclass(frozen=True, slots=True)
class Regions:
    """The connected regions of a grid.

    Attributes:
        labels: The number of each cell's region, from 1; 0 for cells in no region. Shape (H, W).
        boxes: The first and last row and column of each region, shape (regions, 4): top, left,
            bottom, right, all inclusive.
        sizes: The number of cells of each region, shape (regions,).
        colors: The most frequent colour of each region, shape (regions,).
    """

    labels: NDArray[np.int64]
    boxes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    colors: NDArray[np.int64]

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the cells of region ``index`` (from 0) inside its box, as booleans."""
        top, left, bottom, right = self.boxes[index]
        inside: NDArray[np.bool_] = self.labels[top : bottom + 1, left : right + 1] == index + 1
        return inside


def regions_of_color(grid: Plane, diagonal: bool, background: int | None = None) -> Regions:
    """Return the regions of equal colour.

    Args:
        grid: The colours, shape (H, W).
        diagonal: Whether cells that touch at a corner are connected.
        background: The colour whose cells are in no region; None puts every cell in one.
    """
    labels = np.zeros(grid.shape, dtype=np.int64)
    found = 0
    for color in np.unique(grid):
        if background is not None and color == background:
            continue
        marked, n = ndimage.label(grid == color, structure=_EIGHT if diagonal else _FOUR)
        labels += np.where(marked > 0, marked + found, 0)
        found += n
    return _measure(grid, labels, found)


def regions_of_any_color(grid: Plane, background: int) -> Regions:
    """Return the regions of cells of any colour but ``background``, connected over corners too."""
    labels, found = ndimage.label(grid != background, structure=_EIGHT)
    return _measure(grid, labels.astype(np.int64), found)


def _measure(grid: Plane, labels: NDArray[np.int64], found: int) -> Regions:
    boxes = np.zeros((found, 4), dtype=np.int64)
    for i, place in enumerate(ndimage.find_objects(labels, max_label=found)):
        rows, columns = place
        boxes[i] = rows.start, columns.start, rows.stop - 1, columns.stop - 1
    sizes = np.bincount(labels.ravel(), minlength=found + 1)[1:]
    counts = np.bincount(
        labels.ravel() * N_COLORS + grid.ravel(), minlength=(found + 1) * N_COLORS
    ).reshape(found + 1, N_COLORS)[1:]
    return Regions(labels, boxes, sizes, counts.argmax(axis=1))


def enclosed(grid: Plane, background: int, diagonal: bool) -> NDArray[np.bool_]:
    """Return which background cells cannot reach the grid's edge over background cells.

    Args:
        grid: The colours, shape (H, W).
        background: The background's colour.
        diagonal: Whether a step may go over a corner.
    """
    free = np.pad(grid == background, 1, constant_values=True)
    labels, _ = ndimage.label(free, structure=_EIGHT if diagonal else _FOUR)
    inside: NDArray[np.bool_] = (free & (labels != labels[0, 0]))[1:-1, 1:-1]
    return inside


def region_planes(grid: Plane, regions: Regions) -> list[Plane]:
    """Return what each cell knows of its region: 0 or -1 in all planes where it is in none.

    Size, colour, sides and edges of the box, place in the box, ranks by size, holes, symmetry, the
    number of regions of the same shape or colour.
    """
    height, width = grid.shape
    n = len(regions.sizes)
    if n == 0:
        return [np.full(grid.shape, -1, dtype=np.int16)] * _REGION_PLANES
    boxes, sizes = regions.boxes, regions.sizes
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    area = sides.prod(axis=1)
    masks = [regions.mask(i) for i in range(n)]
    shapes = [(mask.shape, mask.tobytes()) for mask in masks]
    same_shape = np.array([shapes.count(shape) for shape in shapes])
    columns = [
        sizes,
        regions.colors,
        sides[:, 0],
        sides[:, 1],
        sides.max(axis=1),
        sides.min(axis=1),
        area - sizes,
        (sizes[None, :] > sizes[:, None]).sum(axis=1),  # 0 for the largest
        (sizes[None, :] < sizes[:, None]).sum(axis=1),  # 0 for the smallest
        (sizes[None, :] == sizes[:, None]).sum(axis=1),
        same_shape,
        (regions.colors[None, :] == regions.colors[:, None]).sum(axis=1),
        (boxes[:, 0] == 0) * 1
        + (boxes[:, 1] == 0) * 2
        + (boxes[:, 2] == height - 1) * 4
        + (boxes[:, 3] == width - 1) * 8,
        np.array([_holes(mask) for mask in masks]),
        np.array([np.array_equal(mask, mask[::-1]) for mask in masks]),
        np.array([np.array_equal(mask, mask[:, ::-1]) for mask in masks]),
        np.argsort(np.argsort(boxes[:, 0], kind="stable"), kind="stable"),
        np.argsort(np.argsort(boxes[:, 1], kind="stable"), kind="stable"),
        sizes % 2,
    ]
    table = np.full((n + 1, len(columns)), -1, dtype=np.int16)
    table[1:] = np.stack(columns, axis=1)
    planes = list(np.moveaxis(table[regions.labels], 2, 0))
    r, c = np.indices(grid.shape)
    edges = np.zeros((n + 1, 4), dtype=np.int64)
    edges[1:] = boxes
    top, left, bottom, right = np.moveaxis(edges[regions.labels], 2, 0)
    inside = regions.labels > 0
    for place in (r - top, c - left, bottom - r, right - c):
        planes.append(np.where(inside, place, -1).astype(np.int16))
    ring = np.minimum.reduce([r - top, c - left, bottom - r, right - c])
    planes.append(np.where(inside, ring, -1).astype(np.int16))
    return planes


_REGION_PLANES = 24


def _holes(mask: NDArray[np.bool_]) -> int:
    """Return the number of holes of a region."""
    _, n = ndimage.label(~np.pad(mask, 1), structure=_FOUR)
    return int(n) - 1


def box_planes(grid: Plane, regions: Regions) -> list[Plane]:
    """Return the colour and size of the smallest box of a region that contains each cell, or -1."""
    color = np.full(grid.shape, -1, dtype=np.int16)
    size = np.full(grid.shape, -1, dtype=np.int16)
    sides = regions.boxes[:, 2:] - regions.boxes[:, :2] + 1
    for i in np.argsort(-sides.prod(axis=1), kind="stable"):
        top, left, bottom, right = regions.boxes[i]
        color[top : bottom + 1, left : right + 1] = regions.colors[i]
        size[top : bottom + 1, left : right + 1] = sides[i].prod()
    return [color, size]

"""Parts of a grid that an output may be a picture of: boxes around figures, and panels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arcflow.trees.features import background_of
from arcflow.trees.regions import Regions, regions_of_any_color, regions_of_color

Box = tuple[int, int, int, int]
"""Top, left, bottom and right of a part of a grid; the last two are exclusive."""

Cells = NDArray[np.int16]


def box_of_mask(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around the marked cells, or None if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _extreme(measure: Callable[[Cells, Regions], NDArray[np.float64]], joined: bool) -> "Chooser":
    """Return the function that picks the region whose measure is largest, the first of equals."""

    def choose(cells: Cells) -> Box | None:
        background = background_of(cells)
        if joined:
            regions = regions_of_any_color(cells, background)
        else:
            regions = regions_of_color(cells, diagonal=True, background=background)
        if not len(regions.sizes):
            return None
        top, left, bottom, right = regions.boxes[int(measure(cells, regions).argmax())]
        return int(top), int(left), int(bottom) + 1, int(right) + 1

    return choose


Chooser = Callable[[Cells], Box | None]


def _size(_: Cells, regions: Regions) -> NDArray[np.float64]:
    return regions.sizes.astype(float)


def _area(_: Cells, regions: Regions) -> NDArray[np.float64]:
    sides = regions.boxes[:, 2:] - regions.boxes[:, :2] + 1
    return sides.prod(axis=1).astype(float)


def _density(_: Cells, regions: Regions) -> NDArray[np.float64]:
    sides = regions.boxes[:, 2:] - regions.boxes[:, :2] + 1
    return regions.sizes / sides.prod(axis=1)


def _colors_inside(cells: Cells, regions: Regions) -> NDArray[np.float64]:
    boxes = regions.boxes
    found = [len(np.unique(cells[t : b + 1, x : y + 1])) for t, x, b, y in boxes.tolist()]
    return np.array(found, dtype=float)


def _rare_color(cells: Cells, regions: Regions) -> NDArray[np.float64]:
    counts = np.bincount(cells.ravel(), minlength=10)
    found = [-counts[cells[t : b + 1, x : y + 1]].min() for t, x, b, y in regions.boxes.tolist()]
    return np.array(found, dtype=float)


def _odd_shape(_: Cells, regions: Regions) -> NDArray[np.float64]:
    shapes = []
    for i in range(len(regions.sizes)):
        mask = regions.mask(i)
        shapes.append((mask.shape, mask.tobytes()))
    return np.array([-shapes.count(shape) for shape in shapes], dtype=float)


def _symmetry(cells: Cells, regions: Regions) -> NDArray[np.float64]:
    found = []
    for top, left, bottom, right in regions.boxes.tolist():
        part = cells[top : bottom + 1, left : right + 1]
        found.append(
            float(np.array_equal(part, part[::-1])) + float(np.array_equal(part, part[:, ::-1]))
        )
    return np.array(found)


def _negative(
    measure: Callable[[Cells, Regions], NDArray[np.float64]],
) -> Callable[[Cells, Regions], NDArray[np.float64]]:
    return lambda cells, regions: -measure(cells, regions)


def _figures(cells: Cells) -> Box | None:
    return box_of_mask(cells != background_of(cells))


def _not_black(cells: Cells) -> Box | None:
    return box_of_mask(cells != 0)


def _by_frequency(place: int) -> Chooser:
    """Return the function to the box around the colour at a place in the order of frequency."""

    def choose(cells: Cells) -> Box | None:
        counts = np.bincount(cells.ravel(), minlength=10)
        order = [c for c in np.argsort(-counts, kind="stable") if counts[c]]
        if len(order) < 2 or not -len(order) <= place < len(order):
            return None
        return box_of_mask(cells == order[place])

    return choose


def _of_color(color: int) -> Chooser:
    return lambda cells: box_of_mask(cells == color)


def _inside(chooser: Chooser) -> Chooser:
    """Return the function to the inside of a box: the box without its outermost cells."""

    def choose(cells: Cells) -> Box | None:
        box = chooser(cells)
        if box is None or box[2] - box[0] < 3 or box[3] - box[1] < 3:
            return None
        return box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1

    return choose


_MEASURES = {
    "largest": _size,
    "smallest": _negative(_size),
    "of largest box": _area,
    "of smallest box": _negative(_area),
    "densest": _density,
    "least dense": _negative(_density),
    "of most colours": _colors_inside,
    "of fewest colours": _negative(_colors_inside),
    "of the rarest colour": _rare_color,
    "of the odd shape": _odd_shape,
    "of the commonest shape": _negative(_odd_shape),
    "most symmetric": _symmetry,
    "least symmetric": _negative(_symmetry),
}

_PLAIN: dict[str, Chooser] = {
    "all figures": _figures,
    "all that is not black": _not_black,
    "the rarest colour": _by_frequency(-1),
    "the second colour": _by_frequency(1),
    "the third colour": _by_frequency(2),
    **{
        f"the {'figure' if joined else 'region'} {name}": _extreme(measure, joined)
        for joined in (True, False)
        for name, measure in _MEASURES.items()
    },
    **{f"colour {color}": _of_color(color) for color in range(10)},
}

CHOOSERS: dict[str, Chooser] = {
    **{f"the box of {name}": chooser for name, chooser in _PLAIN.items()},
    **{f"the inside of {name}": _inside(chooser) for name, chooser in _PLAIN.items()},
}
"""Functions from a grid to the part that an output may show, by name, plainest first."""


def split_panels(cells: Cells) -> list[list[Cells]] | None:
    """Return the panels of equal size that lines of one colour separate, as rows of panels.

    None if there are no such lines. A line goes from edge to edge; all have the same colour.
    """
    for color in np.unique(cells).tolist():
        marked = cells == color
        rows = _stretches(marked.all(axis=1))
        columns = _stretches(marked.all(axis=0))
        if rows is None or columns is None or len(rows) * len(columns) < 2:
            continue
        return [[cells[top:bottom, left:right] for left, right in columns] for top, bottom in rows]
    return None


def _stretches(line: NDArray[np.bool_]) -> list[tuple[int, int]] | None:
    """Return the stretches between lines; None if they are empty or of different lengths."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], line, [True]]).astype(np.int8)))
    found = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    if not found or len({b - a for a, b in found}) > 1:
        return None
    return found

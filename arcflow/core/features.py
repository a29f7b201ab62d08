"""What a grid looks like in numbers, for comparing where grids come from."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import N_COLORS, Grid


@dataclass(frozen=True, slots=True)
class Features:
    """Of one grid.

    Attributes:
        black: 1 where the commonest colour is 0, else 0 (of equals the smallest counts).
        background: share of the cells that have the commonest colour, over 0 and up to 1.
        palette: number of colours.
        height: rows.
        width: columns.
        objects: connected figures of one colour, diagonal neighbours included, the commonest
            colour left out.
        tokens: cells and rows: what the grid takes at one token a cell and one a row.
    """

    black: int
    background: float
    palette: int
    height: int
    width: int
    objects: int
    tokens: int


NAMES = tuple(field.name for field in fields(Features))
"""The features in order."""


def describe(grid: Grid) -> Features:
    """The features of one grid."""
    counts = np.bincount(grid.ravel(), minlength=N_COLORS)
    common = int(counts.argmax())
    height, width = grid.shape
    return Features(
        black=int(common == 0),
        background=float(counts[common] / grid.size),
        palette=int((counts > 0).sum()),
        height=height,
        width=width,
        objects=count_objects(grid, common),
        tokens=height * width + height,
    )


def feature_matrix(grids: Iterable[Grid]) -> NDArray[np.float64]:
    """Features of many grids, shape (n, features), columns as :data:`NAMES`."""
    rows = [astuple(describe(grid)) for grid in grids]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(NAMES))


def count_objects(grid: Grid, background: int) -> int:
    """Connected figures of one colour, diagonal neighbours included, ``background`` left out."""
    height, width = grid.shape
    cells = grid.tolist()
    seen = [[color == background for color in row] for row in cells]
    found = 0
    for top in range(height):
        for left in range(width):
            if seen[top][left]:
                continue
            found += 1
            color = cells[top][left]
            seen[top][left] = True
            ahead = [(top, left)]
            while ahead:
                i, j = ahead.pop()
                for a in range(max(0, i - 1), min(height, i + 2)):
                    row, done = cells[a], seen[a]
                    for b in range(max(0, j - 1), min(width, j + 2)):
                        if not done[b] and row[b] == color:
                            done[b] = True
                            ahead.append((a, b))
    return found


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """First Wasserstein distance between two samples of one number: how far one has to be moved
    to become the other, in that number's own unit."""
    points = np.sort(np.concatenate([a, b]))
    gaps = np.diff(points)
    below = [
        np.searchsorted(np.sort(sample), points[:-1], side="right") / len(sample)
        for sample in (a, b)
    ]
    return float(np.abs(below[0] - below[1]) @ gaps)

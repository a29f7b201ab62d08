"""Numbers that describe a grid, for comparing where grids come from."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import N_COLORS, Grid


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one grid.

    Attributes:
        black: 1 if the commonest colour is 0, else 0; of equally common colours the smallest
            counts.
        background: The share of the cells that have the commonest colour, in (0, 1].
        palette: The number of colours.
        height: The number of rows.
        width: The number of columns.
        objects: The number of connected figures of one colour, diagonal neighbours included and the
            commonest colour left out.
        tokens: The number of tokens that the grid takes at one token for each cell and one for each
            row.
    """

    black: int
    background: float
    palette: int
    height: int
    width: int
    objects: int
    tokens: int


NAMES = tuple(field.name for field in fields(Features))
"""The names of the features, in order."""


def describe(grid: Grid) -> Features:
    """Return the features of one grid."""
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
    """Return the features of many grids, of shape (n, features), columns as :data:`NAMES`."""
    rows = [astuple(describe(grid)) for grid in grids]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(NAMES))


def count_objects(grid: Grid, background: int) -> int:
    """Return the number of connected figures of one colour, not counting those of ``background``.

    Diagonal neighbours are connected.
    """
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
    """Return the first Wasserstein distance between two samples of one number, in its own unit.

    It is the mean distance by which one sample has to be moved to become the other.

    Args:
        a: The first sample, of shape (n,), n >= 1.
        b: The second sample, of shape (m,), m >= 1.
    """
    points = np.sort(np.concatenate([a, b]))
    gaps = np.diff(points)
    below = [
        np.searchsorted(np.sort(sample), points[:-1], side="right") / len(sample)
        for sample in (a, b)
    ]
    return float(np.abs(below[0] - below[1]) @ gaps)

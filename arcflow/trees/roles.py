"""Colours by role: a grid's colours renamed by frequency, so that tasks about "the other colour"
look the same in every pair.
"""

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import N_COLORS
from arcflow.trees.boxes import Cells

KEEP = 2 * N_COLORS
"""The target of an output cell that keeps the colour that the view's first feature names."""


class Names:
    """The names under which a pair's colours are learnt: numbers below 20.

    Args:
        cells: The input of the pair, shape (H, W).
        by_role: Whether colours are named 0, 1, ... by their frequency in the input, the smaller
            of equals first, and absent ones 10 + colour; otherwise each is its own name.
    """

    def __init__(self, cells: Cells, by_role: bool) -> None:
        self._names = np.arange(N_COLORS, dtype=np.int16)
        if by_role:
            counts = np.bincount(cells.ravel(), minlength=N_COLORS)
            order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
            self._names += N_COLORS
            self._names[order] = np.arange(len(order))
        self._colors = np.full(2 * N_COLORS, -1, dtype=np.int16)
        self._colors[self._names] = np.arange(N_COLORS)
        # A role that nobody plays in this input falls to its most frequent colour.
        fallback = self._colors[0] if by_role else 0
        self._colors[self._colors < 0] = fallback

    def hide(self, cells: Cells) -> Cells:
        """Return the grid with every colour replaced by its name."""
        return self._names[cells]

    def show(self, named: NDArray[np.integer]) -> Cells:
        """Return the grid with every name replaced by its colour."""
        return self._colors[named]

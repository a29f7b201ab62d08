"""Small grids and masks for the laws of the DSL, and plain searches to compare with."""

from collections import deque
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arcflow.omniarc.dsl import ALL_DIRECTIONS, ORTHOGONAL, Grid, Mask

Cell = tuple[int, int]
laws = settings(max_examples=60, deadline=None)
sides = st.integers(1, 7)
steps = st.integers(-9, 9)
directions = st.sampled_from(ALL_DIRECTIONS)


@st.composite
def grids(draw_from: st.DrawFn, colors: int = 3) -> Grid:
    """Small grids; most have more background than anything else, as tasks have."""
    height, width = draw_from(sides), draw_from(sides)
    cell = st.sampled_from([0, 0, *range(1, colors + 1)])
    cells = draw_from(st.lists(cell, min_size=height * width, max_size=height * width))
    return np.array(cells, dtype=np.int8).reshape(height, width)


def masks() -> st.SearchStrategy[Mask]:
    """Sparse ones and dense ones."""
    return st.one_of(grids(1).map(lambda grid: grid == 1), grids(1).map(lambda grid: grid == 0))


def walk(mask: Mask, start: Cell, diagonal: bool) -> dict[Cell, int]:
    """A plain search: the True cells that can be reached, and in how many steps."""
    reached = {start: 0}
    waiting = deque([start])
    while waiting:
        row, col = waiting.popleft()
        for d_row, d_col in ALL_DIRECTIONS if diagonal else ORTHOGONAL:
            cell = (row + d_row, col + d_col)
            inside = 0 <= cell[0] < mask.shape[0] and 0 <= cell[1] < mask.shape[1]
            if inside and mask[cell] and cell not in reached:
                reached[cell] = reached[(row, col)] + 1
                waiting.append(cell)
    return reached


def parts(mask: Mask, diagonal: bool) -> list[set[Cell]]:
    """A plain search for connected parts, by their first cells."""
    found: list[set[Cell]] = []
    for row, col in np.argwhere(mask).tolist():
        if not any((row, col) in part for part in found):
            found.append(set(walk(mask, (row, col), diagonal)))
    return found


def cells_of(mask: NDArray[Any]) -> set[Cell]:
    return {(row, col) for row, col in np.argwhere(mask).tolist()}

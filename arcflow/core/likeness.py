"""Equality of grids up to turns, flips and colours, and how much such an equality tells."""

import zlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from arcflow.core.grid import N_COLORS, Grid

Figure = tuple[Grid, ...]
"""Grids that are turned and recoloured together, such as a pair."""

Key = tuple[object, ...]

MIN_DETAIL = 8
"""The number of cells off an input's commonest colour from which the input alone identifies a task.

Unrelated published tasks share inputs of at most 6 such cells (tiny shapes, single dots) and one
figure of nested frames; the duplicates' test inputs have 10 and more.
"""

MIN_OUTPUT_DETAIL = 20
"""The same for an output that is another task's output too.

Unrelated published tasks share outputs of up to 17 such cells, the symmetric ones set aside.
"""


def canonical(figure: Sequence[Grid]) -> Key:
    """Return a value that is equal exactly for grids that are equal up to turns, flips and colours.

    It is the smallest of the eight turns, written as shapes and cells with the colours numbered in
    the order of their appearance.

    Args:
        figure: The grids that are turned and recoloured together, e.g. an input and its output.
    """
    forms = []
    for flip in (False, True):
        for turns in range(4):
            turned = [np.rot90(np.fliplr(grid) if flip else grid, turns) for grid in figure]
            cells = b"".join(grid.tobytes() for grid in turned)
            table = bytearray(256)
            for number, color in enumerate(dict.fromkeys(cells)):
                table[color] = number
            forms.append((*(grid.shape for grid in turned), cells.translate(bytes(table))))
    return min(forms)


class FigureIndex:
    """An index of the figures of evaluation tasks, found again up to turns and colours.

    A cheap invariant sorts out nearly all figures, so that few canonical forms are made.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[Key, list[tuple[Figure, str]]] = defaultdict(list)
        self._forms: dict[Key, dict[Key, list[str]]] = {}

    def add(self, figure: Figure, task_id: str) -> None:
        """Add a figure of an evaluation task."""
        self._waiting[_invariant(figure)].append((figure, task_id))

    def find(self, figure: Figure) -> Sequence[str]:
        """Return the ids of the tasks that have ``figure``."""
        key = _invariant(figure)
        if key not in self._waiting:
            return ()
        if key not in self._forms:
            forms: defaultdict[Key, list[str]] = defaultdict(list)
            for known, task_id in self._waiting[key]:
                forms[canonical(known)].append(task_id)
            self._forms[key] = dict(forms)
        return self._forms[key].get(canonical(figure), ())


def _invariant(figure: Figure, counts: Sequence[Sequence[int]] = ()) -> Key:
    """Return what no turn and no exchange of colours changes: the sides and the colour counts."""
    sides = tuple(tuple(sorted(grid.shape)) for grid in figure)
    counts = counts or [color_counts(grid) for grid in figure]
    return (sides, tuple(sorted(zip(*counts, strict=True))))


def color_counts(grid: Grid) -> list[int]:
    """Return the number of cells of each colour, 0 to 9."""
    cells = grid.tobytes()
    return [cells.count(color) for color in range(N_COLORS)]


def detail(grid: Grid) -> int:
    """Return the number of cells off the grid's commonest colour."""
    return grid.size - max(color_counts(grid))


def figure_key(figure: Figure, counts: Sequence[Sequence[int]] = ()) -> int:
    """Return a 32-bit key that figures equal up to turns and colours share; others seldom do.

    Args:
        figure: The grids.
        counts: The :func:`color_counts` of each grid, if they are known already.
    """
    return zlib.crc32(repr(_invariant(figure, counts)).encode(), len(figure))


def is_telling(grid: Grid, least: int = MIN_DETAIL) -> bool:
    """Return whether a grid is so particular that two tasks with it are related.

    Nested frames and crossed lines are not, however large: unrelated tasks share them.

    Args:
        grid: The grid.
        least: The number of cells off its commonest colour that it must have.
    """
    if detail(grid) < least:
        return False
    if any(len({row.tobytes() for row in lines}) < 3 for lines in (grid, grid.T)):
        return False
    views = (grid.T, np.flipud(grid), np.fliplr(grid))
    return not all(view.shape == grid.shape and np.array_equal(view, grid) for view in views)

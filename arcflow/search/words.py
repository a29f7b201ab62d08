"""The words of the programs that a search writes, as the sandbox offers them to programs.

A sandbox whose ``api`` is ``"arcflow.search.words"`` runs such programs. They may also use all the
words of :mod:`arcflow.omniarc.dsl`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import MAX_SIDE, N_COLORS
from arcflow.omniarc import dsl
from arcflow.omniarc.dsl import *  # noqa: F403
from arcflow.search.arena import add_root, apply_step, get_value, new_arena
from arcflow.search.images import Cells, Image
from arcflow.search.pieces import UNKNOWN
from arcflow.search.registry import STEPS
from arcflow.search.roles import role_names, undone

__all__ = [
    *dsl.__all__,
    "background",
    "count",
    "extent",
    "named_back",
    "named_by_role",
    "piece",
    "shown",
    "stack",
]

_BY_NAME = {step.name: step for step in STEPS}


def _run(
    grid: NDArray[Any], size: tuple[int, int], names: tuple[str, ...]
) -> tuple[list[Image], bool]:
    """Return the images that steps make of a grid, and whether they are a list."""
    _check(grid, size)
    arena = new_arena(1, 100)
    source: Cells = np.ascontiguousarray(grid, np.uint8)
    sizes = np.array([*source.shape, *size], np.int64)
    # Numbers of values are of the type that the graph has them in, for which there is machine code.
    value: Any = np.int32(add_root(arena, source))
    for name in names:
        step = _BY_NAME[name]
        made = apply_step(arena, step.kind, step.family, step.argument, value, sizes, source)
        if made < 0:
            return [], False
        value = np.int32(made)
    return get_value(arena, value), bool(arena.values[value, 2])


def _check(grid: NDArray[Any], size: tuple[int, int]) -> None:
    """Refuse what the functions, which are compiled without checks of their own, cannot take."""
    sides = (*np.shape(grid), *size)
    if len(sides) != 4 or not all(1 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"sides of grid and canvas must be 1 to {MAX_SIDE}, not {sides}")
    if np.min(grid) < 0 or np.max(grid) >= N_COLORS:
        raise ValueError(f"colors of a grid must be 0 to {N_COLORS - 1}")


def piece(grid: NDArray[Any], size: tuple[int, int], *names: str) -> NDArray[np.int8]:
    """Return what steps make of a grid on a canvas, shape ``size``; 10 where they make nothing.

    Args:
        grid: The grid.
        size: Height and width of the canvas.
        names: The names of the steps, in the order in which they are taken.
    """
    images, is_list = _run(grid, size, names)
    if len(images) == 1 and not is_list and images[0][0].shape == tuple(size):
        return images[0][0].astype(np.int8)
    out = np.zeros(size, np.int8)
    for g, y, x in images:
        for r, c in np.argwhere(g):
            if not (0 <= y + r < size[0] and 0 <= x + c < size[1]):
                return np.full(size, UNKNOWN, np.int8)
            if out[y + r, x + c] == 0:
                out[y + r, x + c] = g[r, c]
    return out if out.any() else np.full(size, UNKNOWN, np.int8)


def shown(cells: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return a piece without its background: 10 where it is 0."""
    return np.where(cells == 0, UNKNOWN, cells).astype(np.int8)


def background(cells: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the background of a piece alone: 0 where it is 0, and 10 elsewhere."""
    return np.where(cells == 0, 0, UNKNOWN).astype(np.int8)


def stack(*pieces: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return pieces laid over each other, the first on top; 0 where all have 10."""
    out = pieces[0]
    for below in pieces[1:]:
        out = np.where(out == UNKNOWN, below, out)
    return np.where(out == UNKNOWN, 0, out).astype(np.int8)


def extent(grid: NDArray[Any], *names: str) -> tuple[int, int]:
    """Return the height and the width of the largest image that steps make, or (1, 1)."""
    images, _ = _run(grid, grid.shape, names)
    return max([1, *(g.shape[0] for g, _, _ in images)]), max(
        [1, *(g.shape[1] for g, _, _ in images)]
    )


def count(grid: NDArray[Any], *names: str) -> int:
    """Return how many images steps make of a grid."""
    return len(_run(grid, grid.shape, names)[0])


def named_by_role(
    grid: NDArray[Any], fixed: tuple[int, ...], ground: bool
) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Return a grid with its colours named by their frequency, and the names that undo it.

    Args:
        grid: The grid.
        fixed: Colours that keep their names.
        ground: Whether the most frequent colour becomes 0.
    """
    _check(grid, np.shape(grid))
    names = role_names(np.ascontiguousarray(grid, np.uint8), fixed, ground)
    return names[grid].astype(np.int8), undone(names)


def named_back(grid: NDArray[Any], names: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return a grid with its colours' own names."""
    return names[grid].astype(np.int8)

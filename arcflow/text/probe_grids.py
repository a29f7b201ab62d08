"""The grids, programs and tasks that the encoder's start-up checks are made on."""

import string
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.core.seeds import rng
from arcflow.core.task import FailedProgram, Pair, Task
from arcflow.text.kinds import TaskKind, Value

PROGRAMS = (
    "def task(grid):\n    return grid\n",
    "def task(grid):\n    wide = tile(grid, 1, 2)\n    return wide[::-1, :]\n",
)
_VISIBLE = string.digits + string.ascii_letters + string.punctuation + " "
SPELLING_PROGRAM = f"def task(grid):\n    # {_VISIBLE}.\n\n    return grid\n"
"""A program that holds every visible character that programs are written with."""


def striped(h: int, w: int, shift: int = 0) -> Grid:
    """Return a grid with diagonal stripes in all colours.

    Args:
        h: The height in cells.
        w: The width in cells.
        shift: The colour of the first cell.

    Returns:
        The grid, shape (h, w).
    """
    cells = np.add.outer(np.arange(h), np.arange(w)) + shift
    return freeze((cells % N_COLORS).astype(np.int8))


def mixed(h: int, w: int, seed: int = 0) -> Grid:
    """Return a grid of shape (h, w) with uniformly drawn cells.

    Args:
        h: The height in cells.
        w: The width in cells.
        seed: The seed of the cells.

    Returns:
        The grid, shape (h, w).
    """
    return freeze(rng(seed, "samples", h, w).integers(0, N_COLORS, (h, w), dtype=np.int8))


def plain(h: int, w: int, color: int) -> Grid:
    """Return a grid in one colour.

    Args:
        h: The height in cells.
        w: The width in cells.
        color: The colour of all cells.

    Returns:
        The grid, shape (h, w).
    """
    return freeze(np.full((h, w), color, dtype=np.int8))


def sizes(kind: TaskKind[Any]) -> list[int]:
    """Return the numbers of prompt values for one to six examples, each number once.

    Args:
        kind: The kind of task.

    Returns:
        The numbers of values, in the order of the number of examples.
    """
    pair, attempt = Pair(striped(2, 2), striped(2, 2)), FailedProgram(PROGRAMS[1], "It fails.\n")
    tasks = [
        Task("sample", (pair,) * n, (pair,), "", PROGRAMS[0], attempt, (pair, pair))
        for n in range(1, 7)
    ]
    return list(dict.fromkeys(len(kind.prompt_values(task, 0)) for task in tasks))


def _filled(n: int, texts: Collection[int], grids: Iterable[Grid], text: str) -> list[Value]:
    """Return n values: the text at the indices ``texts``, the grids at the others."""
    grid = iter(grids)
    return [text if index in texts else next(grid) for index in range(n)]


def every_unit(n: int, texts: Collection[int]) -> Iterator[list[Value]]:
    """Yield lists of n values whose grids show each colour, height, width and row number.

    Args:
        n: The number of values.
        texts: The indices of the values that are texts.

    Yields:
        Lists of n values.
    """
    sides = range(MAX_SIDE, 0, -1)
    grids = [
        *(striped(side, 1, side) for side in sides),
        *(striped(1, side, side) for side in sides),
    ]
    step = n - len(texts)
    for i in range(0, len(grids), step):
        own = [grids[(i + k) % len(grids)] for k in range(step)]
        yield _filled(n, texts, own, PROGRAMS[0])


def fillings(n: int, texts: Collection[int]) -> tuple[list[Value], list[Value]]:
    """Return two lists of n small values that differ everywhere.

    Args:
        n: The number of values.
        texts: The indices of the values that are texts.

    Returns:
        The two lists.
    """
    first = [striped(1 + i % 3, 2, i) for i in range(n)]
    second = [mixed(2 + i % 2, 3, i) for i in range(n)]
    return _filled(n, texts, first, PROGRAMS[0]), _filled(n, texts, second, PROGRAMS[1])


def proofs(sizes: Sequence[int], texts: Callable[[int], Collection[int]]) -> Iterator[list[Value]]:
    """Yield lists of values with grids of many sizes and colourings, to check the fast path on.

    The numbers of values are taken in turn until each of the grids was used.

    Args:
        sizes: The numbers of prompt values; a list has one value more, the target.
        texts: A function from a number of prompt values to the indices of the texts.

    Yields:
        Lists of n + 1 values for each n in ``sizes``.
    """
    grids = [
        *(plain(1, 1, color) for color in range(N_COLORS)),
        *(plain(3, 30, color) for color in range(N_COLORS)),
        *(mixed(h, w) for h, w in ((30, 30), (1, 30), (30, 1), (2, 2), (3, 3), (9, 10), (20, 21))),
        *(striped(10, 10, shift) for shift in range(3)),
    ]
    order = rng(0, "proof").permutation(len(grids)).tolist()
    at = 0
    while at < len(grids):
        for n in sizes:
            step = n + 1 - len(texts(n))
            own = [grids[order[(at + k) % len(grids)]] for k in range(step)]
            yield _filled(n + 1, texts(n), own, PROGRAMS[1])
            at += step


def spelling_grids() -> tuple[Grid, ...]:
    """Return grids that every tokenizer must give back unchanged."""
    return striped(1, N_COLORS), plain(1, 1, 0), plain(12, 2, 1), mixed(3, 7), mixed(11, 4)


def cell_grids() -> tuple[Grid, ...]:
    """Return grids that show whether a tokenizer joins cells, in one colour or in many."""
    colors = range(N_COLORS)
    return (
        *(plain(1, MAX_SIDE, color) for color in colors),
        *(mixed(MAX_SIDE, MAX_SIDE, s) for s in (1, 2)),
        *(striped(MAX_SIDE, 1, color) for color in colors),
    )


def grids_of_size(h: int, w: int) -> list[Grid]:
    """Return plain and mixed grids of one size.

    They are the extremes of how far a tokenizer may merge cells.

    Args:
        h: The height in cells.
        w: The width in cells.

    Returns:
        The grids, each of shape (h, w).
    """
    return [*(plain(h, w, color) for color in range(N_COLORS)), *(mixed(h, w, s) for s in range(4))]

"""Grids and tasks that the encoder's start-up checks are made on."""

from collections.abc import Iterator, Sequence

import numpy as np

from arcflow.core.grid import MAX_SIDE, N_COLORS, Grid, freeze
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.text.kinds import TaskKind


def striped(h: int, w: int, shift: int = 0) -> Grid:
    """Diagonal stripes in all colours, starting with colour ``shift``."""
    cells = np.add.outer(np.arange(h), np.arange(w)) + shift
    return freeze((cells % N_COLORS).astype(np.int8))


def mixed(h: int, w: int, seed: int = 0) -> Grid:
    """Uniformly drawn cells."""
    return freeze(rng(seed, "samples", h, w).integers(0, N_COLORS, (h, w), dtype=np.int8))


def plain(h: int, w: int, color: int) -> Grid:
    """One colour."""
    return freeze(np.full((h, w), color, dtype=np.int8))


def sizes(kind: TaskKind) -> list[int]:
    """Numbers of prompt grids for one to six examples."""
    pair = Pair(striped(2, 2), striped(2, 2))
    tasks = [Task("sample", (pair,) * n, (pair,)) for n in range(1, 7)]
    return [len(kind.prompt_grids(task, 0)) for task in tasks]


def every_unit(n: int) -> Iterator[list[Grid]]:
    """Lists of n grids that show each colour, each height, each width and each row number."""
    sides = range(MAX_SIDE, 0, -1)
    grids = [
        *(striped(side, 1, side) for side in sides),
        *(striped(1, side, side) for side in sides),
    ]
    for i in range(0, len(grids), n):
        yield [grids[(i + k) % len(grids)] for k in range(n)]


def fillings(n: int) -> tuple[list[Grid], list[Grid]]:
    """Two lists of n small grids that differ everywhere."""
    first = [striped(1 + i % 3, 2, i) for i in range(n)]
    return first, [mixed(2 + i % 2, 3, i) for i in range(n)]


def proofs(sizes: Sequence[int]) -> Iterator[list[Grid]]:
    """For each n of ``sizes`` n + 1 grids, over all kinds of sizes and colourings."""
    grids = [
        *(plain(1, 1, color) for color in range(N_COLORS)),
        *(plain(3, 30, color) for color in range(N_COLORS)),
        *(mixed(h, w) for h, w in ((30, 30), (1, 30), (30, 1), (2, 2), (3, 3), (9, 10), (20, 21))),
        *(striped(10, 10, shift) for shift in range(3)),
    ]
    order = rng(0, "proof").permutation(len(grids)).tolist()
    at = 0
    for n in sizes:
        yield [grids[order[(at + k) % len(grids)]] for k in range(n + 1)]
        at += n + 1


def spelling_grids() -> tuple[Grid, ...]:
    """Grids that every tokenizer must give back unchanged."""
    return striped(1, N_COLORS), plain(1, 1, 0), plain(12, 2, 1), mixed(3, 7), mixed(11, 4)


def grids_of_size(h: int, w: int) -> list[Grid]:
    """Plain and mixed grids of one size: the extremes of what merges in a tokenizer do."""
    return [*(plain(h, w, color) for color in range(N_COLORS)), *(mixed(h, w, s) for s in range(4))]

"""Grids and tasks that the encoder's start-up checks are made on."""

from collections.abc import Iterator

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


def prompt_grids(kind: TaskKind, n_train: int) -> list[Grid]:
    """The prompt's grids of a tiny task."""
    grid = striped(2, 2)
    return kind.prompt_grids(Task("sample", (Pair(grid, grid),) * n_train, (Pair(grid, None),)), 0)


def every_unit(n: int) -> Iterator[list[Grid]]:
    """Lists of n grids that show each colour, each side and each row number."""
    grids = [striped(side, side, side) for side in range(MAX_SIDE, 0, -1)]
    grids += [striped(1, N_COLORS), *(plain(1, 1, color) for color in range(N_COLORS))]
    for i in range(0, len(grids), n):
        yield [grids[(i + k) % len(grids)] for k in range(n)]


def fillings(n: int) -> tuple[list[Grid], list[Grid]]:
    """Two lists of n small grids that differ everywhere."""
    first = [striped(1 + i % 3, 2, i) for i in range(n)]
    return first, [mixed(2 + i % 2, 3, i) for i in range(n)]


def proof_tasks() -> Iterator[Task]:
    """Tasks of one to six examples over all kinds of sizes and colourings."""
    grids = [
        *(plain(1, 1, color) for color in range(N_COLORS)),
        *(plain(3, 30, color) for color in range(N_COLORS)),
        mixed(30, 30),
        mixed(1, 30),
        mixed(30, 1),
        *(mixed(h, w) for h, w in ((2, 2), (3, 3), (9, 10), (10, 9), (12, 5), (20, 21))),
        *(striped(10, 10, shift) for shift in range(3)),
    ]
    order = rng(0, "proof").permutation(len(grids)).tolist()
    at = 0
    for n_train in (1, 2, 3, 4, 5, 6):
        chosen = [grids[order[(at + k) % len(grids)]] for k in range(2 * n_train + 2)]
        at += len(chosen)
        pairs = tuple(Pair(a, b) for a, b in zip(chosen[::2], chosen[1::2], strict=True))
        yield Task(f"{n_train}-examples", pairs[:-1], pairs[-1:])


def spelling_grids() -> tuple[Grid, ...]:
    """Grids that every tokenizer must give back unchanged."""
    return striped(1, N_COLORS), plain(1, 1, 0), plain(12, 2, 1), mixed(3, 7), mixed(11, 4)


def grids_of_size(h: int, w: int) -> list[Grid]:
    """Plain and mixed grids of one size: the extremes of what merges in a tokenizer do."""
    return [*(plain(h, w, color) for color in range(N_COLORS)), *(mixed(h, w, s) for s in range(4))]

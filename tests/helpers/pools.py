"""A source of noise and a pool of it."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import freeze
from arcflow.core.seeds import rng
from arcflow.core.task import Pair, Task
from arcflow.sources.base import Source
from arcflow.sources.pool.build import Built, build_pool

FAMILIES = tuple(f"{number:08x}" for number in range(0xA0, 0xA0 + 12))


def grid(draw: np.random.Generator, side: int = 6) -> np.ndarray:
    shape = draw.integers(3, side, 2, endpoint=True)
    return freeze(draw.integers(0, 10, shape, dtype=np.int8))


class Noise(Source):
    """Grids of noise, in families that vary published tasks.

    Args:
        pairs: of a task.
        families: the first of them that there are.
        side: longest side in cells.
        bad: every so-manieth task cannot be given; 0 all can.
        prefix: of task ids.
    """

    def __init__(
        self, pairs: int = 5, families: int = 12, side: int = 6, bad: int = 0, prefix: str = ""
    ) -> None:
        self.name = "noise"
        self.pairs, self.side, self.bad, self.prefix = pairs, side, bad, prefix
        self.families = FAMILIES[:families]

    def __len__(self) -> int:
        return len(self.families)

    def pair(self, *place: int) -> Pair:
        draw = rng(0, "noise", *place)
        return Pair(grid(draw, self.side), grid(draw, self.side))

    def task(self, seed: int, index: int) -> Task:
        if self.bad and index % self.bad == self.bad - 1:
            raise DataError("task stuck", value=index, expected="a task", next_step="Wait.")
        family = self.families[index % len(self.families)]
        pairs = tuple(self.pair(seed, index, i) for i in range(self.pairs))
        return Task(f"{self.prefix}{family}/{index}", pairs[:-1], pairs[-1:], "noise")

    def base_tasks(self) -> Sequence[Task]:
        return [
            Task(family, (self.pair(99, i),), (self.pair(98, i),), "published")
            for i, family in enumerate(self.families)
        ]

    def exclude(self, ids: Collection[str]) -> "Noise":
        raise NotImplementedError

    def fingerprint(self) -> dict[str, str]:
        return {"pairs": str(self.pairs), "side": str(self.side)}


def noise_pool(folder: Path) -> Path:
    path = folder / "noise.pool"
    built = build_pool(path, Noise(), 300)
    assert built == Built(300, 1500, 12, path.stat().st_size, 0, ())
    return path

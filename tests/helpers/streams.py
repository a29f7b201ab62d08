"""A stream of numbers, a train loader of it, and batches to compare."""

import numpy as np
import torch
from torch import Tensor

from arcflow.core.seeds import rng
from arcflow.datamodules.streams.resumable_loader import TrainLoader
from arcflow.text.encode import Example

BUDGET = 64


class Numbers:
    """A stream of samples of 1 to 40 tokens; every seventh has none."""

    max_tokens = 40

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def length(self, index: int) -> int:
        return 0 if index % 7 == 3 else int(rng(self.seed, "length", index).integers(1, 41))

    def sample(self, index: int) -> Example | None:
        if not self.length(index):
            return None
        ids = rng(self.seed, "ids", index).integers(0, 1000, self.length(index), dtype=np.int32)
        return Example(ids, ids)

    def part(self, index: int) -> str:
        return ("even", "odd")[index % 2]

    def fingerprint(self) -> dict[str, str]:
        return {"seed": str(self.seed)}


def loader(seed: int = 0, **options) -> TrainLoader:
    return TrainLoader(Numbers(seed), BUDGET, **options)


def take(batches, n: int) -> list[dict[str, Tensor]]:
    stream = iter(batches)
    return [next(stream) for _ in range(n)]


def same(left: list[dict[str, Tensor]], right: list[dict[str, Tensor]]) -> bool:
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
        for a, b in zip(left, right, strict=True)
    )

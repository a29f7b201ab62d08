"""Interleave: an endless row of parts by weight, each place a pure function of (seed, index)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arcflow.core.seeds import rng

BLOCK = 1000
"""Places of a block: within each the order is drawn, the numbers of each part are not."""


class _Block(NamedTuple):
    """Of each place the part that stands there, and the part's own index."""

    parts: NDArray[np.int64]
    own: NDArray[np.int64]


class Interleave:
    """Which part stands at each place, and which of its own it gives there.

    After any number of whole blocks every part has its share of the places to within one place
    for each part before it, and it gives its own indices 0, 1, 2, ... each once and in order.

    Args:
        weights: one a part, 0 or more, not all 0; only their ratios count.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        total = float(sum(weights))
        self.shares = [weight / total for weight in weights]
        self._blocks: dict[tuple[int, int], _Block] = {}

    def at(self, seed: int, index: int) -> tuple[int, int]:
        """Number of the part at a place, and the part's own index."""
        number, place = divmod(index, BLOCK)
        key = seed, number
        if key not in self._blocks:
            while len(self._blocks) >= 4:  # looking ahead spans few blocks
                del self._blocks[next(iter(self._blocks))]
            self._blocks[key] = self._block(seed, number)
        block = self._blocks[key]
        return int(block.parts[place]), int(block.own[place])

    def counts(self, places: int) -> list[int]:
        """Of the first ``places`` places, a multiple of :data:`BLOCK`, how many each part has.

        A part takes its share of what those before it have left, rounded down, so that no count
        ever falls with the number of places.
        """
        counts, left, rest = [], places, 1.0
        last = max(i for i, share in enumerate(self.shares) if share)
        for i, share in enumerate(self.shares):
            count = left if i == last else int(left * min(1.0, share / rest)) if share else 0
            counts.append(count)
            left -= count
            rest -= share
        return counts

    def _block(self, seed: int, number: int) -> _Block:
        before, after = (self.counts((number + n) * BLOCK) for n in (0, 1))
        many = [b - a for a, b in zip(before, after, strict=True)]
        parts = np.repeat(np.arange(len(many)), many)
        parts = parts[rng(seed, "interleave", number).permutation(BLOCK)]
        own = np.empty(BLOCK, dtype=np.int64)
        for i, begin in enumerate(before):
            where = parts == i
            own[where] = begin + np.arange(where.sum())
        return _Block(parts, own)

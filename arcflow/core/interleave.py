"""Interleave: an endless row of parts by weight, each place a pure function of (seed, index)."""

import heapq
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError
from arcflow.core.seeds import rng

VERSION = "2"
"""Raise it when a (seed, index) gives another place: checkpoints of the old order are refused."""

BLOCK = 10_000
"""Most places of a block. After each block every part has had its share exactly."""

_SAME = 1e-12
"""Shares that are no further apart are one: what binary numbers make of thirds and tenths."""


_KEPT = 32
"""Blocks that are remembered: looking ahead spans few, but a source that is asked in several ways
has a seed for each of them. A block takes 25 ms to make, and 40 KB."""


class _Block(NamedTuple):
    """Of each place the part that stands there, and how many of it stand before in the block."""

    parts: NDArray[np.int16]
    ranks: NDArray[np.int16]


class Interleave:
    """Which part stands at each place, and which of its own it gives there.

    However many places are taken from the start, every part has had its share of them to less
    than one place, and it gives its own indices 0, 1, 2, ... each once and in order.

    A part's turn number j, from 1, comes after place (j - 1) / share and up to place j / share,
    rounded up. Whichever part's time is up first has the next place, and the seed decides between
    equals: a place is found for all of them (Robert Tijdeman, "The chairman assignment problem",
    Discrete Mathematics 32, 1980; Sanjoy Baruah and others, "Proportionate progress",
    Algorithmica 15, 1996). Blocks hold whole numbers of turns, so that one begins like another.

    Args:
        weights: one a part, 0 or more, not all 0; only their ratios count. They are met exactly
            where they are to each other as whole numbers whose sum is up to :data:`BLOCK`; other
            shares are rounded to a multiple of 1 / BLOCK, those over 0 to one at least.

    Attributes:
        shares: of the places, one a part.
        block: places of a block.

    Raises:
        ConfigError: more than BLOCK parts.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._turns = _turns(weights)
        self.block = sum(self._turns)
        self.shares = [turns / self.block for turns in self._turns]
        self._blocks: dict[tuple[int, int], _Block] = {}

    def at(self, seed: int, index: int) -> tuple[int, int]:
        """Number of the part at a place, and the part's own index."""
        number, place = divmod(index, self.block)
        key = seed, number
        block = self._blocks.get(key)
        if block is None:
            block = self._order(seed, number)
            # A dict of its own: another thread may read the old.
            self._blocks = dict([*list(self._blocks.items())[1 - _KEPT :], (key, block)])
        part = int(block.parts[place])
        return part, number * self._turns[part] + int(block.ranks[place])

    def _order(self, seed: int, number: int) -> _Block:
        length = self.block
        ties = rng(seed, "interleave", number).random(length + len(self._turns)).tolist()
        begun = [0] * len(self._turns)
        waiting: list[list[int]] = [[] for _ in range(length + 1)]
        waiting[0] = [part for part, turns in enumerate(self._turns) if turns]
        parts, ranks = np.empty((2, length), dtype=np.int16)
        ready: list[tuple[int, float, int]] = []
        for place in range(length):
            for part in waiting[place]:
                end = -(-(begun[part] + 1) * length // self._turns[part])
                heapq.heappush(ready, (end, ties.pop(), part))
            part = heapq.heappop(ready)[2]
            parts[place], ranks[place] = part, begun[part]
            begun[part] += 1
            # Its next turn's first place; behind the block for the last one.
            waiting[max(place + 1, begun[part] * length // self._turns[part])].append(part)
        return _Block(parts, ranks)


def _turns(weights: Sequence[float]) -> list[int]:
    """Of each part the places of a block."""
    if len(weights) > BLOCK:
        raise ConfigError(
            "too many parts to take turns",
            value=len(weights),
            expected=f"up to {BLOCK:,}",
            next_step="Join some of them.",
        )
    exact = [Fraction(weight) for weight in weights]
    total = sum(exact)
    shares = [weight / total for weight in exact]
    simple = [share.limit_denominator(BLOCK) for share in shares]
    places = math.lcm(*(share.denominator for share in simple))
    near = all(
        abs(a - b) < _SAME and bool(a) == bool(b) for a, b in zip(simple, shares, strict=True)
    )
    if near and places <= BLOCK and sum(simple) == 1:
        places *= BLOCK // places  # long blocks: each is drawn at once
        return [int(share * places) for share in simple]
    quotas = [share * BLOCK for share in shares]
    turns = [max(math.floor(quota), int(quota > 0)) for quota in quotas]
    left = BLOCK - sum(turns)
    # What is left goes to those that lost most by rounding; what is too much, from the largest.
    for part in sorted(range(len(turns)), key=lambda i: (turns[i] - quotas[i], i))[: max(0, left)]:
        turns[part] += 1
    for _ in range(-left):
        turns[max(range(len(turns)), key=turns.__getitem__)] -= 1
    return turns

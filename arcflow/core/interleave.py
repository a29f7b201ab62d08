"""An endless weighted sequence of parts, in which each place is a function of (seed, index)."""

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
"""The version of the order, to be raised whenever a (seed, index) gives another part.

Checkpoints of another order are refused.
"""

BLOCK = 10_000
"""The largest number of places in a block; after each block every part has had its exact share."""

_SAME = 1e-12
"""Shares no further apart than this are equal: binary numbers cannot hold thirds and tenths
exactly.
"""


_KEPT = 32
"""The number of blocks that are remembered; a block takes 25 ms to make and 40 KB to keep.

Looking ahead spans few blocks, but a source that is used in several ways has a seed for each.
"""


class _Block(NamedTuple):
    """For each place the part that stands there, and how often it occurs before in the block."""

    parts: NDArray[np.int16]
    ranks: NDArray[np.int16]


class Interleave:
    """The order in which weighted parts take turns.

    However many places are taken from the start, the number of places of every part differs from
    its share by less than one, and each part gives its own indices 0, 1, 2, ... once and in order.

    A part's turn number j, from 1, comes after place (j - 1) / share and no later than place j /
    share, rounded up. The part whose turn is due first has the next place, and the seed decides
    between equals; there is always a place for all of them (Robert Tijdeman, "The chairman
    assignment problem", Discrete Mathematics 32, 1980; Sanjoy Baruah and others, "Proportionate
    progress", Algorithmica 15, 1996). Blocks hold whole numbers of turns, so every block starts
    afresh.

    Args:
        weights: The weight of each part, 0 or more and not all 0; only their ratios count. The
            ratios are met exactly if they equal those of whole numbers whose sum is at most
            :data:`BLOCK`; other shares are rounded to a multiple of 1 / BLOCK, and those above 0 to
            at least one.

    Attributes:
        shares: The share of the places that each part has.
        block: The number of places in a block.

    Raises:
        ConfigError: There are more than BLOCK parts.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._turns = _turns(weights)
        self.block = sum(self._turns)
        self.shares = [turns / self.block for turns in self._turns]
        self._blocks: dict[tuple[int, int], _Block] = {}

    def at(self, seed: int, index: int) -> tuple[int, int]:
        """Return the number of the part at a place, and that part's own index.

        Args:
            seed: The seed, which decides between parts that are due at the same time.
            index: The place, from 0.
        """
        number, place = divmod(index, self.block)
        key = seed, number
        block = self._blocks.get(key)
        if block is None:
            block = self._order(seed, number)
            # The dict is replaced, not changed, because another thread may be reading it.
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
            # The first place of the part's next turn, which lies behind the block after the last.
            waiting[max(place + 1, begun[part] * length // self._turns[part])].append(part)
        return _Block(parts, ranks)


def _turns(weights: Sequence[float]) -> list[int]:
    """Return the number of places in a block that each part has."""
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
        places *= BLOCK // places  # long blocks, because a block is made in one go
        return [int(share * places) for share in simple]
    quotas = [share * BLOCK for share in shares]
    turns = [max(math.floor(quota), int(quota > 0)) for quota in quotas]
    left = BLOCK - sum(turns)
    # Places left over go to the parts that lost most by rounding; an excess is taken from the
    # largest parts.
    for part in sorted(range(len(turns)), key=lambda i: (turns[i] - quotas[i], i))[: max(0, left)]:
        turns[part] += 1
    for _ in range(-left):
        turns[max(range(len(turns)), key=turns.__getitem__)] -= 1
    return turns

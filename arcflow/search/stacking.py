"""Greedy stacking: pieces laid over each other until they make the outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.search.bits import best_layer, pack
from arcflow.search.pieces import UNKNOWN, Pieces

WHOLE, SHOWN, EMPTY = 0, 1, 2
"""How a piece is used: all its cells, those that are not nothing, those that are nothing."""

MAX_LAYERS = 10
BLOCK = 4096
N_OPENINGS = 8


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers of pieces, the top one first.

    Attributes:
        layers: For each layer the index of its piece and how it is used.
        cost: The cost of all its pieces and of their number.
        fitted: The number of train pairs that it makes exactly.
        sought: The number of train pairs that it was looked for with.
    """

    layers: tuple[tuple[int, int], ...]
    cost: float
    fitted: int
    sought: int


class Stacker:
    """Searches for stacks.

    Args:
        pieces: The pieces.
        outputs: The cells of all train outputs in a row.
        n_train: The number of train pairs.
    """

    def __init__(self, pieces: Pieces, outputs: NDArray[np.uint8], n_train: int) -> None:
        self.pieces = pieces
        self.outputs = outputs
        self.n_train = n_train
        n, n_pieces = len(outputs), len(pieces.nodes)
        self.covers = np.empty((3, n_pieces, -(-n // 64)), np.uint64)
        self.wrong = np.empty_like(self.covers)
        for begin in range(0, n_pieces, BLOCK):
            rows = slice(begin, begin + BLOCK)
            cells = pieces.cells[rows, :n]
            known = cells != UNKNOWN
            mistaken = cells != outputs
            for use, covered in enumerate((known, known & (cells != 0), cells == 0)):
                self.covers[use, rows] = pack(covered)
                self.wrong[use, rows] = pack(covered & mistaken)
        self.pair_bits = []
        for p in range(n_train):
            flags = np.zeros((1, n), np.bool_)
            flags[0, pieces.offsets[p] : pieces.offsets[p + 1]] = True
            self.pair_bits.append(pack(flags)[0])

    def greedy(
        self, pairs: tuple[int, ...], n_pieces: int, first: tuple[int, int] | None = None
    ) -> tuple[tuple[int, int], ...]:
        """Return the layers that greedy stacking finds for some train pairs.

        Args:
            pairs: The train pairs that count.
            n_pieces: How many pieces may be used, the cheapest.
            first: The top layer, if it is given.

        Returns:
            The layers, which may leave cells open.
        """
        opened = np.bitwise_or.reduce([self.pair_bits[p] for p in pairs])
        layers: list[tuple[int, int]] = []
        if first is not None:
            piece, use = first
            if (self.wrong[use, piece] & opened).any():
                return ()
            layers.append(first)
            opened = opened & ~self.covers[use, piece]
        # What is wrong on an open cell may come right once others have closed it: look at all.
        while opened.any() and len(layers) < MAX_LAYERS:
            best, gain = best_layer(self.covers, self.wrong, opened, n_pieces)
            if gain == 0:
                break
            piece, use = divmod(best, 3)
            layers.append((piece, use))
            opened = opened & ~self.covers[use, piece]
        return tuple(layers)

    def show(self, layers: tuple[tuple[int, int], ...], begin: int, end: int) -> NDArray[np.uint8]:
        """Return a stretch of a row as a stack makes it; 10 where it has none."""
        out = np.full(end - begin, UNKNOWN, np.uint8)
        for piece, use in layers:
            cells = self.pieces.cells[piece, begin:end]
            if use == WHOLE:
                flags = cells != UNKNOWN
            elif use == SHOWN:
                flags = (cells != UNKNOWN) & (cells != 0)
            else:
                flags = cells == 0
            flags = flags & (out == UNKNOWN)
            out[flags] = cells[flags]
        return out

    def judge(self, layers: tuple[tuple[int, int], ...], sought: int) -> Stack:
        """Return a stack that was looked for with so many train pairs, judged on all of them."""
        offsets = self.pieces.offsets
        made = self.show(layers, 0, len(self.outputs))
        made[made == UNKNOWN] = 0
        good = made == self.outputs
        fitted = sum(bool(good[offsets[p] : offsets[p + 1]].all()) for p in range(self.n_train))
        cost = float(sum(self.pieces.costs[i] for i, _ in layers)) + 10.0 * len(layers)
        return Stack(layers, cost, fitted, sought)

    def search(self) -> Iterator[Stack]:
        """Yield stacks: single pieces that fit, then greedy ones for subsets of the train pairs."""
        n = len(self.pieces.nodes)
        if n == 0:
            return
        everything = tuple(range(self.n_train))
        for p in range(self.n_train + 1):
            need = everything if p == self.n_train else (p,)
            bits = np.bitwise_or.reduce([self.pair_bits[q] for q in need])
            full = ((self.covers[0] & bits) == bits).all(axis=1)
            good = full & ~(self.wrong[0] & bits).any(axis=1)
            for i in np.flatnonzero(good)[:200]:
                yield self.judge(((int(i), WHOLE),), len(need))
        subsets = [everything]
        if self.n_train > 2:
            subsets += [tuple(q for q in everything if q != p) for p in everything]
        if self.n_train > 1:
            subsets += [(p,) for p in everything]
        limits = sorted({int(np.searchsorted(self.pieces.costs, c, "right")) for c in (11, 23, 99)})
        tried = set()
        for subset in subsets:
            for limit in limits:
                if limit:
                    layers = self.greedy(subset, limit)
                    if layers and layers not in tried:
                        tried.add(layers)
                        yield self.judge(layers, len(subset))
        for limit in limits:
            for first in self.openings(everything, limit):
                layers = self.greedy(everything, limit, first)
                if layers not in tried:
                    tried.add(layers)
                    yield self.judge(layers, self.n_train)

    def openings(
        self, pairs: tuple[int, ...], n_pieces: int, n: int = N_OPENINGS
    ) -> list[tuple[int, int]]:
        """Return the top layers that cover most, of those with equal cells the cheapest only."""
        bits = np.bitwise_or.reduce([self.pair_bits[p] for p in pairs])
        good = ~(self.wrong[:, :n_pieces] & bits).any(axis=2)
        gain = np.bitwise_count(self.covers[:, :n_pieces] & bits).sum(axis=2, dtype=np.int64)
        gain = np.where(good, gain, 0).T.ravel()
        out: list[tuple[int, int]] = []
        seen = set()
        for k in np.argsort(-gain, kind="stable"):
            piece, use = divmod(int(k), 3)
            key = self.covers[use, piece].tobytes()
            if gain[k] == 0 or len(out) == n:
                break
            if key not in seen:
                seen.add(key)
                out.append((piece, use))
        return out

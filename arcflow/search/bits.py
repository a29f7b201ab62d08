"""Sets of cells as rows of 64-bit words, and the layer that fits best onto open cells."""

import numpy as np
from numpy.typing import NDArray

from arcflow.search.compiled import COMPILED, compiled

Bits = NDArray[np.uint64]
"""Sets of cells, 64 in each word of the last axis."""


def pack(flags: NDArray[np.bool_]) -> Bits:
    """Return rows of flags as rows of words."""
    n = flags.shape[1]
    padded = np.zeros((flags.shape[0], -(-n // 64) * 8), np.uint8)
    bits = np.packbits(flags, axis=1)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


@compiled
def _ones(word: np.uint64) -> np.uint64:
    """Return the number of bits that are set: sums of neighbours, then of pairs, and so on."""
    x = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    x = x + (x >> np.uint64(8))
    x = x + (x >> np.uint64(16))
    return (x + (x >> np.uint64(32))) & np.uint64(0x7F)


@compiled
def _best_word_by_word(covers: Bits, wrong: Bits, opened: Bits, n_pieces: int) -> tuple[int, int]:
    best, most = 0, 0
    for piece in range(n_pieces):
        for use in range(3):
            gain = 0
            for k in range(len(opened)):
                if wrong[use, piece, k] & opened[k]:
                    gain = -1
                    break
                gain += int(_ones(covers[use, piece, k] & opened[k]))
            if gain > most:
                best, most = 3 * piece + use, gain
    return best, most


def best_layer(covers: Bits, wrong: Bits, opened: Bits, n_pieces: int) -> tuple[int, int]:
    """Return the layer that is wrong on no open cell and covers most of them.

    Args:
        covers: The cells that each use of each piece covers, (3, pieces, words).
        wrong: The cells where it is wrong, of the same shape.
        opened: The open cells, (words,).
        n_pieces: How many pieces may be used, the first ones.

    Returns:
        Three times the piece plus its use, the first of equals, and how many open cells it covers.
    """
    if COMPILED:
        best, most = _best_word_by_word(covers, wrong, opened, n_pieces)
        return int(best), int(most)
    words = np.flatnonzero(opened)
    now = opened[words]
    bad = (wrong[:, :n_pieces, words] & now).any(axis=2)
    gain = np.bitwise_count(covers[:, :n_pieces, words] & now).sum(axis=2, dtype=np.int64)
    gain[bad] = 0
    best = int(gain.T.argmax())
    return best, int(gain.T.flat[best])

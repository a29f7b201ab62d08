"""The difficulty at which a RE-ARC task's pairs have the sizes of the original's."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcflow.core.features import distance
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.sources.rearc.backend import Backend
from arcflow.sources.rearc.pairs import Adaptation, BadPairError, Generator

Range = tuple[float, float]
Sides = tuple[int, int, int, int]

USUAL: Range = (0.0, 0.4)
"""The range that gives the originals' lengths over all tasks together."""

RANGES: tuple[Range, ...] = (
    USUAL,
    (0.0, 0.2),
    (0.2, 0.4),
    (0.2, 0.6),
    (0.4, 0.8),
    (0.6, 1.0),
    (0.8, 1.0),
    (0.0, 1.0),
)
"""The ranges to choose from.

None is narrower than a fifth of the scale, so that an original whose grids all have one size is
varied nevertheless.
"""

GAIN = 0.05
"""The least gain, in the unit of :func:`apart`, for which a range replaces the usual one."""

MOST_MS = 8.0
"""The milliseconds for a pair beyond which a range is refused unless the usual one is as slow.

Some generators rarely find room for their objects at high difficulty.
"""

_SPREAD = np.array([6.1, 6.1, 164.0, 147.0])
"""The standard deviations of the columns of sizes over the 400 originals' pairs."""


def original_difficulty(backend: Backend, original: Task, samples: int, seed: int = 0) -> Range:
    """Return the range of :data:`RANGES` whose pairs have sizes most like the original's.

    Args:
        backend: The generators.
        original: The published task.
        samples: The number of pairs to sample for each range.
        seed: The seed of the samples.
    """
    goal = [
        (*pair.input.shape, *pair.output.shape)
        for pair in (*original.train, *original.test)
        if pair.output is not None
    ]
    away = dict[Range, float]()
    slow = MOST_MS / 1000
    for number, bounds in enumerate(RANGES):
        generator = Generator(backend, original.id, None, Adaptation(bounds, False, False))
        drawn = []
        started = time.process_time()
        for sample in range(samples):
            seed_ = derive(seed, f"facts difficulty {original.id}", number, sample)
            try:
                pair = generator.attempt(seed_)
            except BadPairError:
                continue
            drawn.append((*pair.input[:2], *pair.output[:2]))
        seconds = (time.process_time() - started) / samples
        if bounds == USUAL:
            slow = max(slow, seconds)
        if 2 * len(drawn) >= samples and seconds <= slow:
            away[bounds] = apart(drawn, goal)
    best = min(away, key=away.__getitem__, default=USUAL)
    return best if away.get(USUAL, np.inf) - away.get(best, 0.0) > GAIN else USUAL


def apart(pairs: Sequence[Sides], others: Sequence[Sides]) -> float:
    """Return how far the sizes of some pairs are from those of others.

    The distance is the mean of the first Wasserstein distances of input rows, input columns, input
    cells and output cells, each in standard deviations of the originals'.

    Args:
        pairs: Rows and columns of the input and of the output, for each of at least one pair.
        others: The pairs to compare with, in the same form.
    """
    a, b = (_sizes(given) for given in (pairs, others))
    return float(np.mean([distance(a[:, j], b[:, j]) / _SPREAD[j] for j in range(len(_SPREAD))]))


def _sizes(pairs: Sequence[Sides]) -> NDArray[np.float64]:
    """Return input rows, columns and cells and output cells of each pair, of shape (n, 4)."""
    rows = [(high, wide, high * wide, h * w) for high, wide, h, w in pairs]
    return np.array(rows, dtype=np.float64)

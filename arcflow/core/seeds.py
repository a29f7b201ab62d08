"""Randomness as an argument: every random number is a pure function of (seed, stream, index)."""

import zlib

import numpy as np


def rng(seed: int, stream: str, *index: int) -> np.random.Generator:
    """Return an independent random generator for one sample.

    Numpy's SeedSequence is given the words (seed, crc32(stream), len(index), index...). They are
    never added up as in ``seed + index``, with which neighbouring seeds would share samples, and
    the length keeps (1,) apart from (1, 0), which SeedSequence alone does not.

    Args:
        seed: The run's seed, >= 0.
        stream: The purpose, e.g. ``"augment"`` or ``"views"``, so that two uses of one (seed,
            index) get different random numbers.
        index: Any number of counters >= 0.
    """
    return np.random.default_rng((seed, zlib.crc32(stream.encode()), len(index), *index))


def derive(seed: int, stream: str, *index: int) -> int:
    """Return a 63-bit seed for a generator that is not numpy's, e.g. torch's or an engine's.

    Args:
        seed: The run's seed, >= 0.
        stream: The purpose of the random numbers, as for :func:`rng`.
        index: Any number of counters >= 0.
    """
    words = np.random.SeedSequence(
        (seed, zlib.crc32(stream.encode()), len(index), *index)
    ).generate_state(1, np.uint64)
    return int(words[0] >> 1)

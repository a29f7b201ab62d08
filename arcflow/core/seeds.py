"""Randomness as an argument: every draw is a pure function of (seed, stream, index)."""

import zlib

import numpy as np


def rng(seed: int, stream: str, *index: int) -> np.random.Generator:
    """An independent generator for one sample.

    Args:
        seed: the run's seed, >= 0.
        stream: names the purpose (``"augment"``, ``"views"``), so that two uses of one
            (seed, index) do not share draws.
        index: any number of counters >= 0.

    The words given to numpy's SeedSequence are (seed, crc32(stream), len(index), index...):
    never ``seed + index``, and the length keeps (1,) apart from (1, 0), which
    SeedSequence alone does not.
    """
    return np.random.default_rng((seed, zlib.crc32(stream.encode()), len(index), *index))


def derive(seed: int, stream: str, *index: int) -> int:
    """A 63-bit seed for a generator that is not numpy's (torch, an engine's sampler)."""
    words = np.random.SeedSequence(
        (seed, zlib.crc32(stream.encode()), len(index), *index)
    ).generate_state(1, np.uint64)
    return int(words[0] >> 1)

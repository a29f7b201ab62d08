"""Draws: the random numbers of one RE-ARC generator, counted, and its colours remembered."""

import random
import sys
from collections.abc import Mapping, MutableSequence, Sequence
from types import CodeType
from typing import Any, TypeVar

Item = TypeVar("Item")

Drawn = dict[tuple[int, int], tuple[Any, ...]]
"""(site, number of the visit) -> the colours drawn there; sites as in ``rearc_sites``."""


class OutOfDrawsError(Exception):
    """A generator drew more often than it may: it would not have come to an end soon."""


class RandomDraws(random.Random):
    """What a generator takes for a ``random.Random``; one object serves many pairs.

    Its numbers are those of ``random.Random.random`` alone, so that they do not change with the
    methods of another Python's standard library. Drawing is counted, which limits a generator's
    time alike on every machine. What is drawn at known places of the generator's code is
    remembered, and drawn again where it was given to :meth:`start`.

    Not for several threads at once.
    """

    def __init__(self) -> None:
        super().__init__(0)
        self._next = super().random
        self.start(0, 0)

    def start(
        self,
        seed: int,
        budget: int,
        code: CodeType | None = None,
        sites: Mapping[int, int] | None = None,
        replay: Drawn | None = None,
    ) -> None:
        """Begin anew.

        Args:
            seed: of all draws.
            budget: how many draws before :class:`OutOfDrawsError`.
            code: of the generator.
            sites: place of a call in ``code`` (a frame's ``f_lasti``) -> number of the site.
            replay: colours to draw again, where they are on offer.
        """
        super().seed(seed)
        self.left = budget
        self.difficulty_samples: list[float] = []  # the package's unifint appends to it
        self.drawn: Drawn = {}
        self._code, self._sites, self._replay = code, sites or {}, replay or {}
        self._visits: dict[int, int] = {}

    def random(self) -> float:
        """A float in [0, 1)."""
        self.left -= 1
        if self.left < 0:
            raise OutOfDrawsError
        return self._next()

    def uniform(self, a: float, b: float) -> float:
        """A float between a and b."""
        return a + (b - a) * self.random()

    def randint(self, a: int, b: int) -> int:
        """An integer of a..b, both included."""
        if b < a:
            raise ValueError(f"no integer in {a}..{b}")
        return a + int(self.random() * (b - a + 1))

    def choice(self, seq: Sequence[Item]) -> Item:  # type: ignore[override]
        """One item of a sequence that is not empty."""
        if not len(seq):
            raise IndexError("no item to choose from")
        frame = sys._getframe(1)
        if frame.f_code is self._code:
            site = self._sites.get(frame.f_lasti)
            if site is not None:
                chosen: Item = self._colors(site, seq, 1)[0]
                return chosen
        self.left -= 1
        if self.left < 0:
            raise OutOfDrawsError
        return seq[int(self._next() * len(seq))]

    def sample(self, population: Sequence[Item], k: int) -> list[Item]:  # type: ignore[override]
        """``k`` items of a sequence, in random order."""
        frame = sys._getframe(1)
        if frame.f_code is self._code:
            site = self._sites.get(frame.f_lasti)
            if site is not None:
                return list(self._colors(site, population, k))
        return self._sample(population, k)

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Bring a list into random order."""
        for last in range(len(x) - 1, 0, -1):
            other = int(self.random() * (last + 1))
            x[last], x[other] = x[other], x[last]

    def _sample(self, population: Sequence[Item], k: int) -> list[Item]:
        if isinstance(population, set | frozenset):
            raise TypeError("a sample is drawn from a sequence")
        pool = list(population)
        n = len(pool)
        if not 0 <= k <= n:
            raise ValueError(f"a sample of {k} from {n}")
        self.left -= k
        if self.left < 0:
            raise OutOfDrawsError
        following = self._next
        chosen = []
        for left in range(n, n - k, -1):
            at = int(following() * left)
            chosen.append(pool[at])
            pool[at] = pool[left - 1]
        return chosen

    def _colors(self, site: int, options: Sequence[Any], k: int) -> tuple[Any, ...]:
        """Draw at a site: first what was drawn there before, the rest at random."""
        visit = self._visits.get(site, 0)
        self._visits[site] = visit + 1
        again = [color for color in self._replay.get((site, visit), ()) if color in options][:k]
        if again:
            rest = [color for color in options if color not in again]
            again += self._sample(rest, k - len(again))
        else:
            again = self._sample(options, k)
        self.drawn[site, visit] = tuple(again)
        return self.drawn[site, visit]

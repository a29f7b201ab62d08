"""RandomDraws: the random numbers of one RE-ARC generator, counted, with its colours recorded."""

import random
import sys
from collections.abc import Mapping, MutableSequence, Sequence
from types import CodeType
from typing import Any, TypeVar

Item = TypeVar("Item")

Drawn = dict[tuple[int, int], tuple[Any, ...]]
"""The colours chosen at each (site, number of the visit); for sites see ``color_sites``."""


class OutOfDrawsError(Exception):
    """An error for a generator that used more random numbers than it may, and might never end."""


class RandomDraws(random.Random):
    """A replacement for the ``random.Random`` of the generators; one object serves many pairs.

    Its numbers come from ``random.Random.random`` alone, so that they do not change with the
    methods of another Python's standard library. Random numbers are counted, which limits a
    generator's time alike on every machine. Colours that are chosen at known places of the
    generator's code are recorded, and chosen again if they are given to :meth:`start`.

    The object must not be used by several threads at once.
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
        """Begin a new sequence of random numbers.

        Args:
            seed: The seed of all random numbers.
            budget: The number of random numbers after which :class:`OutOfDrawsError` is raised.
            code: The code of the generator.
            sites: The number of each site by the place of its call in ``code`` (a frame's
                ``f_lasti``).
            replay: The colours to choose again, if they are among the options.
        """
        super().seed(seed)
        self.left = budget
        self.difficulty_samples: list[float] = []  # the package's unifint appends to it
        self.drawn: Drawn = {}
        self._code, self._sites, self._replay = code, sites or {}, replay or {}
        self._visits: dict[int, int] = {}

    def random(self) -> float:
        """Return a float in [0, 1).

        Raises:
            OutOfDrawsError: The budget is used up.
        """
        self.left -= 1
        if self.left < 0:
            raise OutOfDrawsError
        return self._next()

    def uniform(self, a: float, b: float) -> float:
        """Return a float between a and b."""
        return a + (b - a) * self.random()

    def randint(self, a: int, b: int) -> int:
        """Return an integer in a..b, both included."""
        if b < a:
            raise ValueError(f"no integer in {a}..{b}")
        return a + int(self.random() * (b - a + 1))

    def choice(self, seq: Sequence[Item]) -> Item:  # type: ignore[override]
        """Return one item of a sequence that is not empty.

        Raises:
            OutOfDrawsError: The budget is used up.
        """
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
        """Return ``k`` items of a sequence, in random order.

        Raises:
            OutOfDrawsError: The budget is used up.
        """
        frame = sys._getframe(1)
        if frame.f_code is self._code:
            site = self._sites.get(frame.f_lasti)
            if site is not None:
                return list(self._colors(site, population, k))
        return self._sample(population, k)

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Bring a list into random order, in place."""
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
        """Return the colours for a site: first those chosen there before, the rest at random."""
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

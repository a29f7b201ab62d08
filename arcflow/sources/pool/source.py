"""PoolSource: tasks that were generated once and stored in a file, served from memory."""

from collections.abc import Collection, Sequence
from typing import Literal, Self

import numpy as np

from arcflow.core.errors import ConfigError
from arcflow.core.seeds import rng
from arcflow.core.task import Task, task_from_json
from arcflow.sources.base import Passes, Source, check_not_empty
from arcflow.sources.pool.file import PoolFile
from arcflow.sources.select import choose_ids


class PoolSource(Source):
    """A pool that ``arcflow pool build`` made, served many times faster than generated tasks.

    Every pass gives each stored task once, with its pairs in a new order and, with ``pairs``, a new
    choice of them, so that a pool of n tasks of m pairs is good for many passes. The pairs of a
    prompt are always of one stored task: what they share, such as colour roles, stays shared.

    Args:
        path: The file of the pool.
        ids: The only families to keep: ids of originals, or names of generators if nothing
            published is behind the source; empty keeps all.
        exclude: The families to leave out.
        fraction: The share of families to keep, of those left so far, sampled at random by their
            ids as a selection of tasks does: a smaller share's families are among a larger share's.
        fraction_seed: The seed by which ``fraction`` samples.
        pairs: The number of train pairs of a task, at least 1, and one more as its test pair,
            chosen at random from those stored; or "all". A stored task with fewer gives those it
            has.

    Raises:
        DataError: The file is no pool, of another version or damaged.
        ConfigError: An option is out of its range, or a family is unknown.
    """

    def __init__(
        self,
        path: str,
        ids: Sequence[str] = (),
        exclude: Sequence[str] = (),
        fraction: float = 1.0,
        fraction_seed: int = 0,
        pairs: int | Literal["all"] = "all",
    ) -> None:
        if not 0 < fraction <= 1:
            _refuse("fraction", fraction, "over 0 and up to 1")
        if fraction_seed < 0:
            _refuse("fraction_seed", fraction_seed, "at least 0")
        if pairs != "all" and pairs < 1:
            _refuse("pairs", pairs, "at least 1, or all")
        self._file = PoolFile(path)
        self.name: str = self._file.about["name"]
        self._families = [(of["id"], of["source"]) for of in self._file.about["families"]]
        self._pairs = pairs
        known = [family for family, _ in self._families]
        kept = choose_ids(path, "families", known, ids, exclude, fraction, fraction_seed)
        self._keep(frozenset(kept))

    def _keep(self, families: frozenset[str]) -> None:
        self._kept = families
        chosen = np.array([family in families for family, _ in self._families], bool)
        self._tasks = np.flatnonzero(chosen[self._file.families])
        self._passes = Passes(max(1, len(self._tasks)))

    def __len__(self) -> int:
        return len(self._tasks)

    def task(self, seed: int, index: int) -> Task:
        """Return a stored task, whose id is the family's with ``/index``.

        Its grids are views of the file.

        Raises:
            DataError: This part of the file is damaged, or no task is left.
        """
        check_not_empty(self)
        number = int(self._tasks[self._passes.at(seed, index)])
        stored = len(self._file.shapes(number)[0]) // 4
        wanted = stored if self._pairs == "all" else min(stored, self._pairs + 1)
        order = rng(seed, "pool", index).permutation(stored)[:wanted].tolist()
        pairs = self._file.pairs(number, order)
        family, source = self._families[self._file.families[number]]
        return Task(f"{family}/{index}", tuple(pairs[:-1]), tuple(pairs[-1:]), source)

    def base_tasks(self) -> Sequence[Task]:
        """Return the published tasks behind the families in use, as the pool stores them.

        Raises:
            DataError: This part of the file is damaged.
        """
        return [
            task_from_json(of["id"], of["task"], of["source"])
            for of in self._file.base_tasks()
            if of["id"] in self._kept
        ]

    def exclude(self, ids: Collection[str]) -> Self:
        """Return the same pool without the tasks of these families."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._keep(self._kept - frozenset(ids))
        return other

    def fingerprint(self) -> dict[str, str]:
        """Return the file's digest, the families in use and the number of pairs of a task."""
        everything = len(self._kept) == len(self._families)
        return {
            "pool": self._file.digest,
            "families": "all" if everything else " ".join(sorted(self._kept)),
            "pairs": str(self._pairs),
        }


def _refuse(field: str, value: object, expected: str) -> None:
    raise ConfigError(
        f"pool: bad {field}",
        value=value,
        expected=expected,
        next_step=f"Correct {field}, or leave it out.",
    )

"""Source: where training tasks come from, numbered 0, 1, 2, ... without end."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.seeds import rng
from arcflow.core.task import Task


class Source(ABC):
    """Tasks without end, each a pure function of (seed, index) (law 1).

    Published tasks come again in every pass; generated ones are new each time. A source is
    frozen: what is taken from it makes another one. It is sent to loader workers, so it pickles.

    Attributes:
        name: short, for tables and messages, e.g. ``"re-arc"``.
        kinds: names of the task kinds that its tasks are fit for; empty for all.
        own_programs: whether all its tasks have programs of arcflow's own, which may be broken and
            run in the process that makes the samples, so that a model learns to correct them.
    """

    name: str
    own_programs: bool = False
    kinds: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __len__(self) -> int:
        """How many different tasks it gives or generators it has: the length of a pass."""

    @abstractmethod
    def task(self, seed: int, index: int) -> Task:
        """Task number ``index``, not augmented yet, every output known."""

    def origin(self, seed: int, index: int) -> str:
        """Which source task ``index`` is from, by name: its own, or one it is made of."""
        return self.name

    @abstractmethod
    def base_tasks(self) -> Sequence[Task]:
        """The published tasks that it gives, varies or imitates, for the guard (law 7).

        Their ids are those that :meth:`without` takes; none where nothing published is behind it.
        """

    @abstractmethod
    def exclude(self, ids: Collection[str]) -> Self:
        """The same source less all that comes from these originals; it may be empty."""

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """What its tasks depend on, as plain strings: two sources that agree are equal."""


class Passes:
    """Numbers 0 .. n - 1 in an order of its own in every pass over them.

    Args:
        n: at least 1.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def at(self, seed: int, index: int) -> int:
        """What stands at place ``index`` of the endless row of passes."""
        visit, position = divmod(index, self.n)
        key = seed, visit
        order = self._orders.get(key)
        if order is None:
            order = rng(seed, "order", visit).permutation(self.n)
            # Looking ahead spans few passes, of each of several seeds. A dict of its own: another
            # thread may read the old.
            self._orders = dict([*list(self._orders.items())[-31:], (key, order)])
        return int(order[position])


class TaskList(Source):
    """Published tasks, or a user's own: every pass gives each of them once.

    Args:
        tasks: with ids of their own.
        name: for tables and messages; "" takes the tasks' own source.
    """

    def __init__(self, tasks: Sequence[Task], name: str = "") -> None:
        self.tasks = tuple(tasks)
        self.name = name or (self.tasks[0].source if self.tasks else "")
        self._passes = Passes(max(1, len(self.tasks)))

    def __len__(self) -> int:
        return len(self.tasks)

    def task(self, seed: int, index: int) -> Task:
        """A task as it is published."""
        return self.tasks[self._passes.at(seed, index)]

    def base_tasks(self) -> Sequence[Task]:
        """All of them."""
        return self.tasks

    def exclude(self, ids: Collection[str]) -> "TaskList":
        """Less these tasks."""
        return TaskList([task for task in self.tasks if task.id not in ids], self.name)

    def fingerprint(self) -> dict[str, str]:
        """Number and hash."""
        return {"number of tasks": str(len(self.tasks)), "tasks": hash_tasks(self.tasks)}


def check_not_empty(source: Source) -> None:
    """Refuse a source without tasks.

    Raises:
        DataError: it has none.
    """
    if not len(source):
        raise DataError(
            "training stream",
            value=0,
            expected="at least one task",
            next_step="Loosen the selection of training tasks.",
        )


def hash_tasks(tasks: Sequence[Task]) -> str:
    """Of ids, order and every grid."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.id}:{len(task.train)}:{len(task.test)};".encode())
        for pair in (*task.train, *task.test):
            for grid in (pair.input, pair.output):
                digest.update(b"-" if grid is None else repr(grid.shape).encode())
                digest.update(b"" if grid is None else grid.tobytes())
    return digest.hexdigest()

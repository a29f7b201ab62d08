"""The interface of sources: training tasks numbered 0, 1, 2, ... without end."""

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
    """An endless sequence of tasks, each a pure function of (seed, index).

    Published tasks come again in every pass; generated ones are new each time. A source is frozen:
    excluding tasks makes another source. It is sent to loader workers, so it has to pickle.

    Attributes:
        name: A short name for tables and messages, e.g. ``"re-arc"``.
        kinds: The names of the task kinds that its tasks are fit for; empty for all.
        own_words: The module whose words the programs of its tasks use, if all tasks have programs
            of arcflow's own; else empty. Such programs may be broken on purpose and run in the
            process that makes the samples, so that a model learns to correct them.
    """

    name: str
    own_words: str = ""
    kinds: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Return the length of a pass: the number of different tasks, or of generators."""

    @abstractmethod
    def task(self, seed: int, index: int) -> Task:
        """Return task number ``index``, not augmented yet, with every output known.

        Args:
            seed: The run's seed.
            index: The number of the task, from 0.

        Raises:
            DataError: The source has no task, or cannot make this one.
        """

    def origin(self, seed: int, index: int) -> str:
        """Return the name of the source that task ``index`` is from: this one, or a part of it."""
        return self.name

    @abstractmethod
    def base_tasks(self) -> Sequence[Task]:
        """Return the published tasks that this source serves, varies or imitates, for the guard.

        Their ids are those that :meth:`exclude` takes. The sequence is empty if there are none.
        """

    @abstractmethod
    def exclude(self, ids: Collection[str]) -> Self:
        """Return the same source without all that comes from these base tasks; it may be empty."""

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """Return what the tasks depend on as plain strings; sources are equal if these agree."""


class Passes:
    """The numbers 0 to n - 1, in a new random order in each pass over them.

    Args:
        n: The number of numbers, at least 1.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def at(self, seed: int, index: int) -> int:
        """Return the number at place ``index`` of the endless sequence of passes."""
        visit, position = divmod(index, self.n)
        key = seed, visit
        order = self._orders.get(key)
        if order is None:
            order = rng(seed, "order", visit).permutation(self.n)
            # Looking ahead spans few passes, of each of several seeds. The dict is replaced, not
            # changed, because another thread may be reading it.
            self._orders = dict([*list(self._orders.items())[-31:], (key, order)])
        return int(order[position])


class TaskList(Source):
    """A list of tasks, published or a user's own, of which every pass gives each once.

    Args:
        tasks: The tasks, with distinct ids.
        name: The name for tables and messages; if empty, it is the first task's source.
    """

    def __init__(self, tasks: Sequence[Task], name: str = "") -> None:
        self.tasks = tuple(tasks)
        self.name = name or (self.tasks[0].source if self.tasks else "")
        self._passes = Passes(max(1, len(self.tasks)))

    def __len__(self) -> int:
        return len(self.tasks)

    def task(self, seed: int, index: int) -> Task:
        """Return a task as it is in the list."""
        return self.tasks[self._passes.at(seed, index)]

    def base_tasks(self) -> Sequence[Task]:
        """Return all tasks of the list."""
        return self.tasks

    def exclude(self, ids: Collection[str]) -> "TaskList":
        """Return the list without the tasks that have these ids."""
        return TaskList([task for task in self.tasks if task.id not in ids], self.name)

    def fingerprint(self) -> dict[str, str]:
        """Return the number of tasks and the digest of :func:`hash_tasks`."""
        return {"number of tasks": str(len(self.tasks)), "tasks": hash_tasks(self.tasks)}


def check_not_empty(source: Source) -> None:
    """Refuse a source without tasks.

    Raises:
        DataError: The source has none.
    """
    if not len(source):
        raise DataError(
            "training stream",
            value=0,
            expected="at least one task",
            next_step="Loosen the selection of training tasks.",
        )


def hash_tasks(tasks: Sequence[Task]) -> str:
    """Return the SHA-256 digest of the tasks' ids, order and grids, in hexadecimal."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.id}:{len(task.train)}:{len(task.test)};".encode())
        for pair in (*task.train, *task.test):
            for grid in (pair.input, pair.output):
                digest.update(b"-" if grid is None else repr(grid.shape).encode())
                digest.update(b"" if grid is None else grid.tobytes())
    return digest.hexdigest()

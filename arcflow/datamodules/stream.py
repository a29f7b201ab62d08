"""TaskStream: the endless stream of training samples, each a pure function of (seed, index)."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import DataError
from arcflow.core.sample_augment import AugmentConfig, sample_training_view
from arcflow.core.seeds import rng
from arcflow.core.task import Task
from arcflow.text.context import fit_context
from arcflow.text.encode import Encoder, Example


class TaskStream:
    """Augmented, encoded views of tasks, numbered 0, 1, 2, ... without end (law 1).

    Pass ``index // len(tasks)`` visits every task once, in an order of its own.

    Args:
        tasks: what is learned.
        encoder: task to token ids.
        augment: what happens to a task first.
        seed: the stream is a function of it.
        max_tokens: a view that is longer loses train pairs until it fits.

    Raises:
        DataError: there are no tasks.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        encoder: Encoder,
        augment: AugmentConfig,
        seed: int,
        max_tokens: int,
    ) -> None:
        if not tasks:
            raise DataError(
                "training stream",
                value=0,
                expected="at least one task",
                next_step="Loosen the selection of training tasks.",
            )
        self.max_tokens = max_tokens
        self._tasks, self._encoder = tuple(tasks), encoder
        self._augment, self._seed = augment, seed
        self._orders: dict[int, NDArray[np.int64]] = {}

    def task(self, index: int) -> Task:
        """The task of a sample, as it is published."""
        visit, position = divmod(index, len(self._tasks))
        if visit not in self._orders:
            while len(self._orders) >= 4:  # looking ahead spans few passes
                del self._orders[next(iter(self._orders))]
            self._orders[visit] = rng(self._seed, "order", visit).permutation(len(self._tasks))
        return self._tasks[int(self._orders[visit][position])]

    def view(self, index: int) -> tuple[Task, int] | None:
        """The augmented task and the number of the test pair to learn.

        None where the view is too long even with a single train pair.
        """
        task, test_index = sample_training_view(
            self._augment, self.task(index), rng(self._seed, "train", index)
        )
        fitted = fit_context(self._encoder, task, self.max_tokens, test_index)
        return None if fitted is None else (fitted, test_index)

    def length(self, index: int) -> int:
        """Tokens of a sample, 1 to ``max_tokens``; 0 where the view is too long to be had."""
        view = self.view(index)
        return 0 if view is None else self._encoder.length(*view)

    def sample(self, index: int) -> Example:
        """The encoded view.

        Raises:
            DataError: the index has no sample (its :meth:`length` is 0).
        """
        view = self.view(index)
        if view is None:
            raise DataError(
                f"training sample {index} (task {self.task(index).id})",
                value=f"more than {self.max_tokens} tokens with one train pair",
                expected="a sample that fits",
                next_step="Ask for its length first.",
            )
        return self._encoder.example(*view)

    def identity(self) -> dict[str, str]:
        """What the samples depend on, as plain strings: two streams that agree are equal."""
        return (
            {
                "seed": str(self._seed),
                "max_tokens": str(self.max_tokens),
                "number of tasks": str(len(self._tasks)),
                "tasks": _hash(self._tasks),
            }
            | {f"augment.{key}": str(value) for key, value in asdict(self._augment).items()}
            | {f"text {name}": value for name, value in self._encoder.identity().items()}
        )


def _hash(tasks: Sequence[Task]) -> str:
    """Of ids, order and every grid."""
    digest = hashlib.sha256()
    for task in tasks:
        digest.update(f"{task.id}:{len(task.train)}:{len(task.test)};".encode())
        for pair in (*task.train, *task.test):
            for grid in (pair.input, pair.output):
                digest.update(b"-" if grid is None else repr(grid.shape).encode())
                digest.update(b"" if grid is None else grid.tobytes())
    return digest.hexdigest()

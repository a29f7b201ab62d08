"""Trials: one view of a task, learnt, judged by leaving out one pair at a time, and applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcflow.core.task import Task
from arcflow.trees.boxes import Cells
from arcflow.trees.forest import Guess, Rows, predict, targets
from arcflow.trees.roles import Names
from arcflow.trees.views import View, views_of


@dataclass(frozen=True, slots=True)
class Trial:
    """A view of a task, learnt and judged.

    Attributes:
        view: The name of the view.
        by_role: Whether colours were renamed by their frequency in each input.
        fitted: The number of train pairs predicted exactly when they are left out.
        cells: The mean over train pairs of the share of cells that are right, in [0, 1].
        answers: The predicted output of each test input, or None where the view has no size for it.
        sure: The probability of the least certain and of the average cell of each answer.
    """

    view: str
    by_role: bool
    fitted: int
    cells: float
    answers: tuple[Cells | None, ...]
    sure: tuple[tuple[float, float], ...]


class Lesson:
    """The cells of one task under one view: what is learnt from, and what is asked.

    Args:
        task: The task; its test outputs are not read.
        view: The view, which has a size for every train pair.
        by_role: Whether colours are renamed by their frequency in each input.
    """

    def __init__(self, task: Task, view: View, by_role: bool) -> None:
        self._view, self._by_role = view.name, by_role
        inputs = [_cells(pair.input) for pair in (*task.train, *task.test)]
        self._names = [Names(cells, by_role) for cells in inputs]
        hidden = [names.hide(cells) for names, cells in zip(self._names, inputs, strict=True)]
        self._shapes = [view.shape(cells) for cells in hidden]
        self._rows = [
            None if shape is None else _flat(view.table(cells))
            for shape, cells in zip(self._shapes, hidden, strict=True)
        ]
        self._outputs = [_cells(pair.output) for pair in task.train]
        self._known = [rows for rows in self._rows[: len(self._outputs)] if rows is not None]
        self._targets = [
            targets(rows, names.hide(output))
            for rows, names, output in zip(self._known, self._names, self._outputs, strict=False)
        ]

    @property
    def work(self) -> int:
        """The cells times features that one round of judging learns from."""
        n = len(self._known)
        return sum(rows.size for rows in self._known) * (n if n > 1 else 1)

    def judge(self, trees: int, seed: int) -> Trial:
        """Leave out one pair at a time, then learn from all.

        Args:
            trees: The number of trees of each forest.
            seed: The seed of the forests.

        Returns:
            What came of it; with one train pair none can be left out, and none is fitted.
        """
        n = len(self._known)
        outputs: list[Cells | None] = [None] * len(self._rows)
        for i in range(n if n > 1 else 0):
            others = [j for j in range(n) if j != i]
            (guess,) = self._predict(others, [self._known[i]], trees, seed)
            outputs[i] = self._shown(i, guess)
        asked = [k for k in range(n, len(self._rows)) if self._rows[k] is not None]
        guesses = self._predict(range(n), [self._rows[k] for k in asked], trees, seed)  # type: ignore[misc]
        sure = [(0.0, 0.0)] * (len(self._rows) - n)
        for k, guess in zip(asked, guesses, strict=True):
            outputs[k] = self._shown(k, guess)
            sure[k - n] = (float(guess.sure.min()), float(guess.sure.mean()))
        right = [
            np.asarray(found == output) if found is not None else np.zeros(1)
            for found, output in zip(outputs, self._outputs, strict=False)
        ]
        return Trial(
            self._view,
            self._by_role,
            sum(bool(cells.all()) for cells in right),
            float(np.mean([cells.mean() for cells in right])),
            tuple(outputs[n:]),
            tuple(sure),
        )

    def _predict(
        self, pairs: Sequence[int], asked: Sequence[Rows], trees: int, seed: int
    ) -> list[Guess]:
        rows, names = [self._known[i] for i in pairs], [self._targets[i] for i in pairs]
        return predict(rows, names, asked, trees, seed) if asked else []

    def _shown(self, pair: int, guess: Guess) -> Cells:
        shape = self._shapes[pair]
        assert shape is not None
        return self._names[pair].show(guess.names.reshape(shape))


def lessons_of(task: Task, by_role: bool) -> Iterator[Lesson]:
    """Yield the lessons of all views that give every train output its size, plainest first.

    Args:
        task: The task.
        by_role: Whether colours are renamed by their frequency in each input.
    """
    pairs = [(_cells(pair.input), _cells(pair.output)) for pair in task.train]
    names = [Names(before, by_role) for before, _ in pairs]
    hidden = [(n.hide(a), n.hide(b)) for n, (a, b) in zip(names, pairs, strict=True)]
    for view in views_of(hidden):
        yield Lesson(task, view, by_role)


def _cells(grid: Any) -> Cells:
    return np.asarray(grid, dtype=np.int16)


def _flat(table: NDArray[np.int16]) -> Rows:
    return table.reshape(-1, table.shape[2]).astype(np.float32)

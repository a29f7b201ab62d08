"""TreesSolver: answers tasks with decision trees over cells."""

import time
from collections.abc import Iterator

import numpy as np

from arcflow.core.errors import ConfigError
from arcflow.core.grid import GridKey, freeze, grid_key
from arcflow.core.seeds import derive
from arcflow.core.solver import Answer
from arcflow.core.task import Task, task_key
from arcflow.trees.calibration import confidence_of
from arcflow.trees.trials import Trial, lessons_of

_MOST_WORK = 60_000_000  # cells times features that one round of judging may learn from


class TreesSolver:
    """A solver that predicts each cell of an output from some hundred features of the input.

    Every view of the task is learnt by extremely randomised trees and judged by leaving out one
    train pair at a time, once with the colours as they are and once renamed by their frequency.

    Args:
        seed: The seed of the forests; the answers are a function of it and the task.
        trees: The number of trees of each forest.
    """

    name = "trees"

    def __init__(self, seed: int = 0, trees: int = 30) -> None:
        if seed < 0 or trees < 1:
            raise ConfigError(
                "TreesSolver: bad option",
                value={"seed": seed, "trees": trees},
                expected="seed of at least 0, trees of at least 1",
                next_step="Correct it.",
            )
        self.seed, self.trees = seed, trees

    def solve(self, task: Task, seconds: float) -> list[list[Answer]]:
        """Return the answers to each test input, best first and without repeats.

        Args:
            task: The task; its test outputs are not read.
            seconds: The wall time after which no further view is begun, in seconds; the first one
                is always tried.

        Returns:
            One list for each test input, empty if no view has the outputs' sizes.
        """
        until = time.monotonic() + seconds
        trials: list[Trial] = []
        for trial in self._trials(task):
            trials.append(trial)
            if time.monotonic() >= until:
                break
        trials.sort(key=lambda trial: (-trial.fitted, -trial.cells))
        return [self._answers(task, trials, i) for i in range(len(task.test))]

    def _trials(self, task: Task) -> Iterator[Trial]:
        """Yield the trials of all views, first with plain colours and then with roles."""
        seed = derive(self.seed, "trees", task_key(task))
        some = False
        for by_role in (False, True):
            for lesson in lessons_of(task, by_role):
                if some and lesson.work > _MOST_WORK:
                    continue
                some = True
                yield lesson.judge(self.trees, seed)

    def _answers(self, task: Task, trials: list[Trial], test_index: int) -> list[Answer]:
        """Return the distinct answers of ranked trials to one test input."""
        by_grid: dict[GridKey, list[Trial]] = {}
        for trial in trials:
            cells = trial.answers[test_index]
            if cells is not None:
                by_grid.setdefault(grid_key(cells.astype(np.int8)), []).append(trial)
        answers = [self._answer(task, found, test_index) for found in by_grid.values()]
        return sorted(answers, key=lambda answer: -answer.confidence)

    def _answer(self, task: Task, trials: list[Trial], test_index: int) -> Answer:
        """Return the answer that ranked trials agree on, with the best one's confidence."""
        pairs, agreed = len(task.train), len(trials) > 1
        confidences = [confidence_of(trial, pairs, test_index, agreed) for trial in trials]
        best = trials[confidences.index(max(confidences))]
        cells = best.answers[test_index]
        assert cells is not None
        rule = f"trees over cells: {best.view}" + ", colours by role" * best.by_role
        fitted = max(trial.fitted for trial in trials)
        grid = freeze(cells.astype(np.int8))
        return Answer(grid, max(confidences), self.name, fitted, None, rule)

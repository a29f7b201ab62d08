"""The score of a submission: Kaggle's number and ARC Prize's, which differ.

Kaggle divides the solved test inputs of all tasks by all test inputs; ARC Prize's leaderboard takes
the mean over tasks of each task's share. They are equal if every task has one test input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from arcflow.core.grid import Grid
from arcflow.scoring.submission import Submission, check_submission


@dataclass(frozen=True, slots=True)
class TaskScore:
    """The result of one task: for each test input, whether an attempt was right."""

    task_id: str
    solved: tuple[bool, ...]

    @property
    def score(self) -> float:
        """The share of the test inputs that are solved, 0 to 1."""
        return sum(self.solved) / len(self.solved)


@dataclass(frozen=True, slots=True)
class Score:
    """The result of a submission."""

    tasks: tuple[TaskScore, ...]

    @property
    def kaggle(self) -> float:
        """Kaggle's number: the share of all test inputs that are solved, 0 to 1."""
        return self.inputs_solved / max(self.inputs, 1)

    @property
    def arc_prize(self) -> float:
        """ARC Prize's number: the mean over tasks of :attr:`TaskScore.score`, 0 to 1."""
        return sum(task.score for task in self.tasks) / max(len(self.tasks), 1)

    @property
    def tasks_solved(self) -> int:
        """The number of tasks with every test input solved."""
        return sum(all(task.solved) for task in self.tasks)

    @property
    def inputs_solved(self) -> int:
        """The number of test inputs that are solved."""
        return sum(sum(task.solved) for task in self.tasks)

    @property
    def inputs(self) -> int:
        """The number of test inputs."""
        return sum(len(task.solved) for task in self.tasks)


def score_submission(
    submission: Submission, solutions: Mapping[str, Sequence[Grid]], where: str = "submission"
) -> Score:
    """Score a submission as Kaggle and as ARC Prize do.

    A test input counts as solved if one of its two attempts is exactly right.

    Args:
        submission: The attempts for exactly the tasks of ``solutions``.
        solutions: The true answer to each test input, by task id.
        where: What the submission is, for error messages.

    Returns:
        The results of the tasks, sorted by id.

    Raises:
        DataError: Tasks are missing or unknown, or a number of test inputs is wrong.
    """
    check_submission(submission, {task_id: len(g) for task_id, g in solutions.items()}, where)
    return Score(
        tuple(
            TaskScore(
                task_id,
                tuple(
                    any(np.array_equal(attempt, output) for attempt in attempts)
                    for attempts, output in zip(
                        submission[task_id], solutions[task_id], strict=True
                    )
                ),
            )
            for task_id in sorted(solutions)
        )
    )

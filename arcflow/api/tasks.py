"""Load tasks, rank answers by votes and score submissions: light, without torch."""

from collections.abc import Iterable, Sequence
from typing import Any

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.core.task import Task
from arcflow.scoring.kaggle_score import score_submission
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.submission import Submission
from arcflow.scoring.voting import Candidate, Vote, by_test_input
from arcflow.sources.select import TaskSelection
from arcflow.sources.select import load_tasks as load_selection


def load_tasks(
    tasks: str | list[str] = "arc-agi-1/training", *, ids: Sequence[str] = (), **filters: Any
) -> list[Task]:
    """Load published tasks, or tasks from your own files.

    Args:
        tasks: "arc-agi-1/training", "arc-agi-1/evaluation", "arc-agi-2/training",
            "arc-agi-2/evaluation", the path of a file or a folder of tasks, or a list of these.
        ids: keep these tasks only; empty keeps all.
        filters: other fields of `arcflow.sources.select.TaskSelection`, for example
            ``max_side=10`` or ``exclude=[...]``.

    Returns:
        The tasks in the order of their source, test outputs included where they are known.

    Raises:
        DataError: unknown names or ids, files that cannot be read, or no task left.
        ConfigError: a filter out of range.
    """
    return load_selection(TaskSelection(tasks, ids=tuple(ids), **filters))


def vote(candidates: Iterable[Candidate]) -> list[list[Vote]]:
    """Rank the distinct answers to each test input of one task.

    Args:
        candidates: all candidates of the task, as `arcflow.answer` returns them.

    Returns:
        For each test input its distinct answers, best first: the one that most candidates gave,
        of equals the one with the higher mean log-probability a token; solvers' answers are merged
        with these by their confidence. A test input without a valid answer has an empty list.

    Raises:
        DataError: candidates of more than one task.
    """
    candidates = list(candidates)
    if not candidates:
        return []
    inputs = 1 + max(candidate.test_index for candidate in candidates)
    return [rank_answers(c) for c in by_test_input(candidates, candidates[0].task_id, inputs)]


def score(submission: Submission, tasks: Iterable[Task]) -> float:
    """Return ARC Prize's score: the mean over tasks of the share of test inputs solved.

    Args:
        submission: two attempts for each test input of exactly these tasks, as
            `arcflow.build_submission` makes it or `arcflow.read_submission` reads it.
        tasks: the tasks with their test outputs.

    Returns:
        A number between 0 and 1; a test input is solved if one of its two attempts is exact.

    Raises:
        DataError: a test output is hidden, or the submission is for other tasks.
    """
    return score_submission(submission, {task.id: _outputs(task) for task in tasks}).arc_prize


def _outputs(task: Task) -> list[Grid]:
    outputs = [pair.output for pair in task.test if pair.output is not None]
    if len(outputs) < len(task.test):
        raise DataError(
            f"task {task.id} cannot be scored",
            value=f"{len(task.test) - len(outputs)} of {len(task.test)} test outputs hidden",
            expected="a task whose test outputs are all known",
            next_step="Load the tasks together with their solutions.",
        )
    return outputs

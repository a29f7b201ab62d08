"""Kaggle's submission file: building, writing, reading and checking it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.files import write_whole
from arcflow.core.grid import Grid, make_grid
from arcflow.core.json_file import read_json
from arcflow.core.task import Task
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.voting import Candidate, by_test_input

ATTEMPTS = ("attempt_1", "attempt_2")

Submission = dict[str, list[tuple[Grid, Grid]]]
"""A mapping of task ids to the two attempts for each test input."""

PLACEHOLDER: Grid = make_grid([[0, 0], [0, 0]])
"""The attempt for which there is no answer: valid, and easily told from a real one."""

_NEXT = "Write submissions with arcflow, or correct the file."


def input_counts(tasks: Iterable[Task]) -> dict[str, int]:
    """Return the number of test inputs of each task, by task id."""
    return {task.id: len(task.test) for task in tasks}


def build_submission(tasks: Iterable[Task], candidates: Iterable[Candidate]) -> Submission:
    """Return the two best-voted answers to each test input; see :func:`fill_submission`.

    Args:
        tasks: The tasks that the submission is for.
        candidates: The candidates of any of these tasks, in any grouping.

    Raises:
        DataError: A candidate is for an unknown task or test input.
    """
    return fill_submission(input_counts(tasks), candidates)


def fill_submission(counts: Mapping[str, int], candidates: Iterable[Candidate]) -> Submission:
    """Return the two best-voted answers to each test input, filled up with :data:`PLACEHOLDER`.

    Args:
        counts: The number of test inputs by task id; the submission has exactly these.
        candidates: The candidates of any of these tasks, in any grouping; unanswered ones do not
            vote.

    Raises:
        DataError: A candidate is for an unknown task or test input.
    """
    by_task: dict[str, list[Candidate]] = {task_id: [] for task_id in counts}
    for candidate in candidates:
        if candidate.task_id not in by_task:
            raise DataError(
                "a candidate of an unknown task",
                value=candidate.task_id,
                expected=f"one of the submission's {len(counts)} tasks",
                next_step="Check that candidates and tasks belong together.",
            )
        by_task[candidate.task_id].append(candidate)
    return {
        task_id: [_attempts(c) for c in by_test_input(found, task_id, counts[task_id])]
        for task_id, found in by_task.items()
    }


def _attempts(candidates: list[Candidate]) -> tuple[Grid, Grid]:
    first, second, *_ = [
        *(vote.grid for vote in rank_answers(candidates)),
        PLACEHOLDER,
        PLACEHOLDER,
    ]
    return first, second


def write_submission(path: str | Path, submission: Submission) -> None:
    """Write a submission as Kaggle's JSON, in one atomic step.

    Equal submissions give equal bytes, as tasks are sorted by id.

    Args:
        path: The file to write.
        submission: The two attempts for each test input.

    Raises:
        DataError: The file cannot be written.
    """
    obj = {
        task_id: [
            {name: grid.tolist() for name, grid in zip(ATTEMPTS, attempts, strict=True)}
            for attempts in submission[task_id]
        ]
        for task_id in sorted(submission)
    }
    data = json.dumps(obj, separators=(",", ":")) + "\n"
    path = Path(path)
    try:
        write_whole(path, data.encode())
    except OSError as error:
        raise DataError(
            f"the submission cannot be written ({error.strerror})",
            value=str(path),
            expected="a path to a file in a folder that can be written to",
            next_step="Choose another path, or make room there.",
        ) from error


def read_submission(path: str | Path, counts: Mapping[str, int] | None = None) -> Submission:
    """Read and check a submission file.

    Args:
        path: The file, in Kaggle's JSON.
        counts: The number of test inputs by task id, if the tasks are known; the submission must
            then hold exactly these.

    Returns:
        The two attempts for each test input, by task id.

    Raises:
        DataError: The file is missing or not JSON, a type is wrong, a task occurs twice, tasks are
            missing or unknown, the number of test inputs is wrong, an attempt is missing or a grid
            is bad.
    """
    obj = read_json(path)
    if not isinstance(obj, dict) or not obj:
        raise DataError(
            f"{path}: not a submission",
            value=obj,
            expected='an object {task id: [{"attempt_1": rows, "attempt_2": rows}, ...]}',
            next_step=_NEXT,
        )
    submission = {task_id: _read_task(path, task_id, inputs) for task_id, inputs in obj.items()}
    if counts is not None:
        check_submission(submission, counts, str(path))
    return submission


def is_submission(data: bytes) -> bool:
    """Return whether a file's content looks like a submission: one object of lists by task id."""
    try:
        obj = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(obj, dict) and bool(obj) and all(isinstance(v, list) for v in obj.values())


def submission_candidates(path: str | Path) -> list[Candidate]:
    """Return the attempts of a submission as candidates of one system, named by its path.

    The first attempt ranks before the second; :data:`PLACEHOLDER` is no answer.

    Args:
        path: The submission's file.

    Raises:
        DataError: The file is no submission; see :func:`read_submission`.
    """
    return [
        Candidate(
            task_id,
            index,
            None if np.array_equal(grid, PLACEHOLDER) else grid,
            log_prob=-float(place),
            n_tokens=1,
            source=str(path),
        )
        for task_id, inputs in read_submission(path).items()
        for index, attempts in enumerate(inputs)
        for place, grid in enumerate(attempts)
    ]


def _read_task(path: str | Path, task_id: str, inputs: object) -> list[tuple[Grid, Grid]]:
    if not isinstance(inputs, list) or not inputs:
        raise DataError(
            f"{path}, task {task_id}: not a list of answers",
            value=inputs,
            expected="a list with one object for each test input",
            next_step=_NEXT,
        )
    answers = []
    for i, attempts in enumerate(inputs):
        where = f"{path}, task {task_id}, test input {i}"
        if not isinstance(attempts, dict) or set(attempts) != set(ATTEMPTS):
            raise DataError(
                f"{where}: not two attempts",
                value=sorted(attempts) if isinstance(attempts, dict) else attempts,
                expected=f"an object with {' and '.join(map(repr, ATTEMPTS))}",
                next_step=_NEXT,
            )
        first, second = (make_grid(attempts[name], f"{where}, {name}") for name in ATTEMPTS)
        answers.append((first, second))
    return answers


def check_submission(
    submission: Submission, counts: Mapping[str, int], where: str = "submission"
) -> None:
    """Refuse a submission that does not have exactly these tasks with this many test inputs each.

    Args:
        submission: The submission to check.
        counts: The number of test inputs by task id.
        where: What the submission is, for error messages.

    Raises:
        DataError: Tasks are missing or unknown, or a number of test inputs is wrong.
    """
    missing = sorted(set(counts) - set(submission))
    unknown = sorted(set(submission) - set(counts))
    for what, ids in (("missing", missing), ("unknown", unknown)):
        if ids:
            raise DataError(
                f"{where}: {len(ids)} {what} task{'s' * (len(ids) > 1)}",
                value=ids[:5] + ["..."] * (len(ids) > 5),
                expected=f"exactly the {len(counts)} tasks it is for",
                next_step="Check that submission and tasks belong together; `arcflow score "
                "--present-only` scores a submission that has some of the tasks.",
            )
    for task_id, count in counts.items():
        if len(submission[task_id]) != count:
            raise DataError(
                f"{where}, task {task_id}: wrong number of test inputs",
                value=len(submission[task_id]),
                expected=str(count),
                next_step="Check that submission and tasks belong together.",
            )

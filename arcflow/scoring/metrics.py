"""The measures of an evaluation, for one task and over tasks."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from arcflow.core.errors import DataError
from arcflow.core.grid import Grid
from arcflow.scoring.voting import Candidate, by_test_input, rank_votes

METRICS = (
    "accuracy",
    "correct_pixels",
    "max_correct_pixels",
    "correct_size",
    "any_correct_size",
    "pass_n",
    "vote_1",
    "vote_2",
    "unanswered",
)
"""Names of the measures, in the order in which tables show them."""


def pixel_share(grid: Grid | None, output: Grid) -> float:
    """Share of cells that are right, 0..1; 0 where there is no answer or its size is wrong."""
    if grid is None or grid.shape != output.shape:
        return 0.0
    return float(np.mean(grid == output))


def input_metrics(candidates: Sequence[Candidate], output: Grid) -> dict[str, float]:
    """Measures of one test input.

    Args:
        candidates: all answers to it; with none at all, every measure is 0 and ``unanswered`` 1.
        output: the true answer.

    Returns:
        All of :data:`METRICS`, each 0..1. Shares are of all candidates, unanswered ones included:
        ``accuracy`` exactly right, ``correct_pixels`` the mean of :func:`pixel_share`,
        ``correct_size`` height and width right, ``unanswered`` without a grid. At least one
        candidate: ``pass_n`` exactly right, ``any_correct_size``; ``max_correct_pixels`` is the
        best candidate's share. ``vote_k``: one of the first k of
        :func:`~arcflow.scoring.voting.rank_votes` is exactly right.
    """
    pixels = [pixel_share(candidate.grid, output) for candidate in candidates]
    sizes = [c.grid is not None and c.grid.shape == output.shape for c in candidates]
    right = [share == 1.0 for share in pixels]
    votes = [np.array_equal(vote.grid, output) for vote in rank_votes(candidates)[:2]]
    n = len(candidates)
    return {
        "accuracy": sum(right) / n if n else 0.0,
        "correct_pixels": math.fsum(pixels) / n if n else 0.0,
        "max_correct_pixels": max(pixels, default=0.0),
        "correct_size": sum(sizes) / n if n else 0.0,
        "any_correct_size": float(any(sizes)),
        "pass_n": float(any(right)),
        "vote_1": float(any(votes[:1])),
        "vote_2": float(any(votes)),
        "unanswered": sum(c.grid is None for c in candidates) / n if n else 1.0,
    }


def task_metrics(
    candidates: Iterable[Candidate], outputs: Sequence[Grid], task_id: str | None = None
) -> dict[str, float]:
    """Measures of one task: the mean over its test inputs.

    Args:
        candidates: the task's, of all its test inputs, in any order.
        outputs: the true answer to each test input, at least one.
        task_id: whose candidates they must be; None takes the first one's.

    Raises:
        DataError: no outputs, candidates of several tasks, or of a test input that is not there.
    """
    if not outputs:
        raise DataError(
            "a task without answers cannot be measured",
            value=0,
            expected="at least one test output",
            next_step="Evaluate on tasks whose test outputs are known.",
        )
    candidates = list(candidates)
    if task_id is None:
        task_id = candidates[0].task_id if candidates else ""
    by_input = by_test_input(candidates, task_id, len(outputs))
    return mean_metrics([input_metrics(c, o) for c, o in zip(by_input, outputs, strict=True)])


def mean_metrics(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each measure over ``rows``, the same in whatever order they come; {} for none."""
    rows = list(rows)
    if not rows:
        return {}
    return {name: math.fsum(row[name] for row in rows) / len(rows) for name in METRICS}

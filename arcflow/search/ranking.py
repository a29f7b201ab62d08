"""Ranking: which of the answers that a search finds comes first, and how sure it is."""

from collections.abc import Iterable

import numpy as np

from arcflow.core.grid import GridKey, freeze, grid_key
from arcflow.core.solver import Answer
from arcflow.search.programs import describe, write_program
from arcflow.search.views import Found

MAX_ANSWERS = 10

FIT_CONFIDENCE = ((45.0, 0.92), (80.0, 0.85), (110.0, 0.75), (np.inf, 0.15))
"""For stacks that fit all train pairs: up to which cost which share of them was right.

Measured on the even-numbered half of the 400 training tasks of ARC-AGI-1.
"""

PARTIAL_CONFIDENCE = ((0.5, 0.01), (0.99, 0.05))
"""For the others: up to which share of fitted pairs which share of them was right."""


def confidence(found: Found) -> float:
    """Return the probability that what was found is right, as measured on training tasks."""
    if found.fitted == 1:
        return next(sure for cost, sure in FIT_CONFIDENCE if found.cost <= cost)
    return next((sure for share, sure in PARTIAL_CONFIDENCE if found.fitted <= share), 0.0)


def best_answers(found: Iterable[Found], n_train: int) -> list[Answer]:
    """Return the distinct answers, those of stacks that fit most pairs at least cost first.

    Args:
        found: What was found for one test input, in the order of discovery.
        n_train: The number of the task's train pairs.

    Returns:
        At most ten answers, whose confidences fall.
    """
    answers: dict[GridKey, Answer] = {}
    sure = 1.0
    for item in sorted(found, key=lambda item: (-item.fitted, item.cost)):
        grid = freeze(item.cells.astype(np.int8))
        key = grid_key(grid)
        if key in answers:
            continue
        # Each answer can be right only if those before it are wrong.
        sure = min(sure, confidence(item)) if not answers else min(confidence(item), sure / 2)
        answers[key] = Answer(
            grid,
            sure,
            "search",
            int(item.fitted * n_train + 1e-9),
            write_program(item.layers, item.size, item.roles),
            describe(item.layers),
        )
        if len(answers) == MAX_ANSWERS:
            break
    return list(answers.values())

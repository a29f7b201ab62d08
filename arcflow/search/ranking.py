"""Ranking: which of the answers that a search finds comes first, and how sure it is."""

from collections.abc import Iterable

import numpy as np

from arcflow.core.grid import GridKey, freeze, grid_key
from arcflow.core.solver import Answer
from arcflow.search.programs import describe, write_program
from arcflow.search.views import Found

MAX_ANSWERS = 10

FIT_CONFIDENCE = ((45.0, 0.94), (110.0, 0.71), (np.inf, 0.06))
"""For stacks that fit all train pairs: up to which cost which share of them was right.

Measured on half A of ARC-AGI-1's 400 training tasks, every second one by id from the first on: 77
of 82, 30 of 42 and 2 of 32 test inputs.
"""

PARTIAL_CONFIDENCE = 0.02
"""For the best stack if none fits all pairs: 1 of 51 was right."""

NEXT_CONFIDENCE = 0.1
"""The largest confidence of a second answer; of the further ones each has half of the one before.

Where the first answer was wrong, the second one was right in about a tenth of the cases.
"""


def confidence(found: Found) -> float:
    """Return the probability that a first answer is right, as measured on training tasks."""
    if found.fitted < 1:
        return PARTIAL_CONFIDENCE * found.fitted
    return next(sure for cost, sure in FIT_CONFIDENCE if found.cost <= cost)


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
        if answers:
            # A further answer can be right only if those before it are wrong.
            sure = min(confidence(item), NEXT_CONFIDENCE if len(answers) == 1 else sure / 2, sure)
        else:
            sure = confidence(item)
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

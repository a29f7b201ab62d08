"""Ranking: which of the answers that a search finds comes first, and how sure it is."""

from collections.abc import Iterable

import numpy as np

from arcflow.core.grid import Grid, GridKey, freeze, grid_key
from arcflow.core.solver import Answer
from arcflow.search.calibration import confidence_of, evidence_of
from arcflow.search.programs import describe, write_program
from arcflow.search.views import Found

MAX_ANSWERS = 10


def best_answers(found: Iterable[Found], n_train: int) -> list[Answer]:
    """Return the distinct answers, those of stacks that fit most pairs at least cost first.

    Args:
        found: What was found for one test input, in the order of discovery.
        n_train: The number of the task's train pairs.

    Returns:
        At most ten answers, whose confidences fall.
    """
    best: dict[GridKey, tuple[Grid, Found]] = {}
    for item in sorted(found, key=lambda item: (-item.fitted, item.cost)):
        grid = freeze(item.cells.astype(np.int8))
        best.setdefault(grid_key(grid), (grid, item))
        if len(best) == MAX_ANSWERS:
            break
    answers: list[Answer] = []
    stacks = [(item.fitted, item.cost, len(item.layers)) for _, item in best.values()]
    for (grid, item), evidence in zip(best.values(), evidence_of(stacks), strict=True):
        # An answer that comes later is never surer.
        sure = min([confidence_of(evidence), *(answer.confidence for answer in answers[-1:])])
        answers.append(
            Answer(
                grid,
                sure,
                "search",
                int(item.fitted * n_train + 1e-9),
                write_program(item.layers, item.size, item.roles),
                describe(item.layers),
            )
        )
    return answers

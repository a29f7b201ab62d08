"""The confidence of an answer of trees: how often answers of its kind are right.

A logistic regression over one half of ARC-AGI-1's training tasks (``fold_of(id, 2) == 0``), checked
on the other half; docs/search.md shows both.
"""

import math

from arcflow.trees.trials import Trial

_BIAS = -7.92
_FITTED, _CELLS, _LEAST, _MEAN, _AGREED = 2.61, 0.62, 4.61, 1.45, 1.41


def confidence_of(trial: Trial, pairs: int, test_index: int, agreed: bool) -> float:
    """Return the probability that a trial's answer is right.

    Args:
        trial: The trial.
        pairs: The number of train pairs of the task.
        test_index: The test input that the answer is for.
        agreed: Whether another trial gives the same answer.
    """
    least, mean = trial.sure[test_index]
    total = _BIAS + _FITTED * trial.fitted / pairs + _CELLS * trial.cells
    total += _LEAST * least + _MEAN * mean + _AGREED * agreed
    return 1 / (1 + math.exp(-total))

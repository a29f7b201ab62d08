"""The confidence of an answer of a search: how often answers of its kind are right.

A logistic regression over one half of ARC-AGI-1's training tasks (``fold_of(id, 2) == 0``), checked
on the other half; docs/search.md shows both, and ``benchmarks/search_calibration.py`` fits it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

NEAR = 2.0
"""Up to how many times the cost of an answer another one rivals it."""

BIAS = -3.22
WEIGHTS = (-2.11, 1.16, 4.67, -2.41, -0.66, -0.67)
"""The weights of :func:`features`, in their order."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an answer when its confidence is to be said.

    Attributes:
        later: Whether another answer comes before it.
        fitted: The share of the train pairs that its best stack makes, in [0, 1].
        layers: The number of this stack's layers.
        rivals: How many other answers come of stacks that make all train pairs at no more than
            :data:`NEAR` times the cost.
    """

    later: bool
    fitted: float
    layers: int
    rivals: int


def evidence_of(stacks: Sequence[tuple[float, float, int]]) -> list[Evidence]:
    """Return the evidence of each answer.

    Args:
        stacks: For each distinct answer the share of the train pairs that its best stack makes, the
            cost of this stack and the number of its layers; the best answer first.
    """
    fitting = [cost for fitted, cost, _ in stacks if fitted == 1]
    return [
        Evidence(
            place > 0,
            fitted,
            layers,
            sum(other <= NEAR * cost for other in fitting) - (fitted == 1),
        )
        for place, (fitted, cost, layers) in enumerate(stacks)
    ]


def features(evidence: Evidence) -> tuple[float, ...]:
    """Return the numbers that the regression is over."""
    fits = float(evidence.fitted == 1)
    later = float(evidence.later)
    return (
        later,
        evidence.fitted,
        fits,
        fits * later,
        fits * (evidence.layers - 1),
        fits * math.log(1 + evidence.rivals),
    )


def confidence_of(evidence: Evidence) -> float:
    """Return the probability that an answer is right, in (0, 1)."""
    total = BIAS + sum(w * x for w, x in zip(WEIGHTS, features(evidence), strict=True))
    return 1 / (1 + math.exp(-total))

"""What an evaluation knows of a task, before it is journaled."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arcflow.scoring.voting import Candidate
from arcflow.ttft.loss_curve import Point


@dataclass
class Outcome:
    """What an evaluation knows of one task in one variant.

    Attributes:
        candidates: all of its answers.
        loss: the sum of the true answers' losses in nats, and their tokens; None where they are
            hidden.
        steps: the number of optimizer steps of its adapter.
        views: the number of views that were asked about.
        code: where programs were asked for, numbers of them, see
            :func:`~arcflow.evaluation.program_candidates.code_counts`.
        diverged: whether its tuning diverged, so that the model as it was trained answered.
        rescoring: the numbers of answers that were scored again, see
            :meth:`~arcflow.evaluation.rescoring.Rescored.counts`; None if none were.
        of_solvers: the values of re-scoring of solvers' answers, as the journal holds them.
        losses: the losses of its tuning, at a few steps.
    """

    candidates: list[Candidate]
    loss: tuple[float, int] | None = None
    steps: int = 0
    views: int = 0
    code: dict[str, int] | None = None
    diverged: bool = False
    rescoring: dict[str, int] | None = None
    of_solvers: list[dict[str, Any]] = field(default_factory=list)
    losses: Sequence[Point] = ()


Outcomes = dict[tuple[str, str], Outcome]
"""Outcomes by task id and variant."""

"""Rules that choose among the answers of one evaluation, and what each would have scored."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.core.grid import Grid, GridKey, grid_key
from arcflow.core.seeds import rng
from arcflow.scoring.voting import Candidate, by_test_input

RESAMPLES = 2000
"""The number of bootstrap samples of the tasks that make an interval."""

Floats = NDArray[np.float64]
Group = Sequence[Candidate]
"""The candidates that gave one answer."""


@dataclass(frozen=True)
class Rule:
    """A rule that ranks the distinct answers to a test input.

    Attributes:
        name: The name in files.
        label: The name to show.
        key: The key of an answer, given its candidates; the smallest one ranks first, and of equal
            keys the answer that was seen first.
        needs_log_prob: Whether it needs the log-probabilities of answers.
        needs_rescoring: Whether it needs values of re-scoring.
    """

    name: str
    label: str
    key: Callable[[Group], tuple[float, ...]]
    needs_log_prob: bool = False
    needs_rescoring: bool = False


def _votes(group: Group) -> float:
    return math.fsum(c.weight for c in group)


def _sum(group: Group) -> float:
    return math.fsum(c.log_prob for c in group)


def _per_token(group: Group) -> float:
    return math.fsum(c.score for c in group) / len(group)


def _rescored(group: Group) -> float:
    """Return the value of re-scoring; an answer without one ranks last."""
    values = [c.rescored for c in group if c.rescored is not None]
    return math.fsum(values) / len(values) if values else -math.inf


RULES = (
    Rule("votes", "votes alone", lambda group: (-_votes(group),)),
    Rule(
        "votes_sum",
        "votes, ties by the sum of log-probabilities",
        lambda group: (-_votes(group), -_sum(group)),
        needs_log_prob=True,
    ),
    Rule(
        "votes_token",
        "votes, ties by the mean per token (the default)",
        lambda group: (-_votes(group), -_per_token(group)),
        needs_log_prob=True,
    ),
    Rule(
        "log_prob",
        "mean log-probability of the answer",
        lambda group: (-_sum(group) / len(group), -_votes(group)),
        needs_log_prob=True,
    ),
    Rule(
        "votes_rescored",
        "votes, ties by re-scoring",
        lambda group: (-_votes(group), -_rescored(group)),
        needs_rescoring=True,
    ),
    Rule(
        "rescored",
        "re-scoring, ties by votes",
        lambda group: (-_rescored(group), -_votes(group), -_per_token(group)),
        needs_rescoring=True,
    ),
)
"""All rules, in the order in which tables show them."""

ORACLE = Rule("oracle", "a perfect choice (pass_n)", lambda group: (0.0,))
"""The rule that always finds a right answer among the candidates if there is one."""


@dataclass(frozen=True)
class Interval:
    """A mean over tasks.

    Attributes:
        value: The mean; not a number if it is undefined.
        low: The lower end of the 95 % interval.
        high: The upper end of the 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RuleScore:
    """What one rule scored on one evaluation.

    Attributes:
        rule: The rule.
        vote_1: The mean over tasks of the share of test inputs whose first answer is right.
        vote_2: The same for one of the first two: ARC Prize's score.
        kaggle: The share of all test inputs for which one of the first two is right.
        share: ``vote_2`` as a share of what a perfect choice scores.
        gain: ``vote_2`` less that of the reference, on the same tasks.
    """

    rule: Rule
    vote_1: Interval
    vote_2: Interval
    kaggle: Interval
    share: Interval
    gain: Interval


Solved = Mapping[str, tuple[Floats, Floats]]
"""By task id, for each of its test inputs whether the first and one of the first two is right."""


def first_answers(candidates: Iterable[Candidate], most: int | None) -> list[Candidate]:
    """Return the first answers to each test input of a task, as a run with fewer would have them.

    Args:
        candidates: The candidates of one task, in the order of their views.
        most: The number for each test input; None for all.
    """
    counts: dict[int, int] = {}
    kept = []
    for candidate in candidates:
        count = counts.get(candidate.test_index, 0)
        if most is None or count < most:
            kept.append(candidate)
        counts[candidate.test_index] = count + 1
    return kept


def solved_inputs(
    rule: Rule, answers: Mapping[str, Sequence[Candidate]], outputs: Mapping[str, Sequence[Grid]]
) -> Solved:
    """Return which test inputs a rule solves, for every task in ``answers``.

    Args:
        rule: The rule.
        answers: The candidates by task id.
        outputs: The true answer to each test input by task id.
    """
    found = {}
    for task_id, candidates in answers.items():
        truth = outputs[task_id]
        by_input = by_test_input(candidates, task_id, len(truth))
        places = [
            _place(rule, of, grid_key(grid)) for of, grid in zip(by_input, truth, strict=True)
        ]
        found[task_id] = (
            np.array([place < 1 for place in places], float),
            np.array([place < 2 for place in places], float),
        )
    return found


def _place(rule: Rule, candidates: Sequence[Candidate], right: GridKey) -> float:
    """Return the rank of the right answer to a test input, from 0; infinity if it is missing."""
    groups: dict[GridKey, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.grid is not None:
            groups.setdefault(grid_key(candidate.grid), []).append(candidate)
    if right not in groups:
        return math.inf
    if rule is ORACLE:
        return 0
    return sorted(groups, key=lambda key: rule.key(groups[key])).index(right)


def measure(
    rule: Rule, solved: Solved, oracle: Solved, reference: Solved, seed: int = 0
) -> RuleScore:
    """Return what a rule scored, with bootstrap intervals over the tasks.

    Every rule of every evaluation of the same tasks is measured with the same resamples, so that a
    difference is one of the same tasks.

    Args:
        rule: The rule.
        solved: What it solves.
        oracle: What a perfect choice among the same answers solves.
        reference: What ``gain`` counts from.
        seed: The seed of the resamples.
    """
    ids = sorted(solved)
    n = len(ids)
    inputs = np.array([len(solved[i][0]) for i in ids], float)
    first = np.array([solved[i][0].mean() for i in ids])
    second = np.array([solved[i][1].mean() for i in ids])
    any_right = np.array([oracle[i][1].mean() for i in ids])
    before = np.array([reference[i][1].mean() for i in ids])
    generator = rng(seed, "bootstrap")
    counts = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
    once = np.ones(n)
    return RuleScore(
        rule,
        _interval(first, once, counts),
        _interval(second, once, counts),
        _interval(second * inputs, inputs, counts),
        _interval(second, any_right, counts),
        _interval(second - before, once, counts),
    )


def _interval(above: Floats, below: Floats, counts: Floats) -> Interval:
    """Return the ratio of two sums over tasks.

    Args:
        above: What is summed above the line, one number a task.
        below: What is summed below it.
        counts: How often each resample has each task, shape (resamples, tasks).
    """
    whole = math.fsum(below)
    if not whole:
        return Interval(math.nan, math.nan, math.nan)
    tops, bottoms = counts @ above, counts @ below
    # A resample without any solvable task says nothing of a share.
    ratios = tops[bottoms > 0] / bottoms[bottoms > 0]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return Interval(math.fsum(above) / whole, float(low), float(high))


def without_log_probs(candidates: Iterable[Candidate]) -> int:
    """Return the number of answers without a log-probability."""
    return sum(c.grid is not None and not math.isfinite(c.log_prob) for c in candidates)

"""Metrics as a function of the number of predictions, from the candidates of one evaluation."""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid, GridKey, grid_key
from arcflow.core.seeds import rng
from arcflow.scoring.metrics import METRIC_TABLE, ScoredInput
from arcflow.scoring.voting import Candidate, by_test_input

CURVES = ("pass_n", "vote_1", "vote_2", "kaggle")
"""The metrics of a curve, as :data:`~arcflow.scoring.metrics.METRIC_TABLE` defines them."""

RESAMPLES = 2000
"""The number of bootstrap samples of the tasks that make the confidence band."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """One metric at one number of predictions.

    Attributes:
        n: The number of predictions for each test input.
        value: The mean of the metric over tasks, or over test inputs for ``kaggle``, 0 to 1.
        low: The lower end of the 95 % confidence band.
        high: The upper end of the 95 % confidence band.
    """

    n: int
    value: float
    low: float
    high: float


def curve(
    candidates: Iterable[Candidate],
    outputs: Mapping[str, Sequence[Grid]],
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, list[Point]]:
    """Return what an evaluation with fewer predictions would have measured.

    ``pass_n`` is exact: the probability that n of an input's N candidates, sampled without
    replacement, hold a right one (the unbiased estimator of Chen et al. 2021, arXiv:2107.03374).
    ``vote_k`` is exact up to n = k, where it equals ``pass_n``; beyond, it is the mean over
    ``draws`` subsamples, each ranked as :func:`~arcflow.scoring.voting.rank_votes` does.
    ``kaggle`` is ``vote_2`` as the mean over all test inputs instead of that over tasks. An input
    with fewer than n candidates counts with all it has, so at the largest n every metric equals
    that of :func:`~arcflow.scoring.metrics.task_metrics`.

    Args:
        candidates: The candidates of any tasks in ``outputs``, in any grouping.
        outputs: The true answer to each test input by task id, for all tasks to average over.
        draws: The number of subsamples of an input's candidates.
        seed: The seed of the subsamples and the bootstrap, >= 0.

    Returns:
        For each of :data:`CURVES` its points at n = 1, 2, 4, ... and the largest N. The band is the
        2.5th to 97.5th percentile of the value over tasks sampled with replacement.

    Raises:
        DataError: There are no candidates, or one is for an unknown task or test input.
        ConfigError: ``draws`` is below 1 or ``seed`` below 0.
    """
    _check("draws", draws, 1)
    _check("seed", seed, 0)
    split = _split(candidates, outputs)
    largest = max(len(found) for inputs in split.values() for found in inputs)
    grid = number_grid(largest)
    # Sorted, so that the band does not depend on the order in which tasks were finished.
    order = sorted(split)
    tasks = []
    for task_id in order:
        word = zlib.crc32(task_id.encode())  # so that other tasks do not change the draws
        inputs = [
            input_curve(found, output, grid, draws, rng(seed, "curve", word, index))
            for index, (found, output) in enumerate(
                zip(split[task_id], outputs[task_id], strict=True)
            )
        ]
        tasks.append(_mean(inputs, np.ones((len(CURVES), len(inputs)))))
    counted = np.array([len(outputs[task_id]) for task_id in order], float)
    weights = np.stack(
        [counted if METRIC_TABLE[name].over_inputs else np.ones(len(order)) for name in CURVES]
    )
    value = _mean(tasks, weights)
    low, high = _band(np.stack(tasks), weights, rng(seed, "bootstrap"))
    return {
        name: [
            Point(n, float(value[i, k]), float(low[i, k]), float(high[i, k]))
            for k, n in enumerate(grid)
        ]
        for i, name in enumerate(CURVES)
    }


def _check(name: str, number: int, least: int) -> None:
    if number < least:
        raise ConfigError(
            f"bad {name}",
            value=number,
            expected=f"an integer >= {least}",
            next_step="Leave it out for the default.",
        )


def _split(
    candidates: Iterable[Candidate], outputs: Mapping[str, Sequence[Grid]]
) -> dict[str, list[list[Candidate]]]:
    """Return the candidates for each test input by task id.

    Raises:
        DataError: There are no candidates, or one is for an unknown task or test input.
    """
    by_task: dict[str, list[Candidate]] = {task_id: [] for task_id in outputs}
    for candidate in candidates:
        if candidate.task_id not in by_task:
            raise DataError(
                "a candidate of an unknown task",
                value=candidate.task_id,
                expected=f"one of {len(outputs)} tasks whose answers are known",
                next_step="Check that candidates and tasks belong together.",
            )
        by_task[candidate.task_id].append(candidate)
    split = {
        task_id: by_test_input(found, task_id, len(outputs[task_id]))
        for task_id, found in by_task.items()
    }
    if not any(found for inputs in split.values() for found in inputs):
        raise DataError(
            "no candidates",
            value=0,
            expected="at least one",
            next_step="Check the paths, and the variant.",
        )
    return split


def number_grid(largest: int) -> list[int]:
    """Return the numbers 1, 2, 4, ... below ``largest``, and ``largest`` itself."""
    return [*(2**i for i in range((largest - 1).bit_length())), largest]


def pass_n(n_candidates: int, right: int, n: int) -> float:
    """Return the probability that n candidates, sampled without replacement, hold a right one.

    Args:
        n_candidates: The number of candidates to sample from.
        right: The number of right ones among them.
        n: The number of samples, at most ``n_candidates``.
    """
    return 1.0 - math.comb(n_candidates - right, n) / math.comb(n_candidates, n)


def input_curve(
    candidates: Sequence[Candidate],
    output: Grid,
    grid: Sequence[int],
    draws: int,
    generator: np.random.Generator,
) -> Floats:
    """Return the metrics of one test input, of shape (4, len(grid)), with rows as :data:`CURVES`.

    Args:
        candidates: All answers to the test input, unanswered ones included.
        output: The true answer.
        grid: The numbers of predictions, ascending, each >= 1.
        draws: The number of subsamples.
        generator: The random generator that makes the subsamples.
    """
    total = len(candidates)
    scored = ScoredInput(candidates, output)
    functions = [METRIC_TABLE[name].function for name in CURVES]
    last = [function(scored) for function in functions if function is not None]
    found = np.empty((len(CURVES), len(grid)))
    found[:] = np.array(last)[:, None]
    key = grid_key(output)
    right = sum(c.grid is not None and grid_key(c.grid) == key for c in candidates)
    inner = [n for n in grid if n < total]
    if right == 0 or not inner:
        return found
    found[0, : len(inner)] = [pass_n(total, right, n) for n in inner]
    # Each row is one permutation, whose first n entries are the subsample of size n.
    orders = generator.permuted(np.tile(np.arange(total), (draws, 1)), axis=1)
    places = right_places(candidates, key, inner, orders)
    for k, n in enumerate(inner):
        for votes in (1, 2):
            sampled = float(np.mean(places[k] < votes))
            found[votes, k] = found[0, k] if n <= votes else sampled
    found[3] = found[2]  # Kaggle's number differs from vote_2 over several test inputs only.
    return found


def right_places(
    candidates: Sequence[Candidate], right: GridKey, numbers: Sequence[int], orders: Ints
) -> Ints:
    """Return the rank of the right answer in each subsample.

    Args:
        candidates: The N answers to one test input, in the order in which they were seen.
        right: The right answer's key; at least one candidate gave it.
        numbers: The sizes of the subsamples, ascending, at most N.
        orders: An array of shape (draws, N), each row a permutation of 0..N-1, whose first n
            entries are the subsample of size n.

    Returns:
        An array of shape (len(numbers), draws): 0 if the right answer would be the first of
        :func:`~arcflow.scoring.voting.rank_votes`, 1 if it would be the second, and so on; N if the
        subsample lacks it.
    """
    keys = [None if c.grid is None else grid_key(c.grid) for c in candidates]
    names = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    groups, scores = np.array([names[key] for key in keys]), np.array([c.score for c in candidates])
    weights = np.array([c.weight for c in candidates])
    fractional = bool((weights != 1.0).any())  # else equal votes mean equally many candidates
    valued = np.array([c.rescored is not None for c in candidates], float)
    values = np.array([c.rescored or 0.0 for c in candidates])
    draws, width, mine = len(orders), len(names), names[right]
    voted, counts, sums, sizes, of_value, valued_sums = (np.zeros((draws, width)) for _ in range(6))
    places = np.empty((len(numbers), draws), np.int64)
    before = 0
    for k, n in enumerate(numbers):
        new = orders[:, before:n]
        cells = (groups[new] + np.arange(draws)[:, None] * width).ravel()
        added = scores[new].ravel()
        for into, of in (
            (voted, weights[new].ravel()),
            (counts, None),
            (sums, added),
            (sizes, np.abs(added)),
            (of_value, valued[new].ravel()),
            (valued_sums, values[new].ravel()),
        ):
            into += np.bincount(cells, of, draws * width).reshape(draws, width)
        before = n
        given = counts > 0
        if None in names:
            given[:, names[None]] = False
        own, rounding = voted[:, mine, None], 4 * n * np.finfo(float).eps
        others = given & given[:, mine, None]
        others[:, mine] = False
        # Without a value an answer comes after all that have one, and votes decide.
        worth = np.where(of_value > 0, valued_sums / np.maximum(of_value, 1), -np.inf)
        higher, equal = worth > worth[:, mine, None], worth == worth[:, mine, None]
        # Rounding changes a sum by less than this bound; closer sums are compared exactly by fsum.
        tied = others & equal & (np.abs(voted - own) <= rounding * (voted + own))
        gap = sums - sums[:, mine, None]
        unsure = tied & (fractional | (np.abs(gap) <= rounding * (sizes + sizes[:, mine, None])))
        more = higher | (equal & ~tied & (voted > own))
        ahead = (others & more) | (tied & ~unsure & (gap > 0))
        for draw, group in np.argwhere(unsure):
            drawn = np.sort(orders[draw, :n])
            ahead[draw, group] = _comes_first(
                drawn[groups[drawn] == group], drawn[groups[drawn] == mine], scores, weights
            )
        places[k] = np.where(given[:, mine], ahead.sum(axis=1), len(candidates))
    return places


def _comes_first(these: Ints, those: Ints, scores: Floats, weights: Floats) -> bool:
    """Return whether one answer ranks before another of about as many votes."""
    a, b = (
        (math.fsum(weights[i]), math.fsum(scores[i]) / len(i), -int(i[0])) for i in (these, those)
    )
    return a > b


def _mean(rows: Sequence[Floats], weights: Floats) -> Floats:
    """Return the weighted mean over arrays of one shape, the same in whatever order they come.

    Args:
        rows: The arrays, each of shape (metrics, numbers).
        weights: The weight of each array for each metric, of shape (metrics, len(rows)).
    """
    weighted = np.stack(rows, axis=-1) * weights[:, None]
    return np.array(
        [
            [math.fsum(values) / of for values in metric]
            for metric, of in zip(weighted, weights.sum(axis=1), strict=True)
        ]
    )


def _band(tasks: Floats, weights: Floats, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the 2.5th and 97.5th percentile of the weighted mean of resampled ``tasks``.

    Both have the shape of ``tasks``, which is (tasks, metrics, numbers), without the first axis.
    """
    n = len(tasks)
    resampled = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    # (metrics, resamples, numbers): the weights of a resample add up to what it holds.
    means = np.stack(
        [(resampled * of) @ tasks[:, i] / (resampled @ of)[:, None] for i, of in enumerate(weights)]
    )
    low, high = np.percentile(means, (2.5, 97.5), axis=1)
    return low, high

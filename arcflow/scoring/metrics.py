"""The metrics of an evaluation, for one task and over tasks; one table says what they are."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arcflow.core.class_path import import_object
from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import Grid
from arcflow.scoring.merge import rank_answers
from arcflow.scoring.voting import Candidate, by_test_input


@dataclass(frozen=True)
class ScoredInput:
    """All answers to one test input beside the true one.

    Attributes:
        candidates: all answers, unanswered ones included; there may be none.
        output: the true answer.
    """

    candidates: Sequence[Candidate]
    output: Grid

    @cached_property
    def pixel_shares(self) -> list[float]:
        """Of each candidate, its :func:`pixel_share`."""
        return [pixel_share(candidate.grid, self.output) for candidate in self.candidates]

    @cached_property
    def right_sizes(self) -> list[bool]:
        """Of each candidate, whether its height and width are right."""
        shape = self.output.shape
        return [c.grid is not None and c.grid.shape == shape for c in self.candidates]

    @cached_property
    def right(self) -> list[bool]:
        """Of each candidate, whether it is exactly right."""
        return [share == 1.0 for share in self.pixel_shares]

    @cached_property
    def right_votes(self) -> list[bool]:
        """Of the first two of :func:`~arcflow.scoring.merge.rank_answers`, whether it is right."""
        votes = rank_answers(self.candidates)[:2]
        return [np.array_equal(vote.grid, self.output) for vote in votes]

    def mean(self, values: Sequence[float]) -> float:
        """Return the mean of a value of each candidate; 0 where there are no candidates."""
        return math.fsum(values) / len(values) if values else 0.0


@dataclass(frozen=True)
class Metric:
    """One metric of an evaluation.

    Attributes:
        name: its key in logs and results files.
        function: its value for one test input; None where the evaluation measures it otherwise.
            A task's value is the mean over its test inputs, an evaluation's that over tasks.
        help: what it says, in one sentence.
        percent: whether it is a share, 0 to 1, that tables show in per cent.
        larger_is_better: False where a smaller value is the better one.
        over_inputs: whether an evaluation's value is the mean over all test inputs instead of that
            over tasks, so that a task with two test inputs counts twice.
        known_as: whose number it is, which tables show after the name.
    """

    name: str
    function: Callable[[ScoredInput], float] | None
    help: str
    percent: bool = True
    larger_is_better: bool = True
    over_inputs: bool = False
    known_as: str = ""

    @property
    def title(self) -> str:
        """The name that tables and pictures show."""
        return f"{self.name} ({self.known_as})" if self.known_as else self.name


_GRID_METRICS = (
    Metric(
        "accuracy",
        lambda scored: scored.mean(scored.right),
        "Share of candidates that are exactly right.",
    ),
    Metric(
        "correct_pixels",
        lambda scored: scored.mean(scored.pixel_shares),
        "Mean share of right cells; a candidate of a wrong size has none.",
    ),
    Metric(
        "max_correct_pixels",
        lambda scored: max(scored.pixel_shares, default=0.0),
        "Share of right cells of the best candidate.",
    ),
    Metric(
        "correct_size",
        lambda scored: scored.mean(scored.right_sizes),
        "Share of candidates whose height and width are right.",
    ),
    Metric(
        "any_correct_size",
        lambda scored: float(any(scored.right_sizes)),
        "Whether the height and width of any candidate are right.",
    ),
    Metric("pass_n", lambda scored: float(any(scored.right)), "Whether any candidate is right."),
    Metric(
        "vote_1",
        lambda scored: float(any(scored.right_votes[:1])),
        "Whether the first of the ranked answers is right.",
    ),
    Metric(
        "vote_2",
        lambda scored: float(any(scored.right_votes)),
        "Whether one of the first two of the ranked answers is right, as the mean over tasks.",
        known_as="ARC Prize",
    ),
    Metric(
        "kaggle",
        lambda scored: float(any(scored.right_votes)),
        "The same, as the share of all test inputs.",
        over_inputs=True,
    ),
    Metric(
        "unanswered",
        lambda scored: (
            scored.mean([c.grid is None for c in scored.candidates]) if scored.candidates else 1.0
        ),
        "Share of candidates without a grid.",
        larger_is_better=False,
    ),
)

_OTHER_METRICS = (
    Metric(
        "loss",
        None,
        "Loss of the true answers a token: the cross entropy in nats, or that of model.loss_fn.",
        percent=False,
        larger_is_better=False,
    ),
    Metric("code_runs", None, "Share of programs that end without an error."),
    Metric("code_valid", None, "Share of programs that give a grid for every input."),
    Metric("code_fits_k", None, "Share of train pairs that programs reproduce."),
    Metric("code_solves", None, "Share of programs that reproduce all train pairs."),
)

METRIC_TABLE: dict[str, Metric] = {m.name: m for m in (*_GRID_METRICS, *_OTHER_METRICS)}
"""Every built-in metric by name."""

METRICS = tuple(metric.name for metric in _GRID_METRICS)
"""Names of the metrics of candidates, in the order in which tables show them."""


def find_metric(name: str, extra: Sequence[Metric] = ()) -> Metric:
    """Return the metric of that name; an unknown one is a plain number, larger is better.

    Args:
        name: e.g. a column of a table.
        extra: metrics beside the built-in ones.
    """
    known = METRIC_TABLE | {metric.name: metric for metric in extra}
    return known.get(name) or Metric(name, None, "", percent=False)


def load_metrics(paths: Iterable[str]) -> list[Metric]:
    """Return the metrics that dotted paths name.

    Args:
        paths: e.g. ``"examples.custom_metric.NEARLY_RIGHT"``, each the path of a :class:`Metric`.

    Raises:
        ConfigError: there is no such object, it is no metric of candidates, or its name is taken.
    """
    option, found = "pass_n.metrics", list[Metric]()
    for path in paths:
        metric = import_object(path, option, "the dotted path of a Metric")
        if not isinstance(metric, Metric) or metric.function is None:
            raise ConfigError(
                f"{option}: not a metric",
                value=path,
                expected="an arcflow.scoring.metrics.Metric with a function",
                next_step="Write NAME = Metric('name', function, 'help') in the module.",
            )
        taken = [*METRIC_TABLE, *(other.name for other in found)]
        if metric.name in taken:
            raise ConfigError(
                f"{option}: {path} has a name that is taken",
                value=metric.name,
                expected=f"a name other than {', '.join(taken)}",
                next_step="Rename the metric.",
            )
        found.append(metric)
    return found


def pixel_share(grid: Grid | None, output: Grid) -> float:
    """Return the share of cells that are right, 0..1, or 0 without an answer of the right size."""
    if grid is None or grid.shape != output.shape:
        return 0.0
    return float(np.mean(grid == output))


def input_metrics(
    candidates: Sequence[Candidate], output: Grid, extra: Sequence[Metric] = ()
) -> dict[str, float]:
    """Return the metrics of one test input.

    Args:
        candidates: all answers to it; with none at all, every built-in metric is 0 and
            ``unanswered`` 1.
        output: the true answer.
        extra: metrics beside the built-in ones.

    Returns:
        All of :data:`METRICS`, each 0..1, as :data:`METRIC_TABLE` explains them, then ``extra``.
    """
    scored = ScoredInput(candidates, output)
    return {
        metric.name: float(metric.function(scored))
        for metric in (*_GRID_METRICS, *extra)
        if metric.function is not None
    }


def task_metrics(
    candidates: Iterable[Candidate],
    outputs: Sequence[Grid],
    task_id: str | None = None,
    extra: Sequence[Metric] = (),
) -> dict[str, float]:
    """Measures of one task: the mean over its test inputs.

    Args:
        candidates: the task's, of all its test inputs, in any order.
        outputs: the true answer to each test input, at least one.
        task_id: whose candidates they must be; None takes the first one's.
        extra: metrics beside the built-in ones.

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
    pairs = zip(by_input, outputs, strict=True)
    return mean_metrics([input_metrics(c, o, extra) for c, o in pairs])


def mean_metrics(
    rows: Iterable[Mapping[str, float]],
    inputs: Sequence[int] | None = None,
    extra: Sequence[Metric] = (),
) -> dict[str, float]:
    """Return the mean of each metric of the first row over all ``rows``; {} for none.

    It is the same in whatever order the rows come.

    Args:
        rows: the metrics of each task.
        inputs: the number of test inputs of each task, by which metrics ``over_inputs`` are
            weighted; None for tasks of one test input each.
        extra: metrics beside the built-in ones.
    """
    rows = list(rows)
    if not rows:
        return {}
    once = [1] * len(rows)
    weights = {
        name: inputs if inputs is not None and find_metric(name, extra).over_inputs else once
        for name in rows[0]
    }
    return {
        name: math.fsum(row[name] * n for row, n in zip(rows, of, strict=True)) / sum(of)
        for name, of in weights.items()
    }

"""The metrics of an evaluation as one torchmetrics metric."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torchmetrics import Metric as TorchMetric
from torchmetrics.utilities import dim_zero_cat

from arcflow.core.grid import Grid
from arcflow.scoring.metrics import METRICS, Metric, mean_metrics, task_metrics
from arcflow.scoring.voting import Candidate


def task_number(task_id: str) -> float:
    """Return 53 bits of a hash of the id: the same in every process, and exact in a float64."""
    digest = hashlib.blake2b(task_id.encode(), digest_size=8).digest()
    return float(int.from_bytes(digest, "big") >> 11)


class ARCMetrics(TorchMetric):
    """All of :data:`~arcflow.scoring.metrics.METRICS`, the mean over tasks or over test inputs.

    One row is kept for each task: a key made from its id, the number of its test inputs, and its
    metrics. A task that was fed more than
    once, as a sampler does that pads the ranks of a distributed evaluation to one length, counts
    once: the first row stands. The result is that of one process, to the last bit.

    Args:
        extra: metrics beside the built-in ones.
        kwargs: options of torchmetrics.
    """

    full_state_update = False
    higher_is_better = None
    is_differentiable = False
    rows: list[torch.Tensor] | torch.Tensor

    def __init__(self, extra: Sequence[Metric] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.extra = tuple(extra)
        self.names = (*METRICS, *(metric.name for metric in self.extra))
        # One flat float64 state: a rank that was fed nothing takes part in the gathering with an
        # empty 1-D tensor of the metric's dtype, which matches in kind and in dimensions.
        self.set_dtype(torch.float64)
        self.add_state("rows", default=[], dist_reduce_fx="cat", persistent=True)

    def update(
        self, task_id: str, candidates: Iterable[Candidate], outputs: Sequence[Grid]
    ) -> None:
        """Add one task.

        Args:
            task_id: its id.
            candidates: all its candidates; none where the task failed.
            outputs: the true answer to each of its test inputs.

        Raises:
            DataError: as :func:`~arcflow.scoring.metrics.task_metrics`.
        """
        measured = task_metrics(candidates, outputs, task_id, self.extra)
        row = [task_number(task_id), len(outputs), *(measured[name] for name in self.names)]
        state = self.rows if isinstance(self.rows, list) else [self.rows]
        self.rows = [*state, torch.tensor(row, dtype=torch.float64, device=self.device)]

    def compute(self) -> dict[str, float]:
        """Return each metric over the tasks that were added, or {} if there were none."""
        if len(self.rows) == 0:
            return {}
        first: dict[float, list[float]] = {}
        for key, *values in dim_zero_cat(self.rows).reshape(-1, 2 + len(self.names)).tolist():
            first.setdefault(key, values)
        rows = [dict(zip(self.names, values, strict=True)) for _, *values in first.values()]
        return mean_metrics(rows, [int(inputs) for inputs, *_ in first.values()], self.extra)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        # torchmetrics keeps its counter and its cached result out of the state: without this,
        # compute() after a resume warns of a metric never fed, or gives the old result.
        self._computed = None
        self._update_count = len(self.rows)

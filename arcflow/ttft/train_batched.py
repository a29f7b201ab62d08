"""The training loop of many adapters in one forward pass."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from arcflow.modules.batched_lora.adapters import BatchedAdapters
from arcflow.modules.batched_lora.attach import batched_adapters
from arcflow.modules.finite import first_not_finite
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.loss.causal_lm import causal_losses, probe_head
from arcflow.modules.optim import build_optimizer, build_schedule
from arcflow.text.encode import IGNORED_LABEL
from arcflow.ttft.train import (
    EarlyStop,
    Row,
    TunedAdapter,
    TuningConfig,
    TuningJob,
    TuningPlan,
    row_batch,
)

ForwardContext = Callable[[], AbstractContextManager[Any]]
"""Makes the context of forward passes, such as an autocast."""


def train_batched(
    plan: TuningPlan,
    config: LoRAConfig,
    jobs: Sequence[TuningJob],
    forward_context: ForwardContext,
) -> list[TunedAdapter]:
    """Train an adapter for each job; each equals what :func:`arcflow.ttft.train.train_alone`
    makes of its job.

    A step's row holds the rows of all adapters, one after the other; an adapter whose rows or
    steps have ended leaves, with its optimizer state, and the others go on. On the CPU (strategy
    "loop") an adapter's numbers are the same to the last bit whichever adapters are trained
    beside it.

    Args:
        plan: The model, in training mode and without dropout, and how adapters are trained.
        config: The shape of the adapters.
        jobs: One job for each adapter, with at least one step to take.
        forward_context: The autocast of forward passes.

    Returns:
        The trained adapters, in the order of the jobs.
    """
    model = plan.module.model
    probe_head(model)
    seeds = [job.seed for job in jobs]
    with batched_adapters(model, config, seeds, plan.start, plan.strategy) as adapters:
        return _Training(plan, adapters, jobs, forward_context).run()


@dataclass(eq=False)
class _Trainee:
    """One adapter that is still being trained."""

    place: int
    rows: Iterator[tuple[str, Row]]
    parameter: nn.Parameter
    early: EarlyStop
    steps: int = 0
    loss: float = 0.0


class _Optimizers:
    """One optimizer for all adapters whose schedules end at the same step."""

    def __init__(self, recipe: TuningConfig, totals: dict[nn.Parameter, int]) -> None:
        self._all = []
        for total in sorted(set(totals.values())):
            rows = nn.ParameterList([p for p, of in totals.items() if of == total])
            optimizer = build_optimizer(rows, recipe.optimizer)
            self._all.append(
                (optimizer, build_schedule(optimizer, recipe.schedule_over(total), total))
            )

    def step(self) -> None:
        for optimizer, schedule in self._all:
            optimizer.step()
            schedule.step()

    def drop(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Return the state of an adapter that ends, and forget it."""
        state: dict[str, Tensor] = {}
        for optimizer, _ in self._all:
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if p is not parameter]
            state |= optimizer.state.pop(parameter, {})
        return state


class _Training:
    """The state of one joint training: who is still trained, and what is finished."""

    def __init__(
        self,
        plan: TuningPlan,
        adapters: BatchedAdapters,
        jobs: Sequence[TuningJob],
        forward_context: ForwardContext,
    ) -> None:
        self.plan, self.adapters, self.forward_context = plan, adapters, forward_context
        recipe, parameters = plan.recipe, adapters.parameters
        totals = {p: job.steps(recipe) for p, job in zip(parameters, jobs, strict=True)}
        self.optimizers = _Optimizers(recipe, totals)
        self.trainees = [
            _Trainee(i, job.rows(plan.stream, recipe), parameters[i], EarlyStop(recipe))
            for i, job in enumerate(jobs)
        ]
        self.finished: dict[int, TunedAdapter] = {}

    def run(self) -> list[TunedAdapter]:
        """Train until no adapter has a row left, or the time is over."""
        expired, clip = self.plan.expired, self.plan.recipe.gradient_clip
        while self.trainees:
            if expired is not None and expired():
                break
            rows = [next(trainee.rows, None) for trainee in self.trainees]
            self._end([t for t, row in zip(self.trainees, rows, strict=True) if row is None])
            given = [row for row in rows if row is not None]
            if not given:
                break
            losses = self._backward([row for _, row in given])
            if clip > 0:
                self.adapters.clip(clip)
            self.optimizers.step()
            self.adapters.zero_grad()
            for trainee in self.trainees:
                trainee.steps += 1
            self._after_step([task_id for task_id, _ in given], losses)
        self._end(list(self.trainees))
        return [self.finished[i] for i in sorted(self.finished)]

    def _backward(self, rows: Sequence[Row]) -> Tensor:
        """Compute the gradients of one step, and return each adapter's loss."""
        model = self.plan.module.model
        batch = row_batch([example for row in rows for example in row], torch.device("cpu"))
        tokens = [sum(len(example.input_ids) for example in row) for row in rows]
        labels = batch["labels"][0].split(tokens)
        scored = [int((of_one != IGNORED_LABEL).sum()) for of_one in labels]
        self.adapters.place(tokens, scored)
        batch = {key: tensor.to(model.device) for key, tensor in batch.items()}
        with self.forward_context():
            loss, losses = causal_losses(model, batch, scored)
        torch.autograd.backward(loss)
        self.adapters.complete_grad()
        return losses

    def _after_step(self, task_ids: Sequence[str], losses: Tensor) -> None:
        """Report the losses, and end the adapters whose loss is low enough or not finite."""
        on_step, ended = self.plan.on_step, []
        if not self.plan.looks_at_losses:
            return
        for trainee, task_id, loss in zip(self.trainees, task_ids, losses.tolist(), strict=True):
            trainee.loss = loss
            if on_step is not None:
                on_step(task_id, trainee.steps - 1, loss)
            if not math.isfinite(loss) or trainee.early(loss):
                ended.append(trainee)
        self._end(ended)

    def _end(self, ended: Sequence[_Trainee]) -> None:
        """Keep what these adapters have become; the others go on without them."""
        for trainee in ended:
            state = self.optimizers.drop(trainee.parameter)
            tensors = self.adapters.named(trainee.parameter)
            self.finished[trainee.place] = TunedAdapter(
                tensors,
                trainee.steps,
                _by_name(self.adapters, state) if self.plan.moments else {},
                math.isfinite(trainee.loss) and first_not_finite(tensors) is None,
            )
        keep = [i for i, trainee in enumerate(self.trainees) if trainee not in ended]
        self.trainees = [self.trainees[i] for i in keep]
        if ended and keep:
            self.adapters.leave(keep)


def _by_name(adapters: BatchedAdapters, state: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the optimizer state by tensor name and key, as an adapter of separate tensors has
    it."""
    named: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        whole = value.numel() > 1
        parts = adapters.named(value) if whole else None
        for name in adapters.names:
            named.setdefault(name, {})[key] = value.cpu().clone() if parts is None else parts[name]
    return named

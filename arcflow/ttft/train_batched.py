"""The training loop of many adapters in one forward pass."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.modules.batched_lora.adapters import BatchedAdapters
from arcflow.modules.batched_lora.attach import batched_adapters
from arcflow.modules.batched_lora.low_rank import Strategy
from arcflow.modules.lora.adapters import LoRAConfig, State
from arcflow.modules.loss.causal_lm import causal_losses, probe_head
from arcflow.modules.optim import build_optimizer, build_schedule
from arcflow.text.encode import IGNORED_LABEL
from arcflow.ttft.leave_one_out import TuningSamples
from arcflow.ttft.train import (
    EarlyStop,
    OnStep,
    Row,
    TunedAdapter,
    TuningConfig,
    TuningJob,
    row_batch,
)


@dataclass(eq=False)
class _Learner:
    """One adapter that is still being trained."""

    place: int
    rows: Iterator[tuple[str, Row]]
    parameter: nn.Parameter
    early: EarlyStop
    steps: int = 0


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


def train_batched(
    model: PreTrainedModel,
    config: LoRAConfig,
    start: State | None,
    jobs: Sequence[TuningJob],
    stream: TuningSamples,
    recipe: TuningConfig,
    forward_context: Callable[[], AbstractContextManager[Any]],
    on_step: OnStep | None = None,
    expired: Callable[[], bool] | None = None,
    moments: bool = False,
    strategy: Strategy | None = None,
) -> list[TunedAdapter]:
    """Train an adapter for each job; each becomes what :func:`arcflow.ttft.train.learn` makes of
    it alone.

    A step's row holds the rows of all adapters, one after the other; an adapter whose rows or
    steps have ended leaves, with its optimizer state, and the others go on. On the CPU (strategy
    "loop") an adapter's numbers are the same to the last bit whoever learns beside it.

    Args:
        model: in training mode, without dropout.
        config: the adapters' shape.
        start: first values of all of them; None draws each one's with its job's seed.
        jobs: one an adapter; each has at least a step to take.
        stream: makes the rows.
        recipe: how they learn.
        forward_context: the forward pass's autocast.
        on_step: told of every adapter's every step.
        expired: asked before each step; True ends all with what there is.
        moments: return the optimizer's state too.
        strategy: see :func:`arcflow.modules.batched_lora.attach.batched_adapters`.
    """
    probe_head(model)
    found: dict[int, TunedAdapter] = {}
    with batched_adapters(model, config, [job.seed for job in jobs], start, strategy) as adapters:
        totals = {p: job.steps(recipe) for p, job in zip(adapters.parameters, jobs, strict=True)}
        optimizers = _Optimizers(recipe, totals)
        learners = [
            _Learner(i, job.rows(stream, recipe), adapters.parameters[i], EarlyStop(recipe))
            for i, job in enumerate(jobs)
        ]

        def end(ended: Sequence[_Learner]) -> None:
            for learner in ended:
                state = optimizers.drop(learner.parameter)
                found[learner.place] = TunedAdapter(
                    adapters.named(learner.parameter),
                    learner.steps,
                    _by_name(adapters, state) if moments else {},
                )
            keep = [i for i, learner in enumerate(learners) if learner not in ended]
            learners[:] = [learners[i] for i in keep]
            if ended and keep:
                adapters.leave(keep)

        while learners:
            if expired is not None and expired():
                break
            rows = [next(learner.rows, None) for learner in learners]
            end([learner for learner, row in zip(learners, rows, strict=True) if row is None])
            given = [row for row in rows if row is not None]
            if not given:
                break
            losses = _step(model, adapters, [row for _, row in given], forward_context)
            if recipe.gradient_clip > 0:
                adapters.clip(recipe.gradient_clip)
            optimizers.step()
            adapters.zero_grad()
            for learner in learners:
                learner.steps += 1
            if on_step is None and recipe.stop_loss == 0:
                continue
            low = []
            told = zip(learners, given, losses.tolist(), strict=True)
            for learner, (task_id, _), loss in told:
                if on_step is not None:
                    on_step(task_id, learner.steps - 1, loss)
                if recipe.stop_loss > 0 and learner.early(loss):
                    low.append(learner)
            end(low)
        end(list(learners))
    return [found[i] for i in range(len(jobs))]


def _step(
    model: PreTrainedModel,
    adapters: BatchedAdapters,
    rows: Sequence[Row],
    forward_context: Callable[[], AbstractContextManager[Any]],
) -> Tensor:
    """Compute the gradients of one step, and return each adapter's loss."""
    batch = row_batch([example for row in rows for example in row], torch.device("cpu"))
    tokens = [sum(len(example.input_ids) for example in row) for row in rows]
    scored = [int((labels != IGNORED_LABEL).sum()) for labels in batch["labels"][0].split(tokens)]
    adapters.place(tokens, scored)
    batch = {key: tensor.to(model.device) for key, tensor in batch.items()}
    with forward_context():
        loss, losses = causal_losses(model, batch, scored)
    torch.autograd.backward(loss)
    adapters.complete_grad()
    return losses


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

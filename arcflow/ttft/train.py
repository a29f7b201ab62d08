"""The training loop of test-time fine-tuning: one set of parameters, one job's samples."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.core.task import Task
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig, build_optimizer, build_schedule
from arcflow.text.encode import Example
from arcflow.text.pack import pack_examples
from arcflow.ttft.isolation import Precision
from arcflow.ttft.leave_one_out import TuningSamples

_log = logging.getLogger(__name__)

OnStep = Callable[[str, int, float], None]
"""Called with task id, step (from 0) and the step's mean loss in nats a scored token."""

Row = Sequence[Example]

ComputeLoss = Callable[[Mapping[str, Tensor]], tuple[Tensor, int]]
"""Gives a batch's mean loss and number of scored tokens, as ``LoRAModule.compute_loss`` does."""


@dataclass(frozen=True)
class TuningConfig:
    """How test-time fine-tuning learns; its fields are options of
    :class:`arcflow.ttft.tuner.Tuner`.

    Attributes:
        steps: optimizer steps a task.
        tokens_per_step: tokens of one step's row.
        optimizer: made anew for each job.
        schedule: over all steps of a job.
        gradient_clip: largest norm of a step's gradient; 0 leaves it.
        stop_loss: a job ends once the mean loss of its last steps is at or below this; 0 never.
        stop_window: how many steps that mean is over.
    """

    steps: int
    tokens_per_step: int
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    gradient_clip: float = 1.0
    stop_loss: float = 0.0
    stop_window: int = 8

    def schedule_over(self, steps: int) -> ScheduleConfig:
        """Return the schedule, its warm-up shortened if so few steps are left that it would not
        end."""
        warmup = self.schedule.warmup_steps or self.schedule.warmup_ratio * steps
        if steps > 1 and warmup <= steps - 1:
            return self.schedule
        return replace(self.schedule, warmup_steps=max(0, steps - 1), warmup_ratio=0.0)


@dataclass(frozen=True)
class TuningJob:
    """The tasks that one set of parameters learns from.

    Attributes:
        tasks: in turn, a row each; usually one.
        seed: of first values and dropout.
    """

    tasks: tuple[Task, ...]
    seed: int

    def rows(self, stream: TuningSamples, recipe: TuningConfig) -> Iterator[tuple[str, Row]]:
        """Yield task ids and rows: ``recipe.steps`` of each task, the tasks in turn.

        A task whose rows end early drops out, and a warning says so unless it has a single
        train pair, which is known beforehand.
        """
        turn = [
            (task, islice(stream.rows(task, recipe.tokens_per_step), recipe.steps))
            for task in self.tasks
        ]
        done = dict.fromkeys((task.id for task in self.tasks), 0)
        while turn:
            left = []
            for task, rows in turn:
                row = next(rows, None)
                if row is not None:
                    left.append((task, rows))
                    done[task.id] += 1
                    yield task.id, row
                elif done[task.id] < recipe.steps and len(task.train) > 1:
                    _log.warning(
                        "task %s: test-time fine-tuning ended after %d of %d steps, for want of a "
                        "view that fits.",
                        task.id,
                        done[task.id],
                        recipe.steps,
                    )
            turn = left

    def steps(self, recipe: TuningConfig) -> int:
        """Return the optimizer steps: each task that has something to leave out gives
        ``recipe.steps``."""
        return recipe.steps * sum(len(task.train) > 1 for task in self.tasks)


@dataclass(frozen=True, eq=False)
class TunedAdapter:
    """The result of a tuning job.

    Attributes:
        state: the parameters by name, on the CPU.
        steps: optimizer steps taken.
        moments: the optimizer's state by parameter name and key (``exp_avg``, ``step``, ...),
            where it was asked for.
    """

    state: dict[str, Tensor]
    steps: int
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)


class EarlyStop:
    """A test of whether the mean loss of the last steps is low enough to end."""

    def __init__(self, recipe: TuningConfig) -> None:
        self._most = recipe.stop_loss
        self._last: deque[float] = deque(maxlen=recipe.stop_window)

    def __call__(self, loss: float) -> bool:
        """Note a step's loss, and return whether training ends."""
        self._last.append(loss)
        full = len(self._last) == self._last.maxlen
        return full and self._most > 0 and sum(self._last) / len(self._last) <= self._most


def row_batch(examples: Row, device: torch.device) -> dict[str, Tensor]:
    """Return a packed row as the model is called with it: int64 tensors of shape (1, T)."""
    packed = pack_examples(examples)
    return {
        key: torch.from_numpy(getattr(packed, key))[None].to(device)
        for key in ("input_ids", "labels", "position_ids")
    }


def learn(
    model: PreTrainedModel,
    compute_loss: ComputeLoss,
    parameters: Mapping[str, nn.Parameter],
    job: TuningJob,
    stream: TuningSamples,
    recipe: TuningConfig,
    precision: Precision,
    on_step: OnStep | None = None,
    expired: Callable[[], bool] | None = None,
    moments: bool = False,
) -> TunedAdapter:
    """Train ``parameters`` of the model on a job's rows, and return what was learned.

    Args:
        model: in training mode.
        compute_loss: the loss of a batch, computed with this model.
        parameters: those that learn, by the name they get in the result.
        job: tasks, answers hidden.
        stream: makes the rows.
        recipe: how.
        precision: see :func:`arcflow.ttft.isolation.precision`.
        on_step: told of every step.
        expired: asked before each step; True ends with what there is.
        moments: return the optimizer's state too.
    """
    forward_context, scaler = precision
    total, done = job.steps(recipe), 0
    learning = list(parameters.values())
    optimizer = build_optimizer(model, recipe.optimizer, learning)
    schedule = build_schedule(optimizer, recipe.schedule_over(max(total, 1)), max(total, 1))
    early = EarlyStop(recipe)
    for task_id, row in job.rows(stream, recipe):
        if expired is not None and expired():
            break
        with forward_context():
            loss, _ = compute_loss(row_batch(row, model.device))
        torch.autograd.backward(scaler.scale(loss))
        if recipe.gradient_clip > 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(learning, recipe.gradient_clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        schedule.step()
        done += 1
        if on_step is not None:
            on_step(task_id, done - 1, loss.item())
        if recipe.stop_loss > 0 and early(loss.item()):
            break
    state = {name: p.detach().to("cpu", copy=True) for name, p in parameters.items()}
    kept = {}
    if moments:
        kept = {
            name: {key: value.detach().cpu().clone() for key, value in optimizer.state[p].items()}
            for name, p in parameters.items()
        }
    return TunedAdapter(state, done, kept)

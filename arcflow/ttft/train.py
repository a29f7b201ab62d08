"""The training loop of test-time fine-tuning: one set of parameters, one job's samples."""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import torch
from torch import Tensor, nn

from arcflow.core.task import Task
from arcflow.modules.batched_lora.low_rank import Strategy
from arcflow.modules.finite import first_not_finite
from arcflow.modules.lora.config import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig, build_optimizer, build_schedule
from arcflow.text.encode import Example
from arcflow.text.pack import pack_examples
from arcflow.ttft.isolation import Precision
from arcflow.ttft.leave_one_out import TuningSamples

_log = logging.getLogger(__name__)

OnStep = Callable[[str, int, float], None]
"""Called with task id, step (from 0) and the step's mean loss in nats a scored token."""

Row = Sequence[Example]


@dataclass(frozen=True)
class TuningConfig:
    """The options of a training loop of test-time fine-tuning; its fields are options of
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
    """The tasks that one set of parameters is trained on.

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
                        "task %s: test-time fine-tuning ended after %d of %d steps, because no "
                        "further view of it fits data.max_tokens.",
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
        finite: whether its losses and parameters are finite; otherwise training diverged.
    """

    state: dict[str, Tensor]
    steps: int
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    finite: bool = True


@dataclass(frozen=True, eq=False)
class TuningPlan:
    """What the tuning jobs of a task batch have in common.

    Attributes:
        module: The module whose model is trained.
        config: The shape of the adapters; None trains all weights.
        start: The first values of the adapters; None draws them.
        stream: The samples, in rows.
        recipe: The options of the training loop.
        on_step: Called after every step of every adapter.
        expired: Called before each step; True ends training with what there is.
        moments: Whether the optimizer's state is returned too.
        strategy: How the slices of a joint row are multiplied; None takes what suits the device,
            see :func:`arcflow.modules.batched_lora.attach.batched_adapters`.
        together: Whether a single job, too, takes the joint pass, so that its result does not
            depend on how jobs are grouped.
    """

    module: LoRAModule
    config: LoRAConfig | None
    start: Mapping[str, Tensor] | None
    stream: TuningSamples
    recipe: TuningConfig
    on_step: OnStep | None = None
    expired: Callable[[], bool] | None = None
    moments: bool = False
    strategy: Strategy | None = None
    together: bool = False

    @property
    def looks_at_losses(self) -> bool:
        """Whether the losses of each step are read from the device."""
        return self.on_step is not None or self.recipe.stop_loss > 0


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


def train_alone(
    plan: TuningPlan, parameters: Mapping[str, nn.Parameter], job: TuningJob, precision: Precision
) -> TunedAdapter:
    """Train parameters of the plan's model on the rows of one job.

    Args:
        plan: The model, in training mode, and how it is trained.
        parameters: The parameters to train, by the names that they get in the result.
        job: The tasks, answers hidden.
        precision: As :func:`arcflow.ttft.isolation.precision` returns it.

    Returns:
        The trained values and the number of steps.
    """
    recipe, (forward_context, scaler) = plan.recipe, precision
    total, done = max(job.steps(recipe), 1), 0
    trained = list(parameters.values())
    optimizer = build_optimizer(plan.module.model, recipe.optimizer, trained)
    schedule = build_schedule(optimizer, recipe.schedule_over(total), total)
    early, loss = EarlyStop(recipe), torch.zeros(())
    for task_id, row in job.rows(plan.stream, recipe):
        if plan.expired is not None and plan.expired():
            break
        with forward_context():
            loss, _ = plan.module.compute_loss(row_batch(row, plan.module.model.device))
        torch.autograd.backward(scaler.scale(loss))
        if recipe.gradient_clip > 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(trained, recipe.gradient_clip)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        schedule.step()
        done += 1
        if plan.on_step is not None:
            plan.on_step(task_id, done - 1, loss.item())
        # Where nobody asks for the losses, one that is not finite shows in the parameters.
        if plan.looks_at_losses and (not math.isfinite(loss.item()) or early(loss.item())):
            break
    state = {name: p.detach().to("cpu", copy=True) for name, p in parameters.items()}
    moments = {}
    if plan.moments:
        moments = {
            name: {key: value.detach().cpu().clone() for key, value in optimizer.state[p].items()}
            for name, p in parameters.items()
        }
    finite = math.isfinite(loss.item()) and first_not_finite(state) is None
    return TunedAdapter(state, done, moments, finite)

"""Jobs of test-time fine-tuning, alone or together, on a model that is left as it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from arcflow.modules.batched_lora.low_rank import Strategy
from arcflow.modules.lora.adapters import LoRAConfig, State, adapter_parameters, temporary_adapter
from arcflow.modules.lora.full_weights import trainable_weights
from arcflow.modules.lora_module import LoRAModule
from arcflow.ttft.isolation import isolated_random_state, precision, training_mode
from arcflow.ttft.leave_one_out import TuningSamples
from arcflow.ttft.train import OnStep, TunedAdapter, TuningConfig, TuningJob, learn
from arcflow.ttft.train_batched import train_batched

_NAME = "test_time"


@dataclass(frozen=True, eq=False)
class TuningPlan:
    """What the tuning jobs of a task batch have in common.

    Attributes:
        module: whose model learns.
        config: the adapters' shape; None trains all weights.
        start: the adapters' first values; None draws them.
        stream: makes the rows.
        recipe: how they learn.
        on_step: told of every step.
        expired: asked before each step; True ends learning with what there is.
        moments: return the optimizer's state too.
        strategy: how the slices of a joint row are multiplied; None takes what suits the device.
        together: a single job, too, takes the joint pass, so that what is learned does not depend
            on how jobs are grouped.
    """

    module: LoRAModule
    config: LoRAConfig | None
    start: State | None
    stream: TuningSamples
    recipe: TuningConfig
    on_step: OnStep | None = None
    expired: Callable[[], bool] | None = None
    moments: bool = False
    strategy: Strategy | None = None
    together: bool = False


def train_jobs(plan: TuningPlan, jobs: Sequence[TuningJob]) -> list[TunedAdapter]:
    """Train an adapter for each job, several in one forward pass or one alone, and return them.

    A single job goes through PEFT's own layers, which the joint pass is tested against, unless the
    plan says otherwise.

    Args:
        plan: model, shape and recipe.
        jobs: each has a step to take.
    """
    model, config, start = plan.module.model, plan.config, plan.start
    autocast = precision(plan.module)

    def alone(parameters: Mapping[str, nn.Parameter]) -> list[TunedAdapter]:
        return [
            learn(
                model,
                plan.module.compute_loss,
                parameters,
                jobs[0],
                plan.stream,
                plan.recipe,
                autocast,
                plan.on_step,
                plan.expired,
                plan.moments,
            )
        ]

    with (
        isolated_random_state(model.device, jobs[0].seed),
        training_mode(model),
        torch.enable_grad(),
    ):
        if config is None:
            with trainable_weights(model) as weights:
                return alone(weights)
        if len(jobs) == 1 and not plan.together:
            with temporary_adapter(model, config, _NAME, start, jobs[0].seed):
                return alone(adapter_parameters(model, _NAME))
        return train_batched(
            model,
            config,
            start,
            jobs,
            plan.stream,
            plan.recipe,
            autocast[0],
            plan.on_step,
            plan.expired,
            plan.moments,
            plan.strategy,
        )

"""Jobs of test-time fine-tuning, alone or together, on a model that is left as it was."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from arcflow.modules.lora.adapters import adapter_parameters, temporary_adapter
from arcflow.modules.lora.full_weights import trainable_weights
from arcflow.ttft.isolation import isolated_random_state, precision, training_mode
from arcflow.ttft.train import TunedAdapter, TuningJob, TuningPlan, train_alone
from arcflow.ttft.train_batched import train_batched

_NAME = "test_time"


def train_jobs(plan: TuningPlan, jobs: Sequence[TuningJob]) -> list[TunedAdapter]:
    """Train an adapter for each job, several in one forward pass or one alone, and return them.

    A single job goes through PEFT's own layers, which the joint pass is tested against, unless the
    plan says otherwise.

    Args:
        plan: model, shape and recipe.
        jobs: each has a step to take.
    """
    model, config = plan.module.model, plan.config
    autocast = precision(plan.module)

    def alone(parameters: Mapping[str, nn.Parameter]) -> list[TunedAdapter]:
        return [train_alone(plan, parameters, jobs[0], autocast)]

    with (
        isolated_random_state(model.device, jobs[0].seed),
        training_mode(model),
        torch.enable_grad(),
    ):
        if config is None:
            with trainable_weights(model) as weights:
                return alone(weights)
        if len(jobs) == 1 and not plan.together:
            with temporary_adapter(model, config, _NAME, plan.start, jobs[0].seed):
                return alone(adapter_parameters(model, _NAME))
        return train_batched(plan, config, jobs, autocast[0])

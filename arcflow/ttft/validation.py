"""What test-time fine-tuning refuses, before any time is spent."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import nn

from arcflow.core.errors import ConfigError, located
from arcflow.core.task import Task
from arcflow.modules.batched_lora.attach import check_batchable
from arcflow.modules.lora.adapters import LoRAConfig, is_quantized, temporary_adapter
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, build_optimizer, schedule_ratio
from arcflow.ttft.train import TuningConfig

Tuned = Literal["continue", "fresh", "all"]


def check_least(options: dict[str, tuple[Any, float]]) -> None:
    """Refuse numbers that are too small.

    Args:
        options: value and least value by name.
    """
    for name, (value, least) in options.items():
        if not value >= least:
            raise ConfigError(
                f"test_time.{name} is too small",
                value=value,
                expected=f"at least {least}",
                next_step=f"Set --test_time.{name} {least} or more.",
            )


def inference_mode_error() -> ConfigError:
    """Return the error for a trainer that switched gradients off."""
    return ConfigError(
        "test-time fine-tuning needs gradients, and the trainer switched them off",
        value="trainer.inference_mode: true",
        expected="trainer.inference_mode: false",
        next_step="Set --trainer.inference_mode false, or Trainer(inference_mode=False).",
    )


def suited(
    module: LightningModule, tune: Tuned, lora: LoRAConfig | None
) -> tuple[LoRAModule, LoRAConfig | None]:
    """Return the module, and the shape of its tasks' adapters, or None if all weights are tuned.

    Raises:
        ConfigError: the options do not suit the module.
    """
    if not isinstance(module, LoRAModule):
        raise ConfigError(
            "test-time fine-tuning: the module has no adapters",
            value=type(module).__name__,
            expected="a LoRAModule, or a subclass of it",
            next_step="Set --test_time.steps 0, or derive the module from LoRAModule.",
        )
    trained = module.lora
    if tune == "all":
        if is_quantized(module.model):
            raise ConfigError(
                "test_time.mode: quantized weights cannot be trained",
                value=tune,
                expected="continue or fresh with backbone.quantization",
                next_step="Set --test_time.mode continue, or backbone.quantization none.",
            )
        return module, None
    if trained is None:
        return module, lora or LoRAConfig()
    if tune == "continue":
        if lora is not None and lora.spec() != trained.spec():
            raise ConfigError(
                "test_time.lora: a copy of the trained adapter keeps its shape",
                value=lora.spec(),
                expected=f"null, or as trained: {trained.spec()}",
                next_step="Remove test_time.lora, or set --test_time.mode fresh.",
            )
        return module, trained
    if trained.changes_base:
        raise ConfigError(
            "test_time.mode: the trained adapter's init took its part out of the base weights",
            value=tune,
            expected=f"continue, after training with lora.init: {trained.init}",
            next_step="Set --test_time.mode continue.",
        )
    return module, lora or trained


def check_loss(module: LoRAModule) -> None:
    """Refuse a module that trains with another step than the one that tuning would take.

    Raises:
        ConfigError: ``training_step`` is overridden and ``compute_loss`` is not, although tuning
            calls only the latter.
    """
    of = type(module)
    steps = of.training_step is not LoRAModule.training_step
    if steps and of.compute_loss is LoRAModule.compute_loss:
        raise ConfigError(
            "test-time fine-tuning: the module overrides training_step, which tuning does not call",
            value=of.__name__,
            expected="compute_loss overridden, which training, validation and tuning all use",
            next_step="Move what changes the loss to compute_loss or model.loss_fn, and the rest "
            "to another hook, such as on_train_batch_end; or set --test_time.steps 0.",
        )


def check_recipe(recipe: TuningConfig) -> None:
    """Refuse an optimizer or a schedule that does not work.

    Raises:
        ConfigError: numbers out of range, a warm-up longer than the steps, bitsandbytes missing.
    """
    schedule_ratio(recipe.schedule, recipe.steps, "test_time.steps")
    with located("test_time", ".", ConfigError):
        # Of zeros: a layer would draw its first values from the global random state.
        build_optimizer(nn.ParameterList([torch.zeros(1, 1)]), recipe.optimizer)


def check_attaches(module: LoRAModule, config: LoRAConfig) -> None:
    """Refuse adapters that the model cannot carry, by putting one on and taking it off."""
    init = "default" if config.changes_base else config.init
    probe = LoRAConfig(**(vars(config) | {"init": init}))
    with torch.inference_mode(False), temporary_adapter(module.model, probe, trainable=False):
        pass


def check_together(
    module: LoRAModule, config: LoRAConfig | None, optimizer: OptimizerConfig
) -> None:
    """Refuse what cannot be trained in one forward pass.

    Raises:
        ConfigError: whole weights, a custom loss, DoRA, dropout, an 8-bit optimizer, or float16
            with its scaler.
    """
    one_by_one = "Set --test_time.tasks_together 1"
    if config is None:
        raise ConfigError(
            "test_time.tasks_together: all weights are tuned one task at a time",
            value="mode: all",
            expected="adapters (mode: continue or fresh)",
            next_step=f"{one_by_one}.",
        )
    if module.custom_loss is not None:
        raise ConfigError(
            "test_time.tasks_together: a loss of your own trains adapters one by one, since a "
            "joint pass computes the cross entropy of all of them at once",
            value=module.custom_loss["class_path"],
            expected="the default loss (model.loss_fn: null)",
            next_step=f"{one_by_one}, or leave out model.loss_fn.",
        )
    check_batchable(module.model, config)
    if optimizer.name != "adamw":
        # Its state is quantized in blocks, which would not be those of an adapter alone.
        raise ConfigError(
            "test_time.tasks_together: an 8-bit optimizer trains adapters one by one",
            value=optimizer.name,
            expected="test_time.optimizer.name: adamw",
            next_step=f"{one_by_one}, or --test_time.optimizer.name adamw.",
        )
    if module._trainer is not None and module._trainer.precision_plugin.precision == "16-mixed":
        raise ConfigError(
            "test_time.tasks_together: float16 needs a loss scale for each adapter",
            value="trainer.precision: 16-mixed",
            expected="bf16-mixed or 32-true",
            next_step=f"{one_by_one}, or --trainer.precision bf16-mixed.",
        )


def check_task_batches(tasks_per_adapter: int, task_batch_size: int) -> None:
    """Refuse adapters shared by more tasks than are tuned at a time."""
    if tasks_per_adapter > task_batch_size:
        raise ConfigError(
            "test_time.tasks_per_adapter: tasks that share an adapter are tuned in one task batch",
            value=tasks_per_adapter,
            expected=f"at most data.task_batch_size ({task_batch_size}), or 0 for one adapter a "
            "task batch",
            next_step=f"Set --data.task_batch_size {tasks_per_adapter}, or fewer tasks an adapter.",
        )


def single_pair_tasks(tasks: Sequence[Task]) -> list[str]:
    """Return the ids of the tasks with a single train pair: there is nothing to leave out."""
    return [task.id for task in tasks if len(task.train) < 2]

"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from arcflow.core.errors import ConfigError
from arcflow.modules.sharding import is_vector


@dataclass
class OptimizerConfig:
    """The options of the optimizer.

    Attributes:
        name: "adamw" (torch's own), or with its state in 8 bits "adamw_8bit", and
            "paged_adamw_8bit", whose state moves to CPU memory when the GPU's runs out; both
            need pip install "arcflow[bnb]".
        lr: peak learning rate.
        betas: decay rates of the running mean and square of the gradient.
        weight_decay: decoupled decay; embeddings, norms and biases are exempt.
        eps: added to the denominator.
    """

    name: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = "adamw"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    eps: float = 1e-8


@dataclass
class ScheduleConfig:
    """The options of the learning rate over trainer.max_steps (test_time.steps) optimizer steps.

    Attributes:
        name: shape after the warm-up: "linear" or "cosine" down to min_ratio,
            "cosine_with_restarts" the same several times, or "constant".
        warmup_steps: steps of linear rise to the peak.
        warmup_ratio: the same as a share of all steps; only one of the two.
        cycles: number of descents of "cosine_with_restarts".
        min_ratio: lowest learning rate, as a share of the peak.
    """

    name: Literal["linear", "cosine", "cosine_with_restarts", "constant"] = "cosine"
    warmup_steps: int = 0
    warmup_ratio: float = 0.0
    cycles: int = 1
    min_ratio: float = 0.0


def build_optimizer(
    model: nn.Module, config: OptimizerConfig, params: list[nn.Parameter] | None = None
) -> torch.optim.Optimizer:
    """Build the optimizer of a model's trainable parameters.

    Args:
        model: The model; embeddings, norms and biases in it are exempt from weight decay.
        config: The options of the optimizer.
        params: The parameters to train, those that require a gradient; None takes all of the
            model's.

    Returns:
        The optimizer.

    Raises:
        ConfigError: If a number is out of range, if there is nothing to train, or if bitsandbytes
            is needed and missing.
    """
    _check_optimizer(config)
    groups = _parameter_groups(model, config.weight_decay, params)
    if not groups:
        raise ConfigError(
            "optimizer: nothing to train",
            value="no parameter requires a gradient",
            expected="at least one",
            next_step="Give model.lora, or set it to null to train all weights.",
        )
    kwargs: dict[str, Any] = {"lr": config.lr, "betas": tuple(config.betas), "eps": config.eps}
    if config.name != "adamw":
        return _adamw_8bit(groups, config.name, kwargs)
    # One kernel for all parameters: many small ones cost more in calls than in arithmetic.
    fused = torch.optim.AdamW(groups, fused=True, **kwargs)
    # The fused step could undo a loss scale itself, and Lightning then refuses to clip
    # gradients. With False the gradient scaler undoes the scale before the step.
    fused._step_supports_amp_scaling = False
    return fused


def _check_optimizer(config: OptimizerConfig) -> None:
    """Refuse numbers that are out of range."""
    for name, value, right, expected in (
        ("lr", config.lr, 0 < config.lr < math.inf, "a finite number above 0"),
        ("betas", config.betas, all(0 <= b < 1 for b in config.betas), "two numbers in [0, 1)"),
        (
            "weight_decay",
            config.weight_decay,
            0 <= config.weight_decay < math.inf,
            "a finite number from 0 up",
        ),
        ("eps", config.eps, 0 < config.eps < math.inf, "a finite number above 0"),
    ):
        _check(f"optimizer.{name}", value, right, expected)


def _adamw_8bit(
    groups: list[dict[str, Any]], name: str, kwargs: dict[str, Any]
) -> torch.optim.Optimizer:
    try:
        from bitsandbytes.optim import AdamW8bit, PagedAdamW8bit
    except ImportError as error:
        raise ConfigError(
            "optimizer.name: bitsandbytes is not installed",
            value=name,
            expected="adamw without bitsandbytes",
            next_step='Install it with: pip install "arcflow[bnb]"',
        ) from error
    made: torch.optim.Optimizer = (AdamW8bit if name == "adamw_8bit" else PagedAdamW8bit)(
        groups, **kwargs
    )
    return made


def _parameter_groups(
    model: nn.Module, weight_decay: float, params: list[nn.Parameter] | None
) -> list[dict[str, Any]]:
    """Return a decayed and an exempt group (embeddings, norms, biases) without empty ones."""
    wanted = {id(p) for p in (model.parameters() if params is None else params)}
    embeddings = {
        id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()
    }
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for p in model.parameters():
        if p.requires_grad and id(p) in wanted:
            (exempt if is_vector(p) or id(p) in embeddings else decayed).append(p)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": exempt, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def build_schedule(
    optimizer: torch.optim.Optimizer,
    config: ScheduleConfig,
    total_steps: int,
    option: str = "trainer.max_steps",
) -> LambdaLR:
    """Build the learning-rate schedule, which is stepped once per optimizer step.

    Args:
        optimizer: The optimizer, whose learning rate is the peak.
        config: The options of the schedule.
        total_steps: The number of optimizer steps.
        option: The option that this number comes from, for messages.

    Returns:
        The schedule.

    Raises:
        ConfigError: If a number is out of range, or ``total_steps`` is below 1.
    """
    return LambdaLR(optimizer, schedule_ratio(config, total_steps, option))


def group_options(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the options of an optimizer's parameter groups, as they are configured now.

    Args:
        optimizer: The optimizer, before a checkpoint is loaded into it.
    """
    names = ("lr", "betas", "eps", "weight_decay")
    return [{name: group[name] for name in names} for group in optimizer.param_groups]


def set_group_options(schedules: Iterable[object], options: Sequence[Mapping[str, Any]]) -> None:
    """Give optimizers their configured options back, and the learning rate of the next step.

    A checkpoint brings the options that it was written under, which would win over those of this
    run, and the learning rate of the old schedule. At the end of a run that is 0, and the first
    step of a run that continues over more steps would have no effect.

    Args:
        schedules: The schedules, at the step that is next; only those of this module are set.
        options: What :func:`group_options` returned for their optimizer.
    """
    for schedule in schedules:
        if not isinstance(schedule, LambdaLR):
            continue
        schedule.base_lrs = [of_group["lr"] for of_group in options]
        for i, group in enumerate(schedule.optimizer.param_groups):
            peak = options[i]["lr"]
            rate = peak * schedule.lr_lambdas[i](schedule.last_epoch)
            group.update(options[i], initial_lr=peak, lr=rate)


def schedule_ratio(
    config: ScheduleConfig, total_steps: int, option: str = "trainer.max_steps"
) -> Callable[[int], float]:
    """Return the function that gives the learning rate, as a share of its peak, for each step.

    Args:
        config: The options of the schedule.
        total_steps: The number of optimizer steps.
        option: The option that this number comes from, for messages.

    Returns:
        A function of the optimizer step, of which 0 is the first.

    Raises:
        ConfigError: If a number is out of range, or ``total_steps`` is below 1.
    """
    if total_steps < 1:
        raise ConfigError(
            f"{option}: the schedule needs to know where it ends",
            value=total_steps,
            expected="a number of optimizer steps from 1 up",
            next_step=f"Set --{option}; training streams are endless.",
        )
    _check("schedule.warmup_steps", config.warmup_steps, config.warmup_steps >= 0, "0 or more")
    _check("schedule.cycles", config.cycles, config.cycles >= 1, "1 or more")
    for field in ("warmup_ratio", "min_ratio"):
        value = getattr(config, field)
        _check(f"schedule.{field}", value, 0 <= value <= 1, "a number from 0 to 1")
    if config.warmup_steps and config.warmup_ratio:
        raise ConfigError(
            "schedule: two lengths of the warm-up",
            value={"warmup_steps": config.warmup_steps, "warmup_ratio": config.warmup_ratio},
            expected="one of the two",
            next_step="Set the other to 0.",
        )
    warmup = config.warmup_steps or math.ceil(config.warmup_ratio * total_steps)
    if warmup >= total_steps and warmup:
        raise ConfigError(
            "schedule: the warm-up does not end",
            value=warmup,
            expected=f"fewer steps than {option} ({total_steps})",
            next_step=f"Lower schedule.warmup_steps or warmup_ratio, or raise {option}.",
        )

    def ratio(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)  # above 0, so that the first step trains too
        done = min(1.0, (step - warmup) / (total_steps - warmup))
        shape = _SHAPES[config.name](done, config.cycles)
        return config.min_ratio + (1 - config.min_ratio) * shape

    return ratio


def _cosine(done: float, cycles: int) -> float:
    # The end belongs to the last descent, not to the start of another.
    within = 1.0 if done >= 1 else (done * cycles) % 1.0
    return 0.5 * (1 + math.cos(math.pi * within))


_SHAPES: dict[str, Callable[[float, int], float]] = {
    "linear": lambda done, _: 1 - done,
    "cosine": lambda done, _: _cosine(done, 1),
    "cosine_with_restarts": _cosine,
    "constant": lambda _done, _cycles: 1.0,
}


def _check(name: str, value: object, right: bool, expected: str) -> None:
    if not right:
        raise ConfigError(
            f"{name}: out of range",
            value=value,
            expected=expected,
            next_step=f"Correct {name}.",
        )

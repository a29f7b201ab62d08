"""FSDP (Zhao et al. 2023, arXiv:2304.11277): which parts of a model are sharded as one unit.

FSDP asks a policy about one module at a time, after it has begun to replace parameters by flat
shards of them. What must be known of the whole, unsharded model is therefore noted on its modules
and parameters as attributes, by :func:`mark_units`.
"""

from typing import Any

from torch import Tensor, nn

from arcflow.core.errors import ConfigError

_UNIT = "_arcflow_unit"
_DIMENSIONS = "_arcflow_dimensions"
_WRAPPER = "_fsdp_wrapped_module."


def check_shardable(options: dict[str, bool]) -> None:
    """Refuse options that FSDP cannot shard.

    Args:
        options: The module's options that FSDP cannot shard, and whether each is on.

    Raises:
        ConfigError: If one of them is on.
    """
    for option, on in options.items():
        if on:
            raise ConfigError(
                f"model.{option}: FSDP cannot shard such weights",
                value="trainer.strategy: fsdp",
                expected="weights that are not quantized, and an adapter without DoRA",
                next_step=f"Leave model.{option} out, or use configs/devices/ddp.yaml.",
            )


def mark_units(model: Any) -> None:
    """Mark the units of a model, before anything is sharded, for :func:`wrap_policy`.

    Each layer is a unit; one unit at a time is whole on a device. Each matrix of an adapter is a
    unit of its own, for two reasons: gradients are kept for whole units, and the frozen weights
    beside the matrix need none; and all numbers of a unit have one dtype, while those of a 16-bit
    base and its adapter differ.

    Args:
        model: The model, which gets attributes that :func:`wrap_policy` and :func:`is_vector` read.
    """
    layers = getattr(model.base_model, "layers", None)
    for layer in layers if isinstance(layers, nn.ModuleList) else ():
        setattr(layer, _UNIT, True)
    for module in model.modules():
        for holder in (getattr(module, name, None) for name in ("lora_A", "lora_B")):
            for matrix in holder.values() if isinstance(holder, nn.ModuleDict) else ():
                setattr(matrix, _UNIT, True)
    for parameter in model.parameters():
        setattr(parameter, _DIMENSIONS, parameter.ndim)


def wrap_policy(module: nn.Module, recurse: bool, nonwrapped_numel: int) -> bool:
    """Return whether FSDP should make a module a unit, or look inside it.

    This is FSDP's ``auto_wrap_policy`` for :class:`arcflow.modules.lora_module.LoRAModule`.

    Args:
        module: The module.
        recurse: Whether FSDP asks about looking inside the module, which is always granted.
        nonwrapped_numel: The number of parameters that are in no unit yet; it is not used.
    """
    return recurse or getattr(module, _UNIT, False)


def is_vector(parameter: Tensor) -> bool:
    """Return whether a parameter has fewer than two dimensions when it is not sharded.

    Under FSDP each process holds a flat share of every parameter, so :func:`mark_units` notes the
    dimensions beforehand.
    """
    dimensions: int = getattr(parameter, _DIMENSIONS, parameter.ndim)
    return dimensions < 2


def is_sharded(module: object) -> bool:
    """Return whether the module is wrapped by FSDP."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    return isinstance(module, FullyShardedDataParallel)


def plain_names(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors by the names that they have without FSDP."""
    return {name.replace(_WRAPPER, ""): value for name, value in named.items()}

"""FSDP: which parts of a model are sharded as one, and what its names are without FSDP's own.

Zhao et al. 2023, arXiv:2304.11277.
"""

from typing import Any

from torch import Tensor, nn

from arcflow.core.errors import ConfigError

_UNIT = "_arcflow_unit"
_DIMENSIONS = "_arcflow_dimensions"
_WRAPPER = "_fsdp_wrapped_module."


def check_shardable(options: dict[str, bool]) -> None:
    """Refuse what FSDP cannot shard.

    Args:
        options: options of the module that it cannot, and whether they are on.

    Raises:
        ConfigError: one is.
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
    """Note on a model, before anything is sharded, what :func:`wrap_policy` has to know.

    Each layer is a unit, of which one at a time is whole on a device. So is each matrix of an
    adapter: gradients are kept for whole units, and the frozen weights beside it need none; and
    all numbers of a unit have one type, which a 16-bit base and its adapter have not.
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
    """FSDP's ``auto_wrap_policy`` for models of :class:`arcflow.modules.lora_module.LoRAModule`."""
    return recurse or getattr(module, _UNIT, False)


def is_vector(parameter: Tensor) -> bool:
    """Whether a parameter has fewer than two dimensions; each process's share of it has one."""
    dimensions: int = getattr(parameter, _DIMENSIONS, parameter.ndim)
    return dimensions < 2


def is_sharded(module: object) -> bool:
    """Whether FSDP holds the module."""
    from torch.distributed.fsdp import FullyShardedDataParallel

    return isinstance(module, FullyShardedDataParallel)


def plain_names(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same by the names they have without FSDP."""
    return {name.replace(_WRAPPER, ""): value for name, value in named.items()}

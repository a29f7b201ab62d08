"""FSDP on the CPU, which Lightning and torch leave to GPUs."""

from contextlib import AbstractContextManager
from typing import Any

import lightning.pytorch.strategies.fsdp as lightning_fsdp
import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    FullyShardedDataParallel,
    StateDictType,
)


def _whole(
    model: torch.nn.Module, world_size: int, rank0_only: bool = True
) -> AbstractContextManager[Any]:
    """Lightning's, without the move to the CPU: tensors that are there already are not copied,
    and their memory is gone when the move is done."""
    options = {"offload_to_cpu": False, "rank0_only": rank0_only}
    return FullyShardedDataParallel.state_dict_type(
        model,
        StateDictType.FULL_STATE_DICT,
        FullStateDictConfig(**options),
        FullOptimStateDictConfig(**options),
    )


class CPUSharding(FSDPStrategy):
    """Lightning's strategy with the CPU as the device."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        lightning_fsdp._get_full_state_dict_context = _whole

    def _setup_model(self, model: torch.nn.Module) -> torch.nn.Module:
        return FullyShardedDataParallel(
            model,
            sharding_strategy=self.sharding_strategy,
            device_id=torch.device("cpu"),
            **self.kwargs,
        )

"""What training inside an evaluation puts back afterwards: modes and random states (invariant
4)."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from arcflow.modules.lora_module import LoRAModule

Precision = tuple[Callable[[], AbstractContextManager[Any]], torch.amp.GradScaler]
"""A context for forward passes, and a loss scaler (switched off where it is not needed)."""


def precision(module: LoRAModule) -> Precision:
    """Return the trainer's autocast, and a loss scaler of its own if float16 needs one."""
    if module._trainer is None:
        return nullcontext, torch.amp.GradScaler(enabled=False)
    plugin = module._trainer.precision_plugin
    fp16 = plugin.precision == "16-mixed"
    return plugin.forward_context, torch.amp.GradScaler(module.model.device.type, enabled=fp16)


@contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """Switch to training mode within the block (dropout, gradient checkpointing), and back after
    it."""
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def isolated_random_state(device: torch.device, seed: int) -> Iterator[None]:
    """Seed torch's generators within the block; put back torch's, numpy's and Python's after it."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    cuda = device.type == "cuda"
    try:
        with torch.random.fork_rng(devices=[device] if cuda else []):
            torch.default_generator.manual_seed(seed)
            if cuda:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)

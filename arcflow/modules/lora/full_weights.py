"""All weights of a model, trained or replaced for a while and then restored bit for bit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from arcflow.modules.lora.adapters import State, adapter_names, adapter_parameters


def own_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the model's parameters other than those of adapters.

    Args:
        model: The model, with or without adapters.

    Returns:
        The parameters, by the names they have in the model without adapters.
    """
    adapters = {
        id(parameter)
        for name in adapter_names(model)
        for parameter in adapter_parameters(model, name).values()
    }
    return {
        name.replace(".base_layer.", "."): parameter
        for name, parameter in model.named_parameters()
        if id(parameter) not in adapters
    }


@contextmanager
def trainable_weights(model: nn.Module) -> Iterator[dict[str, nn.Parameter]]:
    """Make all of the model's own weights trainable inside the block, and restore them after it.

    Float32 copies are trained, since small updates vanish in 16 bits. The tensors themselves are
    set aside meanwhile and come back bit for bit, with their gradients and flags. An active
    adapter stays active and is not trained.

    Args:
        model: The model, with or without adapters.

    Yields:
        The parameters, by the names of :func:`own_parameters`.
    """
    own = own_parameters(model)
    before = [(p, p.requires_grad) for p in model.parameters()]
    tensors = [(p, p.data, p.grad) for p in own.values()]
    try:
        for parameter, _ in before:
            parameter.requires_grad_(False)
        for parameter in own.values():
            parameter.grad = None
            parameter.data = parameter.data.to(torch.float32, copy=True)
            parameter.requires_grad_(True)
        yield own
    finally:
        for parameter, tensor, gradient in tensors:
            parameter.grad = None
            parameter.data = tensor
            parameter.grad = gradient
        for parameter, flag in before:
            parameter.requires_grad_(flag)


@contextmanager
def temporary_weights(model: nn.Module, state: State) -> Iterator[None]:
    """Let the model compute with other weights inside the block, in its own dtype.

    Args:
        model: The model, with or without adapters, which stay as they are.
        state: Weights by the names of :func:`own_parameters`; weights that it does not name stay.
    """
    own = own_parameters(model)
    tensors = [(own[name], own[name].data) for name in state]
    try:
        for name, tensor in state.items():
            own[name].data = tensor.to(own[name].device, own[name].dtype)
        yield
    finally:
        for parameter, kept in tensors:
            parameter.data = kept

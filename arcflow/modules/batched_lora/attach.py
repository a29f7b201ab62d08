"""Attach many adapters to one model, to train them in one forward pass, and detach them again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn
from transformers import PreTrainedModel

from arcflow.core.errors import ConfigError
from arcflow.modules.batched_lora.adapters import NAME, BatchedAdapters
from arcflow.modules.batched_lora.forward import Forward, forwards
from arcflow.modules.batched_lora.low_rank import Strategy
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    State,
    adapter_state,
    redraw_adapter,
    temporary_adapter,
)
from arcflow.modules.lora.config import ends_with


@contextmanager
def batched_adapters(
    model: PreTrainedModel,
    config: LoRAConfig,
    seeds: Sequence[int],
    start: State | None = None,
    strategy: Strategy | None = None,
) -> Iterator[BatchedAdapters]:
    """Attach adapters that are trained in one forward pass, for the duration of the block.

    After the block the model is exactly what it was before (invariant 4).

    Args:
        model: The model, with or without other adapters, which are inactive inside the block.
        config: The shape of the adapters, and of ``start`` if that is given.
        seeds: One seed for each adapter, which gets the first values that
            :func:`arcflow.modules.lora.adapters.attach_adapter` would draw with it.
        start: The first values of all adapters; None draws them.
        strategy: How the adapters' slices are multiplied; None takes what suits the device.

    Yields:
        The adapters, with their parameters and gradients.

    Raises:
        ConfigError: If the adapters use DoRA or dropout, change an embedding, or do not fit the
            model.
    """
    check_batchable(model, config)
    with temporary_adapter(model, config, NAME, start, seeds[0]):
        states = [adapter_state(model, NAME)]
        for seed in seeds[1:]:
            if start is None:
                redraw_adapter(model, NAME, seed)
                states.append(adapter_state(model, NAME))
            else:
                states.append(states[0])
        layers = {
            path: layer
            for path, layer in model.named_modules()
            if NAME in getattr(layer, "lora_A", ())
        }
        stack = BatchedAdapters(model, layers, states, strategy)
        for path, joint in stack.layers.items():
            _put(model, path, joint)
        taken: list[tuple[nn.Module, Forward]] = []
        try:
            if stack.strategy == "loop":
                taken = forwards(model, stack)
            for module, forward in taken:
                module.__dict__["forward"] = forward
            yield stack
        finally:
            for module, _ in taken:
                module.__dict__.pop("forward", None)
            for path, layer in layers.items():
                _put(model, path, layer)


def check_batchable(model: PreTrainedModel, config: LoRAConfig) -> None:
    """Refuse adapters that cannot be trained in one forward pass with others.

    Args:
        model: The model that is to carry them.
        config: The shape of the adapters.

    Raises:
        ConfigError: If the adapters use DoRA or dropout, or change an embedding.
    """
    targets = [] if isinstance(config.target_modules, str) else config.target_modules
    embeddings = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.Embedding) and ends_with(path.removesuffix(".base_layer"), targets)
    ]
    if embeddings:
        raise ConfigError(
            "test_time.tasks_together: adapters of an embedding learn one by one",
            value=embeddings[0],
            expected="lora.target_modules of linear layers",
            next_step="Set --test_time.tasks_together 1, or correct lora.target_modules.",
        )
    for name, value, right in (
        ("dora", config.dora, not config.dora),
        ("dropout", config.dropout, config.dropout == 0),
    ):
        if not right:
            raise ConfigError(
                f"test_time.tasks_together: adapters with lora.{name} learn one by one",
                value=f"{name}: {value}",
                expected="LoRA or rsLoRA without dropout",
                next_step=f"Set --test_time.tasks_together 1, or lora.{name} "
                f"{str(type(value)(0)).lower()}.",
            )


def _put(model: nn.Module, path: str, layer: nn.Module) -> None:
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, layer)

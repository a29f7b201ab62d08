"""LoRA adapters, injected into a transformers model in place through PEFT.

The model stays the transformers class it was: an adapter replaces some of its linear layers by
PEFT's, and :func:`remove_adapter` puts the very same layers back.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.seeds import derive
from arcflow.modules.finite import check_finite
from arcflow.modules.lora.config import (
    LoRAConfig,
    check_config,
    is_adapted,
    is_quantized,
    peft_lora_config,
)

__all__ = [
    "DEFAULT_ADAPTER",
    "LoRAConfig",
    "State",
    "adapter_names",
    "adapter_parameters",
    "adapter_state",
    "attach_adapter",
    "check_tensors",
    "is_quantized",
    "load_adapter_state",
    "peft_lora_config",
    "redraw_adapter",
    "remove_adapter",
    "set_active",
    "temporary_adapter",
]

DEFAULT_ADAPTER = "default"

State = Mapping[str, Tensor]
"""Adapter tensors by their name in PEFT's files, which leaves the adapter's own name out, for
example ``model.layers.0.self_attn.q_proj.lora_A.weight``."""


def attach_adapter(
    model: PreTrainedModel, config: LoRAConfig, name: str = DEFAULT_ADAPTER, seed: int = 0
) -> None:
    """Inject a new adapter and make it the active one and the only one that is trained.

    Args:
        model: The model, which is changed in place; other adapters stay, frozen and inactive.
        config: The adapter's shape.
        name: The adapter's name, which no other adapter of the model may have.
        seed: The first values are a function of (config, model, seed); the global random state
            is neither read nor changed.

    Raises:
        ConfigError: If an option is out of range, or the adapter does not fit the model.
    """
    from peft import inject_adapter_in_model
    from peft.tuners.tuners_utils import cast_adapter_dtype

    check_config(model, config)
    others: dict[str, Any] = model.__dict__.pop("peft_config", {})
    peft_config = peft_lora_config(model.config._name_or_path, config)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # An export unties the head from the embedding if an adapter makes them differ.
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        # PEFT draws on the CPU and moves the tensors afterwards.
        torch.default_generator.manual_seed(derive(seed, "adapter"))
        try:
            inject_adapter_in_model(peft_config, model, name)
        except (ValueError, TypeError) as error:
            model.__dict__.pop("peft_config", None)
            _put_back(model, name)
            if others:
                model.peft_config = others
            raise ConfigError(
                f"lora: PEFT refuses it ({str(error).splitlines()[0][:160]})",
                value=asdict(config),
                expected="target modules and an init that fit this model",
                next_step="Correct model.lora.",
            ) from error
    model.peft_config = others | model.peft_config
    # Trained numbers are kept in float32, whatever the base is held in.
    cast_adapter_dtype(model, name)
    for layer in _adapted_layers(model).values():
        _set_mode(layer, name, model.training)
        if set(layer.adapter_layer_names) == set(type(layer).adapter_layer_names):
            # PEFT lengthens this with every DoRA adapter and never shortens it.
            layer.__dict__.pop("adapter_layer_names", None)
    set_active(model, name)
    if config.changes_base:
        # What was taken out of the base: an export has to give it back.
        model.peft_config[name].arcflow_start = adapter_state(model, name)


def redraw_adapter(model: PreTrainedModel, name: str, seed: int) -> None:
    """Give an attached adapter the first values that :func:`attach_adapter` draws with ``seed``.

    Its init must be one that leaves the base weights alone.

    Args:
        model: The model that carries the adapter.
        name: The adapter's name.
        seed: The seed of the first values.
    """
    from peft.tuners.tuners_utils import cast_adapter_dtype

    peft_config = model.peft_config[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "adapter"))
        for layer in _adapted_layers(model).values():
            if name in layer.lora_A:
                layer.update_layer(name, layer.r[name], layer.lora_alpha[name], config=peft_config)
    cast_adapter_dtype(model, name)


def set_active(model: nn.Module, name: str | None, trainable: bool = True) -> None:
    """Make one adapter the only active one, or none of them.

    Args:
        model: The model that carries the adapters.
        name: The adapter to activate; None activates no adapter.
        trainable: Whether its parameters require gradients; those of other adapters do not.
    """
    for layer in _adapted_layers(model).values():
        layer.set_adapter([name] if name is not None else [], inference_mode=not trainable)


def adapter_names(model: nn.Module) -> list[str]:
    """Return the names of the adapters on the model, active or not."""
    return list(getattr(model, "peft_config", {}))


def adapter_parameters(model: nn.Module, name: str = DEFAULT_ADAPTER) -> dict[str, nn.Parameter]:
    """Return the parameters of one adapter.

    Args:
        model: The model that carries the adapter.
        name: The adapter's name.

    Returns:
        The parameters by their names in :data:`State`; none if there is no such adapter.
    """
    found = {}
    for path, layer in _adapted_layers(model).items():
        for key, parameter in layer.named_parameters():
            kind, _, rest = key.partition(".")
            if kind.startswith("lora_") and (rest == name or rest.startswith(name + ".")):
                tail = rest[len(name) :]
                # PEFT's files name DoRA's vector without the module that holds it.
                tail = "" if kind == "lora_magnitude_vector" else tail
                found[f"{path}.{kind}{tail}"] = parameter
    return found


def adapter_state(model: nn.Module, name: str = DEFAULT_ADAPTER) -> dict[str, Tensor]:
    """Copy one adapter's tensors to the CPU.

    Args:
        model: The model that carries the adapter.
        name: The adapter's name.

    Returns:
        The copies by their names in :data:`State`.
    """
    return {
        key: parameter.detach().to("cpu", copy=True)
        for key, parameter in adapter_parameters(model, name).items()
    }


def load_adapter_state(model: nn.Module, state: State, name: str = DEFAULT_ADAPTER) -> None:
    """Copy tensors into an adapter that is attached.

    Args:
        model: The model that carries the adapter.
        state: The tensors.
        name: The adapter's name.

    Raises:
        CheckpointError: If names or shapes differ; then nothing is changed.
    """
    parameters = adapter_parameters(model, name)
    check_tensors("adapter", state, parameters)
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(state[key])


def check_tensors(what: str, found: State, wanted: State) -> None:
    """Refuse tensors whose names or shapes are not the wanted ones, or that are not finite.

    Args:
        what: What the tensors are called in messages.
        found: The tensors to check.
        wanted: Tensors with the names and shapes that are wanted.

    Raises:
        CheckpointError: If a name or shape differs, or a number is not finite; the message names
            the first tensor.
    """
    next_step = "Use the base model and the LoRA options it was trained with."
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found or key not in wanted:
            raise CheckpointError(
                f"{what}: a tensor is {'missing' if key not in found else 'not of this model'}",
                value=key,
                expected=f"{len(wanted)} tensors with the names of this model's",
                next_step=next_step,
            )
        if found[key].shape != wanted[key].shape:
            raise CheckpointError(
                f"{what}: {key} has another shape",
                value=tuple(found[key].shape),
                expected=str(tuple(wanted[key].shape)),
                next_step=next_step,
            )
    check_finite(what, found)


def remove_adapter(model: PreTrainedModel, name: str) -> None:
    """Remove an adapter; layers without any other adapter become what they were before.

    Afterwards none of the remaining adapters is active; see :func:`set_active`.

    Args:
        model: The model that carries the adapter.
        name: The adapter's name.
    """
    _put_back(model, name)
    left = {k: v for k, v in getattr(model, "peft_config", {}).items() if k != name}
    model.__dict__.pop("peft_config", None)
    if left:
        model.peft_config = left


@contextmanager
def temporary_adapter(
    model: PreTrainedModel,
    config: LoRAConfig,
    name: str = "test_time",
    start: State | None = None,
    seed: int = 0,
    trainable: bool = True,
) -> Iterator[list[nn.Parameter]]:
    """Attach an adapter for the duration of the block, in which it alone is active (invariant 4).

    Afterwards module types, parameters, ``requires_grad`` flags, active adapters and the
    ``state_dict`` are, bit for bit, what they were, even if the block raises.

    Args:
        model: The model, with or without other adapters, which are inactive inside the block.
        config: The shape of the adapter, and of ``start`` if that is given.
        name: The adapter's name, which no other adapter of the model may have.
        start: The first values, for example the :func:`adapter_state` of the trained adapter;
            None draws them.
        seed: The seed of the first values, as for :func:`attach_adapter`.
        trainable: Whether the adapter's parameters require gradients.

    Yields:
        The adapter's parameters.

    Raises:
        ConfigError: If the init changes the base weights and there is no ``start``.
        CheckpointError: If ``start`` does not fit ``config``.
    """
    if start is not None:
        config = replace(config, init="default")
    elif config.changes_base:
        raise ConfigError(
            "lora.init: a temporary adapter must leave the base weights alone",
            value=config.init,
            expected="default, gaussian or orthogonal",
            next_step="Choose one of these for test-time fine-tuning.",
        )
    flags = [(p, p.requires_grad) for p in model.parameters()]
    active = {path: list(layer.active_adapters) for path, layer in _adapted_layers(model).items()}
    attach_adapter(model, config, name, seed)
    try:
        if start is not None:
            load_adapter_state(model, start, name)
        set_active(model, name, trainable)
        yield list(adapter_parameters(model, name).values())
    finally:
        remove_adapter(model, name)
        layers = _adapted_layers(model)
        for path, names in active.items():
            layers[path].set_adapter(names)
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def _adapted_layers(model: nn.Module) -> dict[str, Any]:
    return {path: module for path, module in model.named_modules() if is_adapted(module)}


def _set_mode(layer: Any, name: str, training: bool) -> None:
    """Give new modules the model's mode; those that were there keep theirs."""
    if layer._all_available_adapter_names() == [name]:
        layer.training = training
        for key, child in layer.named_children():
            if key != "base_layer":
                child.train(training)
    elif name in layer.lora_dropout:
        for holder in (layer.lora_dropout, layer.lora_A, layer.lora_B):
            holder[name].train(training)


def _put_back(model: nn.Module, name: str) -> None:
    """Remove ``name`` from every layer and unwrap the layers that hold no other adapter."""
    for path, layer in _adapted_layers(model).items():
        rest = [other for other in layer._all_available_adapter_names() if other != name]
        if rest:
            with warnings.catch_warnings():
                # PEFT warns of the adapter that it activates instead; the caller decides that.
                warnings.filterwarnings("ignore", message=f"Adapter {name} was active")
                layer.delete_adapter(name)
            layer.set_adapter([])
        else:
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.base_layer)

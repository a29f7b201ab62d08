"""LoRA adapters, injected into a transformers model in place through PEFT.

The model stays the transformers class it was: an adapter replaces some of its linear layers by
PEFT's, and :func:`remove_adapter` puts the very same layers back.

LoRA: Hu et al. 2021, arXiv:2106.09685. rsLoRA: Kalajdzievski 2023, arXiv:2312.03732. DoRA: Liu et
al. 2024, arXiv:2402.09353. PiSSA: Meng et al. 2024, arXiv:2404.02948. OLoRA: Büyükakyüz 2024,
arXiv:2406.01775.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.core.errors import CheckpointError, ConfigError
from arcflow.core.seeds import derive

DEFAULT_ADAPTER = "default"

State = Mapping[str, Tensor]
"""Adapter tensors by PEFT's name without the adapter's, e.g.
``model.layers.0.self_attn.q_proj.lora_A.weight``."""


@dataclass
class LoRAConfig:
    """A low-rank adapter.

    Attributes:
        rank: inner dimension of the two matrices.
        alpha: the update is scaled by alpha / rank (rsLoRA: alpha / sqrt(rank)).
        dropout: probability of dropping an input of the adapter while training.
        rslora: scale by alpha / sqrt(rank), which keeps high ranks learning.
        dora: train the length of each weight row apart from its direction. vLLM refuses it.
        init: first values. "default" and "gaussian" start as no change, "orthogonal" with
            orthogonal matrices (even rank); "pissa" and "olora" take the strongest directions
            out of the base weights.
        target_modules: "all-linear" (every linear layer but the head), or names of layers, for
            example [q_proj, v_proj].
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    rslora: bool = False
    dora: bool = False
    init: Literal["default", "gaussian", "orthogonal", "pissa", "olora"] = "default"
    target_modules: list[str] | Literal["all-linear"] = "all-linear"

    def spec(self) -> dict[str, Any]:
        """What must agree for trained tensors to mean the same; plain data."""
        targets = self.target_modules
        return {
            "rank": self.rank,
            "alpha": float(self.alpha),
            "rslora": self.rslora,
            "dora": self.dora,
            "init": self.init if self.changes_base else "default",
            "target_modules": targets if isinstance(targets, str) else sorted(targets),
        }

    @property
    def changes_base(self) -> bool:
        """Whether the initialization moves part of the base weights into the adapter."""
        return self.init in ("pissa", "olora")


def attach_adapter(
    model: PreTrainedModel, config: LoRAConfig, name: str = DEFAULT_ADAPTER, seed: int = 0
) -> None:
    """Inject a new adapter, make it the active one and the only one that is trained.

    Args:
        model: changed in place; other adapters stay, frozen and inactive.
        config: the adapter's shape.
        name: under which it is found again; must be free.
        seed: its first values are a function of (config, model, seed); the global random state
            is neither read nor changed.

    Raises:
        ConfigError: numbers out of range, or no layer has such a name.
    """
    from peft import inject_adapter_in_model
    from peft.tuners.tuners_utils import cast_adapter_dtype

    _check(model, config)
    others: dict[str, Any] = model.__dict__.pop("peft_config", {})
    peft_config = peft_lora_config(model.config._name_or_path, config)
    with torch.random.fork_rng(devices=[]):
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

    For inits that leave the base weights alone.
    """
    from peft.tuners.tuners_utils import cast_adapter_dtype

    peft_config = model.peft_config[name]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "adapter"))
        for layer in _adapted_layers(model).values():
            if name in layer.lora_A:
                layer.update_layer(name, layer.r[name], layer.lora_alpha[name], config=peft_config)
    cast_adapter_dtype(model, name)


def peft_lora_config(base_name: str, config: LoRAConfig) -> Any:
    """The ``peft.LoraConfig`` that means the same, for a base model of this name."""
    from peft import LoraConfig as PeftLoraConfig

    targets = config.target_modules
    return PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.alpha if config.alpha % 1 else int(config.alpha),
        lora_dropout=config.dropout,
        use_rslora=config.rslora,
        use_dora=config.dora,
        init_lora_weights=True if config.init == "default" else config.init,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
        base_model_name_or_path=base_name or None,
    )


def set_active(model: nn.Module, name: str | None, trainable: bool = True) -> None:
    """Answer with adapter ``name`` alone, or with none of them; only it requires gradients."""
    for layer in _adapted_layers(model).values():
        layer.set_adapter([name] if name is not None else [], inference_mode=not trainable)


def adapter_names(model: nn.Module) -> list[str]:
    """Names of the adapters on the model."""
    return list(getattr(model, "peft_config", {}))


def adapter_parameters(model: nn.Module, name: str = DEFAULT_ADAPTER) -> dict[str, nn.Parameter]:
    """The adapter's own parameters by their name in :data:`State`."""
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
    """A copy of the adapter's tensors on the CPU."""
    return {
        key: parameter.detach().to("cpu", copy=True)
        for key, parameter in adapter_parameters(model, name).items()
    }


def load_adapter_state(model: nn.Module, state: State, name: str = DEFAULT_ADAPTER) -> None:
    """Copy tensors into an adapter that is attached.

    Raises:
        CheckpointError: names or shapes differ; nothing is changed then.
    """
    parameters = adapter_parameters(model, name)
    check_tensors("adapter", state, parameters)
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(state[key])


def check_tensors(what: str, found: State, wanted: State) -> None:
    """Refuse tensors whose names or shapes are not the wanted ones, naming the first."""
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


def remove_adapter(model: PreTrainedModel, name: str) -> None:
    """Take an adapter off; layers without any other become again what they were.

    None of the remaining adapters is active afterwards: see :func:`set_active`.
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
    """An adapter that is alone active inside the block and leaves no trace after it (law 4).

    Afterwards module types, parameters, ``requires_grad`` flags, active adapters and the
    ``state_dict`` are, bit for bit, what they were; also when the block raises.

    Args:
        model: with or without other adapters; they rest meanwhile.
        config: the adapter's shape; of ``start``, where that is given.
        name: must be free.
        start: first values, e.g. :func:`adapter_state` of the trained adapter; None draws them.
        seed: see :func:`attach_adapter`.
        trainable: whether its parameters require gradients.

    Yields:
        The adapter's parameters.

    Raises:
        ConfigError: an init that changes the base weights, with no ``start``.
        CheckpointError: ``start`` does not fit ``config``.
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


def _check(model: nn.Module, config: LoRAConfig) -> None:
    for field, value, right, expected in (
        ("rank", config.rank, config.rank >= 1, "1 or more"),
        ("alpha", config.alpha, config.alpha > 0, "a number above 0"),
        ("dropout", config.dropout, 0 <= config.dropout < 1, "a number from 0 to below 1"),
        (
            "rank",
            config.rank,
            config.init != "orthogonal" or config.rank % 2 == 0,
            "an even number with init: orthogonal",
        ),
        (
            "init",
            config.init,
            not (config.changes_base and (config.dora or is_quantized(model))),
            "default, gaussian or orthogonal with DoRA or a quantized model",
        ),
        (
            # PEFT 0.21 drops the scales of 8-bit weights on the CPU when DoRA measures them.
            "dora",
            config.dora,
            not (config.dora and is_quantized(model) and _is_int8_on_cpu(model)),
            "false with backbone.quantization: int8 on the CPU (nf4 works)",
        ),
    ):
        if not right:
            raise ConfigError(
                f"lora.{field}: out of range",
                value=value,
                expected=expected,
                next_step=f"Correct model.lora.{field}.",
            )
    targets = config.target_modules
    if isinstance(targets, str):
        return
    names = [path for path, _ in model.named_modules()]
    for target in targets:
        if not any(path == target or path.endswith("." + target) for path in names):
            linear = {
                path.rpartition(".")[2]
                for path, module in model.named_modules()
                if isinstance(module, nn.Linear) or _is_adapted(module)
            }
            raise ConfigError(
                "lora.target_modules: the model has no such layer",
                value=target,
                expected='"all-linear" or some of ' + ", ".join(sorted(linear)),
                next_step="Correct model.lora.target_modules.",
            )


def is_quantized(model: nn.Module) -> bool:
    """Whether bitsandbytes holds its weights in 4 or 8 bits."""
    return getattr(model, "hf_quantizer", None) is not None


def _is_int8_on_cpu(model: Any) -> bool:
    method = getattr(model.hf_quantizer.quantization_config, "load_in_8bit", False)
    return bool(method) and model.device.type == "cpu"


def _is_adapted(module: nn.Module) -> bool:
    return hasattr(module, "base_layer") and hasattr(module, "lora_A")


def _adapted_layers(model: nn.Module) -> dict[str, Any]:
    return {path: module for path, module in model.named_modules() if _is_adapted(module)}


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
                # PEFT would tell which adapter it activates instead; the caller decides that.
                warnings.filterwarnings("ignore", message=f"Adapter {name} was active")
                layer.delete_adapter(name)
            layer.set_adapter([])
        else:
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, layer.base_layer)

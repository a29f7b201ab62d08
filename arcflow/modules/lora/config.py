"""The shape of a LoRA adapter, and which models can carry it.

LoRA: Hu et al. 2021, arXiv:2106.09685. rsLoRA: Kalajdzievski 2023, arXiv:2312.03732. DoRA: Liu et
al. 2024, arXiv:2402.09353. PiSSA: Meng et al. 2024, arXiv:2404.02948. OLoRA: Büyükakyüz 2024,
arXiv:2406.01775.
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from arcflow.core.errors import ConfigError


@dataclass
class LoRAConfig:
    """The shape of a low-rank adapter.

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
        """Return, as plain data, what must agree for trained tensors to mean the same."""
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


def peft_lora_config(base_name: str, config: LoRAConfig) -> Any:
    """Return the ``peft.LoraConfig`` that means the same.

    Args:
        base_name: The name or folder of the base model, which PEFT records; it may be empty.
        config: The adapter's shape.
    """
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


def check_config(model: nn.Module, config: LoRAConfig) -> None:
    """Refuse an adapter that is not possible, or not possible on this model.

    Args:
        model: The model that is to carry the adapter.
        config: The adapter's shape.

    Raises:
        ConfigError: If an option is out of range, or no layer has the name of a target.
    """
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
            # Such an init changes the weight for the embedding too, which has no adapter.
            "init",
            config.init,
            not (config.changes_base and _shares_weights(model, config.target_modules)),
            "default, gaussian or orthogonal with an adapter on a head that is tied to the "
            "embedding",
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
    if not isinstance(config.target_modules, str):
        _check_targets(model, config.target_modules)


def _check_targets(model: nn.Module, targets: list[str]) -> None:
    names = [path for path, _ in model.named_modules()]
    for target in targets:
        if not any(ends_with(path, [target]) for path in names):
            linear = {
                path.rpartition(".")[2]
                for path, module in model.named_modules()
                if isinstance(module, nn.Linear) or is_adapted(module)
            }
            raise ConfigError(
                "lora.target_modules: the model has no such layer",
                value=target,
                expected='"all-linear" or some of ' + ", ".join(sorted(linear)),
                next_step="Correct model.lora.target_modules.",
            )


def _shares_weights(model: nn.Module, targets: list[str] | str) -> bool:
    """Return whether a linear layer among the targets has the weight of another layer too."""
    if isinstance(targets, str):  # all linear layers but the head
        return False
    owners: dict[int, list[tuple[str, nn.Module]]] = {}
    for path, module in model.named_modules():
        weight = module._parameters.get("weight")
        if weight is not None:
            owners.setdefault(id(weight), []).append((path.removesuffix(".base_layer"), module))
    return any(
        isinstance(module, nn.Linear) and ends_with(path, targets)
        for layers in owners.values()
        if len(layers) > 1
        for path, module in layers
    )


def ends_with(path: str, targets: list[str]) -> bool:
    """Return whether a module is among an adapter's targets.

    Args:
        path: The module's name in the model, without ``.base_layer``.
        targets: Names, or ends of names, of modules.
    """
    return any(path == target or path.endswith("." + target) for target in targets)


def is_quantized(model: nn.Module) -> bool:
    """Return whether bitsandbytes holds the model's weights in 4 or 8 bits."""
    return getattr(model, "hf_quantizer", None) is not None


def _is_int8_on_cpu(model: Any) -> bool:
    method = getattr(model.hf_quantizer.quantization_config, "load_in_8bit", False)
    return bool(method) and model.device.type == "cpu"


def is_adapted(module: nn.Module) -> bool:
    """Return whether PEFT has replaced a layer by one that carries adapters."""
    return hasattr(module, "base_layer") and hasattr(module, "lora_A")

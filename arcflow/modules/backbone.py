"""Causal language models of transformers, from random weights or from saved ones."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from arcflow.core.errors import ConfigError
from arcflow.core.seeds import derive
from arcflow.modules.attention import NAME as SEGMENTS
from arcflow.modules.attention import register
from arcflow.modules.gguf.folder import model_folder
from arcflow.modules.loss.skip_unscored import watch_last_layer
from arcflow.modules.number_type import fastest_dtype
from arcflow.text.hub import UNREACHABLE, is_local

TINY = "tiny-qwen2"
"""The name of a model that is made in code: it needs no download and trains on two CPU cores."""

_TINY_SIZES: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
}

Quantization = Literal["none", "nf4", "fp4", "int8"]


@dataclass
class BackboneConfig:
    """The language model, and how it is held in memory.

    Attributes:
        model: "tiny-qwen2" (a small Qwen2 from random weights), the path of a config.json (that
            architecture from random weights), a folder saved by transformers, a GGUF file or a
            folder with one (converted to float32 once), package:NAME for the folder of an
            installed package, or a name on the Hugging Face hub, for example
            Qwen/Qwen2.5-0.5B-Instruct.
        config: sizes that replace those of a model from random weights, for example
            {hidden_size: 256, num_hidden_layers: 6}. Saved models keep their own.
        quantization: hold the frozen weights of a saved model in 4 bits (nf4, fp4) or 8 bits
            (int8) through bitsandbytes; needs LoRA and pip install "arcflow[bnb]".
        dtype: number type of the weights. "auto" is the type they were saved in, or float32 on a
            CPU that has no instructions for that type, from random weights, and when all weights
            are trained.
        gradient_checkpointing: recompute activations in the backward pass: less memory, about a
            third more time.
        attention: attention of transformers. "arcflow_segments" keeps the samples of a packed
            row apart; others (sdpa, flash_attention_2) are for padded batches or know packing
            themselves.
    """

    model: str = TINY
    config: dict[str, Any] = field(default_factory=dict)
    quantization: Quantization = "none"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    gradient_checkpointing: bool = False
    attention: str = SEGMENTS

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are random numbers, to be trained from the start."""
        return self.model == TINY or self.model.endswith(".json")


def load_backbone(
    config: BackboneConfig, vocab_size: int, seed: int = 0, device_type: str | None = None
) -> PreTrainedModel:
    """Build or load the language model.

    Args:
        config: The options of the model.
        vocab_size: The number of ids that the tokenizer can write. It is the number of embedding
            rows of a model from random weights; a saved model must have at least as many.
        seed: Random weights are a function of (config, vocab_size, seed); the global random
            state is neither read nor changed.
        device_type: The type of the device that will compute, "cpu" or "cuda"; None stands for a
            GPU if there is one. ``dtype: auto`` depends on it.

    Returns:
        The model, in training mode.

    Raises:
        ConfigError: If there is no such model, if it cannot be quantized, or if its vocabulary is
            too small.
    """
    if config.attention == SEGMENTS:
        register()
    if config.from_scratch:
        model = _scratch(config, vocab_size, seed)
    else:
        model = _saved(config, device_type or ("cuda" if torch.cuda.is_available() else "cpu"))
    rows = model.get_input_embeddings().weight.shape[0]
    if rows < vocab_size:
        raise ConfigError(
            "model: its embedding is smaller than the tokenizer's vocabulary",
            value={"model": config.model, "embedding rows": rows, "tokenizer ids": vocab_size},
            expected=f"an embedding of at least {vocab_size} rows",
            next_step="Use the tokenizer that belongs to this model (leave model.tokenizer empty).",
        )
    if config.gradient_checkpointing:
        # The re-entrant form needs inputs with gradients, which those of LoRA models lack.
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.config.use_cache = False
    watch_last_layer(model)
    return model.train()


def saved_architecture(config: BackboneConfig) -> PreTrainedConfig | None:
    """Return the configuration of a model that is not loaded yet.

    Returns:
        The sizes of the model and of its attention; None if they cannot be read, which is the
        business of :func:`load_backbone`.
    """
    try:
        if config.from_scratch:
            return _architecture(config, vocab_size=1)
        name = model_folder(config.model)
        return AutoConfig.from_pretrained(name, local_files_only=is_local(name))
    except (OSError, ValueError, KeyError):
        return None


def _scratch(config: BackboneConfig, vocab_size: int, seed: int) -> PreTrainedModel:
    if config.quantization != "none":
        raise ConfigError(
            "backbone.quantization: random weights cannot be quantized",
            value=config.quantization,
            expected="none for a model from random weights",
            next_step="Set backbone.quantization to none, or give a saved model.",
        )
    architecture = _architecture(config, vocab_size)
    dtype = torch.float32 if config.dtype == "auto" else getattr(torch, config.dtype)
    # Only the CPU generator: the weights are made there, on every machine the same.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "backbone"))
        try:
            return AutoModelForCausalLM.from_config(
                architecture, dtype=dtype, attn_implementation=config.attention
            )
        except (ValueError, TypeError, ImportError, RuntimeError, ZeroDivisionError) as error:
            raise _unbuildable(config, error) from error


def _architecture(config: BackboneConfig, vocab_size: int) -> PreTrainedConfig:
    base = Qwen2Config(**_TINY_SIZES) if config.model == TINY else _read_config(config.model)
    for name in config.config:
        if not hasattr(base, name):
            raise ConfigError(
                f"backbone.config: {type(base).__name__} has no option {name!r}",
                value=name,
                expected="one of " + ", ".join(sorted(_TINY_SIZES)) + " or another of its options",
                next_step="Correct the name in backbone.config.",
            )
    options = base.to_dict() | config.config | {"vocab_size": vocab_size}
    if "num_hidden_layers" in config.config and "layer_types" not in config.config:
        options.pop("layer_types", None)  # one entry a layer: made anew for the new number
    try:
        return type(base)(**options)
    except (ValueError, TypeError, StrictDataclassError) as error:
        raise _unbuildable(config, error) from error


def _unbuildable(config: BackboneConfig, error: Exception) -> ConfigError:
    return ConfigError(
        f"backbone: {config.model} cannot be built with these sizes ({_brief(error)})",
        value=config.config,
        expected="sizes and an attention that fit together",
        next_step="Correct backbone.config or backbone.attention.",
    )


def _read_config(path: str) -> PreTrainedConfig:
    if not Path(path).is_file():
        raise _missing(path, "no such file")
    try:
        return AutoConfig.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise _missing(path, _brief(error)) from error


def _saved(config: BackboneConfig, device_type: str) -> PreTrainedModel:
    if config.config:
        raise ConfigError(
            "backbone.config: a saved model has its own sizes",
            value=config.config,
            expected="no backbone.config beside a saved model",
            next_step=f"Remove backbone.config, or train from scratch with model: {TINY}.",
        )
    name = model_folder(config.model)
    if not Path(name).is_dir() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise _missing(name, "no such folder")
    local = is_local(name)
    try:
        # The config is read first and alone: a wrong name then costs one look-up, not one a file.
        saved = AutoConfig.from_pretrained(name, local_files_only=local).dtype
    except (OSError, ValueError, KeyError) as error:
        offline = local and not Path(name).is_dir()
        raise _missing(name, UNREACHABLE if offline else _brief(error)) from error
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=_number_type(config, saved, device_type),
            attn_implementation=config.attention,
            output_loading_info=True,
            local_files_only=local,
            **_quantized(config, device_type),
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise _unloadable(config, _brief(error)) from error
    if report["missing_keys"]:
        # transformers would continue with random numbers in their place.
        raise _unloadable(config, f"no weights for {sorted(report['missing_keys'])[0]}")
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            # On such CPUs bitsandbytes repacks 4-bit weights at the first answer and rounds
            # their scales: the model would not be the same afterwards.
            layer.support_avx512bf16_for_cpu = False
    return model


def _number_type(
    config: BackboneConfig, saved: torch.dtype | None, device_type: str
) -> torch.dtype | Literal["auto"]:
    """Return the ``dtype`` of ``from_pretrained``; "auto" where the file alone decides."""
    if config.dtype != "auto":
        return cast(torch.dtype, getattr(torch, config.dtype))
    if saved is None or config.quantization != "none":
        return "auto"
    return fastest_dtype(saved, device_type, config.model)


def _quantized(config: BackboneConfig, device_type: str) -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that load the weights in 4 or 8 bits."""
    if config.quantization == "none":
        return {}
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "backbone.quantization: bitsandbytes is not installed",
            value=config.quantization,
            expected="none without bitsandbytes",
            next_step='Install it with: pip install "arcflow[bnb]"',
        ) from error
    from transformers import BitsAndBytesConfig

    if config.quantization == "int8":
        options = BitsAndBytesConfig(load_in_8bit=True)
    else:
        options = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=config.quantization,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=(
                fastest_dtype(torch.bfloat16, device_type, config.model)
                if config.dtype == "auto"
                else getattr(torch, config.dtype)
            ),
        )
    return {"quantization_config": options}


def _missing(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"backbone.model: no model loads from here ({why})",
        value=name,
        expected=f"{TINY}, a config.json, a folder saved by transformers, a GGUF file, or a name "
        "on the hub",
        next_step="Check the spelling; without a network, give the folder of a downloaded model.",
    )


def _unloadable(config: BackboneConfig, why: str) -> ConfigError:
    return ConfigError(
        f"backbone: {config.model} does not load ({why})",
        value={k: getattr(config, k) for k in ("quantization", "dtype", "attention")},
        expected="whole weights of a causal language model, and options that it supports",
        next_step="Correct these options, or save or download the model again.",
    )


def _brief(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__

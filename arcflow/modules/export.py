"""A full model folder: adapters merged into the weights, quantization undone."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.modules.adapter_files import write_record
from arcflow.modules.attention import NAME as SEGMENTS
from arcflow.modules.fingerprint import Fingerprint
from arcflow.modules.lora.adapters import DEFAULT_ADAPTER, is_quantized


def merge_and_export(
    model: PreTrainedModel,
    folder: str | Path,
    name: str = DEFAULT_ADAPTER,
    tokenizer: Any = None,
    record: Fingerprint | None = None,
) -> Path:
    """Write weights that transformers loads unchanged; the model itself is not touched.

    Args:
        model: with the adapter, or without any (then its own weights are written).
        folder: made where missing.
        name: the adapter to merge; others are left out.
        tokenizer: saved beside the weights where given.
        record: the run's identity; None writes no arcflow record. The folder's own says that all
            of it are weights: an adapter is in them.

    Returns:
        The folder. A quantized base is written in its compute type, as it was in training: its
        4- or 8-bit numbers spelled out.
    """
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.use_cache = True
    if config._attn_implementation == SEGMENTS:
        config._attn_implementation = None
    dtype = model.get_input_embeddings().weight.dtype
    with torch.device("meta"):
        clean = type(model)(config)
    clean.load_state_dict(merged_state(model, name, dtype), strict=True, assign=True)
    clean.tie_weights()
    clean.generation_config = model.generation_config
    clean.save_pretrained(str(folder))
    if tokenizer is not None:
        tokenizer.save_pretrained(str(folder))
    if record is not None:
        write_record(record | {"lora": None}, Path(folder))
    return Path(folder)


@torch.no_grad()
def merged_state(model: PreTrainedModel, name: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """The state dict of the same architecture without adapters and quantization, on the CPU."""
    replaced: dict[str, Tensor] = {}
    for path, module in model.named_modules():
        if ".base_layer" in path:
            continue
        adapted = hasattr(module, "base_layer") and hasattr(module, "lora_A")
        base = module.base_layer if adapted else module
        quantized = is_quantized(model) and _is_bnb_linear(base)
        if quantized:
            weight = _dequantized(base)
            if adapted and name in module.lora_A:
                weight = _merge_linear(module, weight, name)
            replaced[path] = weight.to("cpu", dtype)
        elif adapted and name in module._all_available_adapter_names():
            merged = copy.deepcopy(module)
            merged.merge(safe_merge=True, adapter_names=[name])
            replaced[path] = merged.base_layer.weight.detach().to("cpu")
    state: dict[str, Tensor] = {}
    for key, tensor in model.state_dict().items():
        owner, _, leaf = key.replace(".base_layer.", ".").rpartition(".")
        if ".lora_" in key or (owner in replaced and leaf not in ("weight", "bias")):
            continue
        if leaf == "weight" and owner in replaced:
            state[f"{owner}.weight"] = replaced[owner]
        elif not any(owner.startswith(path + ".") for path in replaced):
            state[f"{owner}.{leaf}"] = tensor.detach().to("cpu")
    return state


def _is_bnb_linear(module: nn.Module) -> bool:
    return type(module).__module__.startswith("bitsandbytes")


def _dequantized(layer: Any) -> Tensor:
    """The numbers that a bitsandbytes layer multiplies with, float32, shape (out, in)."""
    from peft.utils.integrations import dequantize_bnb_weight

    state = getattr(layer, "state", None)
    weight: Tensor = dequantize_bnb_weight(layer.weight, state=state)
    return weight.float()


def _merge_linear(layer: Any, weight: Tensor, name: str) -> Tensor:
    """``weight`` with the update of one adapter added (LoRA), or rescaled by row (DoRA)."""
    update = layer.lora_B[name].weight.float() @ layer.lora_A[name].weight.float()
    merged = weight + layer.scaling[name] * update.to(weight.device)
    if name in layer.lora_magnitude_vector:
        length = layer.lora_magnitude_vector[name].weight.float().to(weight.device)
        merged = merged * (length / merged.norm(dim=1))[:, None]
    return torch.as_tensor(merged)

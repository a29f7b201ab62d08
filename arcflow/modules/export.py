"""The export of a whole model: adapters merged into the weights, quantization undone."""

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
    """Write a folder of weights that transformers loads unchanged; the model is not changed.

    A quantized base is written dequantized, in its compute dtype: the numbers that were used in
    training. If an adapter made the head differ from the embedding that it is tied to, both are
    written, and the folder's config says that they are not tied.

    Args:
        model: The model, with the adapter or without any; without, its own weights are written.
        folder: The folder to write, which is made if it is missing.
        name: The adapter to merge into the weights; others are left out.
        tokenizer: The tokenizer to save beside the weights, or None.
        record: The run's fingerprint; None writes no arcflow record. The record that is written
            says that the folder has no separate adapter, because it is merged.

    Returns:
        The folder.
    """
    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.use_cache = True
    if config._attn_implementation == SEGMENTS:
        config._attn_implementation = None
    state = merged_state(model, name, model.get_input_embeddings().weight.dtype)
    if not _can_be_tied(model, state):
        config.tie_word_embeddings = config.get_text_config().tie_word_embeddings = False
    with torch.device("meta"):
        clean = type(model)(config)
    clean.load_state_dict(state, strict=True, assign=True)
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
    """Return the state dict of the same architecture without adapters and quantization.

    Args:
        model: The model, with or without adapters.
        name: The adapter to merge into the weights; others are left out.
        dtype: The dtype of dequantized weights; other weights keep their own.

    Returns:
        The tensors by name, on the CPU.
    """
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


def _can_be_tied(model: PreTrainedModel, state: dict[str, Tensor]) -> bool:
    """Return whether the embedding and the head have the same weights in ``state``."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    keys = [f"{path}.weight" for path, module in model.named_modules() if module in ends]
    weights = [state[key] for key in keys if key in state]
    return len(weights) < 2 or (
        weights[0].shape == weights[1].shape and torch.equal(weights[0], weights[1])
    )


def _is_bnb_linear(module: nn.Module) -> bool:
    return type(module).__module__.startswith("bitsandbytes")


def _dequantized(layer: Any) -> Tensor:
    """Return the numbers that a bitsandbytes layer multiplies with, float32, shape (out, in)."""
    from peft.utils.integrations import dequantize_bnb_weight

    state = getattr(layer, "state", None)
    weight: Tensor = dequantize_bnb_weight(layer.weight, state=state)
    return weight.float()


def _merge_linear(layer: Any, weight: Tensor, name: str) -> Tensor:
    """Return ``weight`` with one adapter's update added and, for DoRA, its rows rescaled.

    LoRA: W + s B A. DoRA: each row of that, divided by its norm and multiplied by the adapter's
    magnitude of the row.
    """
    update = layer.lora_B[name].weight.float() @ layer.lora_A[name].weight.float()
    merged = weight + layer.scaling[name] * update.to(weight.device)
    if name in layer.lora_magnitude_vector:
        length = layer.lora_magnitude_vector[name].weight.float().to(weight.device)
        merged = merged * (length / merged.norm(dim=1))[:, None]
    return torch.as_tensor(merged)

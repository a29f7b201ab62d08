"""The fingerprint of a run: plain data that says what a checkpoint or adapter was trained on."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.core.errors import CheckpointError
from arcflow.modules.lora.adapters import LoRAConfig, is_quantized

FORMAT = 1
"""The format's version of checkpoints and adapter records; readers refuse any other."""

Fingerprint = dict[str, Any]
"""JSON values: ``{"format", "base_model": {...}, "lora": {...} | None, "text": {...}}``."""

_SAMPLES = 32


def describe_base(model: PreTrainedModel, name: str) -> dict[str, Any]:
    """Describe a base model, before an adapter or training changes it.

    Args:
        model: The model, without adapters.
        name: The name as the user gave it; it is shown in messages, but not compared, because
            folders move.

    Returns:
        The name, the architecture, the sizes, and a sample of numbers from the embedding and
        (unless the model is quantized) from all other matrices. The same model in another dtype
        has nearly the same numbers.
    """
    config = model.config.get_text_config()
    embedding = model.get_input_embeddings().weight
    matrices = (
        []
        if is_quantized(model)
        else [p for p in model.parameters() if p.ndim == 2 and p is not embedding]
    )
    return {
        "name": name,
        "architecture": type(model).__name__,
        "sizes": {
            key: int(value)
            for key in (
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "num_key_value_heads",
            )
            if (value := getattr(config, key, None)) is not None
        },
        "embedding": _sample([embedding]),
        "matrices": _sample(matrices),
    }


def make_fingerprint(
    base: Mapping[str, Any], lora: LoRAConfig | None, text: Mapping[str, str] | None = None
) -> Fingerprint:
    """Return the fingerprint of a run.

    Args:
        base: The base model's description, from :func:`describe_base`.
        lora: The adapter's shape; None if all weights are trained.
        text: The fingerprint of the text that tasks are written as; None leaves it out, and it is
            then not compared.
    """
    return {
        "format": FORMAT,
        "base_model": dict(base),
        "lora": None if lora is None else lora.spec(),
        "text": dict(text or {}),
    }


def check_fingerprint(what: str, found: object, wanted: Fingerprint) -> None:
    """Refuse a record that differs from the wanted one.

    Texts are compared if both records have one. Sampled numbers may differ by the rounding
    between dtypes.

    Args:
        what: What the record belongs to, for messages.
        found: The record to check.
        wanted: The record of this run.

    Raises:
        CheckpointError: If the records differ; the message names the first difference.
    """
    found = check_record(what, found)
    _check_lora(what, found["lora"], wanted["lora"])
    # If all weights were trained, those they started from no longer matter.
    numbers = () if wanted["lora"] is None else ("embedding", "matrices")
    _check_base(what, found["base_model"], wanted["base_model"], numbers)
    if found["text"] and wanted["text"]:
        for key in sorted(found["text"].keys() | wanted["text"].keys()):
            theirs, ours = found["text"].get(key), wanted["text"].get(key)
            if theirs != ours:
                raise CheckpointError(
                    f"{what}: trained on another text ({key})",
                    value=theirs,
                    expected=f"{ours!r}, as configured",
                    next_step=f"Set the data's {key} to what it was trained with.",
                )


def check_record(what: str, found: object) -> Mapping[str, Any]:
    """Return the record if it has this format and all its fields.

    Args:
        what: What the record belongs to, for messages.
        found: The record to check.

    Returns:
        ``found`` itself.

    Raises:
        CheckpointError: If it is not such a record.
    """
    keys = ("format", "base_model", "lora", "text")
    whole = isinstance(found, Mapping) and all(key in found for key in keys)
    if not isinstance(found, Mapping) or not whole or found["format"] != FORMAT:
        raise CheckpointError(
            f"{what}: written in another format",
            value=found.get("format") if isinstance(found, Mapping) else "no arcflow record",
            expected=f"arcflow format {FORMAT}",
            next_step="Use a file written by this version of arcflow.",
        )
    return found


def _check_base(
    what: str, found: Mapping[str, Any], wanted: Mapping[str, Any], numbers: tuple[str, ...]
) -> None:
    next_step = (
        f"Set backbone.model to the model it was trained on ({found['name']}); random weights are "
        "the same only with the same seed."
    )
    for key in ("architecture", "sizes"):
        if found[key] != wanted[key]:
            raise CheckpointError(
                f"{what}: trained on another base model ({key})",
                value=found[key],
                expected=f"{wanted[key]}, as of {wanted['name']}",
                next_step=next_step,
            )
    for key in numbers:
        theirs, ours = torch.tensor(found[key]), torch.tensor(wanted[key])
        if len(theirs) and len(ours) and not _close(theirs, ours):
            raise CheckpointError(
                f"{what}: trained on another base model (its weights differ)",
                value=found["name"],
                expected=f"the weights of {wanted['name']}",
                next_step=next_step,
            )


def _check_lora(
    what: str, found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None
) -> None:
    if (found is None) != (wanted is None):
        raise CheckpointError(
            f"{what}: trained {'without' if found is None else 'with'} LoRA",
            value=found,
            expected="all weights" if wanted is None else f"an adapter with {dict(wanted)}",
            next_step="Set model.lora to "
            + ("null." if found is None else "the options it was trained with."),
        )
    if found is None or wanted is None:
        return
    for key in wanted:
        if found.get(key) != wanted[key]:
            raise CheckpointError(
                f"{what}: trained with another lora.{key}",
                value=found.get(key),
                expected=f"{wanted[key]!r}, as configured",
                next_step=f"Set model.lora.{key} to {found.get(key)!r}.",
            )


def _sample(parameters: list[nn.Parameter]) -> list[float]:
    """Return ``_SAMPLES`` numbers spread evenly over the parameters, or [] without any."""
    if not parameters:
        return []
    chosen = []
    for i in range(_SAMPLES):
        flat = parameters[i * len(parameters) // _SAMPLES].detach().flatten()
        value = flat[(i * 7919 + 13) % len(flat)].float().item()
        chosen.append(float(f"{value:.4g}"))  # four digits tell models apart
    return chosen


def _close(theirs: Tensor, ours: Tensor) -> bool:
    # bfloat16 keeps 8 bits: two roundings of one number differ by at most 1 part in 128.
    return theirs.shape == ours.shape and torch.allclose(theirs, ours, rtol=1 / 128, atol=1e-6)

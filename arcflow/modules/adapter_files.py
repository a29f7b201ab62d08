"""Adapters on disk, in PEFT's own format with an arcflow record beside it."""

import json
import math
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from arcflow.core.errors import CheckpointError
from arcflow.modules.adapter_config import PEFT_CONFIG, check_base_name, check_peft_config
from arcflow.modules.fingerprint import Fingerprint, check_fingerprint, check_record
from arcflow.modules.finite import check_finite
from arcflow.modules.lora.adapters import (
    DEFAULT_ADAPTER,
    LoRAConfig,
    State,
    adapter_state,
    peft_lora_config,
)

RECORD, WEIGHTS = "arcflow.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."


def export_adapter(
    model: PreTrainedModel,
    folder: str | Path,
    config: LoRAConfig,
    record: Fingerprint,
    name: str = DEFAULT_ADAPTER,
) -> Path:
    """Write an adapter that PEFT and vLLM load unchanged on the original base model.

    An adapter whose init moved part of the base weights into itself (PiSSA, OLoRA) is written as
    a plain one of twice the rank: the trained matrices beside the negated first ones.

    Args:
        model: The model that carries the adapter.
        folder: The folder to write, which is made if it is missing; files are replaced.
        config: The adapter's shape.
        record: The run's fingerprint, from :func:`arcflow.modules.fingerprint.make_fingerprint`.
        name: The adapter's name.

    Returns:
        The folder.
    """
    start = getattr(model.peft_config[name], "arcflow_start", None)
    state, config = plain_adapter(adapter_state(model, name), config, start)
    base_name = model.config._name_or_path
    return write_adapter(state, folder, config, base_name, record)


def plain_adapter(
    state: State, config: LoRAConfig, start: State | None
) -> tuple[State, LoRAConfig]:
    """Return an adapter of the original base weights that means the same as the given one.

    If the init moved part of the base weights into the adapter (PiSSA, OLoRA), its first values
    have been taken out of them: W' = W - s B0 A0. The trained model W' + s B A is then
    W + s [B | -B0] [A ; A0], an adapter of twice the rank on the original W.

    Args:
        state: The adapter's tensors.
        config: The adapter's shape.
        start: The adapter's first values, if its init changed the base weights; otherwise None.

    Returns:
        The tensors and the shape of the plain adapter.
    """
    if not config.changes_base or start is None:
        return state, config
    factor = math.sqrt(2) if config.rslora else 2
    wide = replace(config, rank=2 * config.rank, alpha=config.alpha * factor, init="default")
    return _widen(state, start), wide


def write_adapter(
    state: State,
    folder: str | Path,
    config: LoRAConfig,
    base_name: str,
    record: Fingerprint | None = None,
) -> Path:
    """Write an adapter's tensors as a folder that PEFT and vLLM load unchanged.

    Args:
        state: The tensors by name, see :data:`arcflow.modules.lora.adapters.State`.
        folder: The folder to write, which is made if it is missing; files are replaced.
        config: The adapter's shape; its init must not change the base (:func:`plain_adapter`).
        base_name: The name or folder of the base model, for PEFT's config; it may be empty.
        record: The run's fingerprint; None writes no arcflow record.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {_PREFIX + key: tensor.contiguous() for key, tensor in state.items()}
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
    peft_config = peft_lora_config(base_name, config)
    peft_config.inference_mode = True
    peft_config.save_pretrained(str(folder))
    if record is not None:
        write_record(record | {"lora": config.spec()}, folder)
    return folder


def write_record(record: Fingerprint, folder: Path) -> None:
    """Write a fingerprint into the folder of an export.

    Args:
        record: The fingerprint of what is exported.
        folder: The folder, which exists.
    """
    (folder / RECORD).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def read_adapter(
    folder: str | Path, model: PreTrainedModel, config: LoRAConfig, wanted: Fingerprint
) -> dict[str, Tensor]:
    """Read the tensors of an adapter folder and check that it belongs to this model.

    Args:
        folder: A folder that :func:`export_adapter` or PEFT wrote.
        model: The base model.
        config: The LoRA options of this run; rank, alpha, rslora and dora must agree.
        wanted: The fingerprint of this run.

    Returns:
        The tensors, for :func:`arcflow.modules.lora.adapters.load_adapter_state`, which checks
        their names and shapes.

    Raises:
        CheckpointError: If the folder holds no adapter, or one for another base model or of
            another shape.
    """
    folder = Path(folder)
    what = f"adapter {folder}"
    for file in (PEFT_CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise CheckpointError(
                f"{what}: not an adapter folder",
                value=f"no {file}",
                expected=f"{PEFT_CONFIG} and {WEIGHTS}, as PEFT writes them",
                next_step="Check model.adapter.",
            )
    try:
        theirs = json.loads((folder / PEFT_CONFIG).read_text())
        if not isinstance(theirs, dict):
            raise ValueError(f"{PEFT_CONFIG} holds no fields")
        tensors = load_file(str(folder / WEIGHTS))
        record = json.loads((folder / RECORD).read_text()) if (folder / RECORD).is_file() else None
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{what}: damaged",
            value=str(error),
            expected=f"{PEFT_CONFIG} and {WEIGHTS}, as PEFT writes them",
            next_step="Export or download the adapter again.",
        ) from error
    if record is not None:
        # Targets are names or "all-linear"; the tensors themselves are compared on loading.
        check_record(what, record)
        spec = {**(record["lora"] or {}), "target_modules": wanted["lora"]["target_modules"]}
        check_fingerprint(what, record | {"lora": spec}, wanted)
    else:
        name = str(wanted["base_model"]["name"])
        check_base_name(what, theirs, name, str(model.config._name_or_path))
    check_peft_config(what, theirs, config)
    named = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    check_finite(what, named)
    return _without_base(what, named, model)


def _without_base(
    what: str, tensors: dict[str, Tensor], model: PreTrainedModel
) -> dict[str, Tensor]:
    """Return the tensors without copies of base weights, which PEFT writes beside adapters of the
    embedding and the head; they must be the model's own."""
    # Of a head that is tied to the embedding too, which has no parameter of its own.
    own = {key.replace(".base_layer.", "."): weight for key, weight in model.state_dict().items()}
    kept = {}
    for key, tensor in tensors.items():
        weight = own.get(key.replace(".base_layer.", "."))
        if ".base_layer." not in key or weight is None:
            kept[key] = tensor
        elif weight.shape != tensor.shape or not _same_weights(tensor, weight.cpu()):
            raise CheckpointError(
                f"{what}: it replaces weights of the base model",
                value=key,
                expected="the weights that the base model has",
                next_step="Use the base model that it was trained on; if its embedding was "
                "trained or resized, merge the adapter with PEFT and start from that model.",
            )
    return kept


def _same_weights(theirs: Tensor, ours: Tensor) -> bool:
    """Return whether two tensors are equal in the number type of one of them."""
    return torch.equal(theirs.to(ours.dtype), ours) or torch.equal(ours.to(theirs.dtype), theirs)


def _widen(state: State, start: State) -> dict[str, Tensor]:
    """Return [A ; A0] and [B | -B0] for each layer; see :func:`plain_adapter`."""
    wide = {}
    for key, tensor in state.items():
        if ".lora_A." in key or key.endswith(".lora_embedding_A"):
            wide[key] = torch.cat([tensor, start[key]], dim=0)
        else:
            wide[key] = torch.cat([tensor, -start[key]], dim=1)
    return wide

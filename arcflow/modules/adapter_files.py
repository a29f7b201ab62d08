"""Adapters on disk, in PEFT's own format with an arcflow record beside it."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from arcflow.core.errors import CheckpointError
from arcflow.modules.fingerprint import Fingerprint, check_fingerprint, check_record
from arcflow.modules.lora.adapters import (
    DEFAULT_ADAPTER,
    LoRAConfig,
    State,
    adapter_state,
    peft_lora_config,
)

RECORD, WEIGHTS, PEFT_CONFIG = "arcflow.json", "adapter_model.safetensors", "adapter_config.json"
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
        _check_name(what, str(theirs.get("base_model_name_or_path") or ""), wanted)
    _check_options(what, theirs, config)
    return {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}


def _check_name(what: str, theirs: str, wanted: Fingerprint) -> None:
    ours = str(wanted["base_model"]["name"])
    if theirs and Path(theirs).name.lower() != Path(ours).name.lower():
        raise CheckpointError(
            f"{what}: trained on another base model",
            value=theirs,
            expected=ours,
            next_step=f"Set backbone.model to {theirs}, or, if both are the same model, correct "
            f"base_model_name_or_path in its {PEFT_CONFIG}.",
        )


def _check_options(what: str, theirs: dict[str, Any], config: LoRAConfig) -> None:
    pairs = (
        ("rank", theirs.get("r"), config.rank),
        ("alpha", float(theirs.get("lora_alpha") or 0), float(config.alpha)),
        ("rslora", bool(theirs.get("use_rslora")), config.rslora),
        ("dora", bool(theirs.get("use_dora")), config.dora),
    )
    for key, found, ours in pairs:
        if found != ours:
            raise CheckpointError(
                f"{what}: trained with another lora.{key}",
                value=found,
                expected=f"{ours!r}, as configured",
                next_step=f"Set model.lora.{key} to {found!r}.",
            )
    for key in ("rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication"):
        if theirs.get(key):
            raise CheckpointError(
                f"{what}: uses PEFT's {key}, which arcflow does not train",
                value=theirs[key],
                expected=f"an adapter without {key}",
                next_step="Merge it into its base model and start a new adapter from there.",
            )


def _widen(state: State, start: State) -> dict[str, Tensor]:
    """Return [A ; A0] and [B | -B0] for each layer; see :func:`plain_adapter`."""
    wide = {}
    for key, tensor in state.items():
        if ".lora_A." in key:
            wide[key] = torch.cat([tensor, start[key]], dim=0)
        else:
            wide[key] = torch.cat([tensor, -start[key]], dim=1)
    return wide

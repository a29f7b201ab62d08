"""Weights to start a run from: those of another run's checkpoint, or of its exported model."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from arcflow.core.errors import CheckpointError
from arcflow.modules.adapter_config import PEFT_CONFIG
from arcflow.modules.adapter_files import RECORD
from arcflow.modules.checkpoint_file import read_checkpoint
from arcflow.modules.fingerprint import Fingerprint, check_fingerprint
from arcflow.modules.lora.adapters import State, check_tensors

CHECKPOINT_RECORD = "arcflow"
"""The key of a checkpoint under which its fingerprint is stored."""

_OPTION = "model.start_from"
_EXPECTED = "a checkpoint of arcflow fit, or a folder that it exported (adapter or model)"


def is_adapter(path: str | Path) -> bool:
    """Return whether the path is the folder of an exported adapter."""
    return (Path(path) / PEFT_CONFIG).is_file()


def load_start(path: str | Path, trained: State, wanted: Fingerprint) -> None:
    """Copy another run's trained weights into the parameters of this run.

    Args:
        path: A checkpoint, or the folder of an exported model.
        trained: The parameters that this run trains, by their names in the module.
        wanted: The fingerprint of this run.

    Raises:
        CheckpointError: If nothing is there, or it was trained on something else; then no weight
            is changed.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        state, record = _read_model(path, wanted)
    elif path.is_file():
        found = read_checkpoint(path)
        state, record = found["state_dict"], found.get(CHECKPOINT_RECORD)
    else:
        raise CheckpointError(
            f"{_OPTION}: nothing there",
            value=str(path),
            expected=_EXPECTED,
            next_step=f"Correct --{_OPTION}; paths start at the working directory.",
        )
    what = f"{_OPTION} {path}"
    check_fingerprint(what, record, wanted)
    check_tensors(what, state, trained)
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(state[name])


def _read_model(folder: Path, wanted: Fingerprint) -> tuple[State, object]:
    """Return the tensors of an exported model, by the module's names, and its fingerprint."""
    what = f"{_OPTION} {folder}"
    if not (folder / RECORD).is_file():
        raise CheckpointError(
            f"{what}: no arcflow run exported this",
            value=f"no {RECORD}",
            expected=_EXPECTED,
            next_step="Give RUN/checkpoints/last.ckpt, RUN/model or RUN/adapter of a run; other "
            "models go to --model.backbone.model.",
        )
    if wanted["lora"] is not None:
        raise CheckpointError(
            f"{what}: a whole model, but this run trains an adapter",
            value=wanted["lora"],
            expected="an adapter or its run's checkpoint",
            next_step="Make it the adapter's base: --model.backbone.model in place of "
            f"--{_OPTION}; or train all weights with --model.lora null.",
        )
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        tensors: dict[str, torch.Tensor] = {}
        for file in sorted(folder.glob("model*.safetensors")):
            tensors |= load_file(str(file))
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{what}: damaged",
            value=str(error),
            expected="a folder as arcflow fit exported it",
            next_step="Export the model again.",
        ) from error
    return {f"model.{name}": tensor for name, tensor in tensors.items()}, record

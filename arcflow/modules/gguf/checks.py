"""What a GGUF file must be for transformers to read all of it, checked from its header alone."""

import importlib.util
import math
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.modules.gguf.header import GGUFError, GGUFHeader, read_header
from arcflow.modules.gguf.rope import FACTORS, rope_parameters
from arcflow.text.model_name import OPTION

_SPELLED_OTHERWISE = {
    "gpt-oss": "gpt_oss",
    "minimax-m2": "minimax_m2",
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
}
"""transformers' names of architectures that have another one in the files."""


def checked_header(path: Path) -> GGUFHeader:
    """Read the header of a GGUF file and refuse what could not be converted.

    Args:
        path: The file.

    Returns:
        The header.

    Raises:
        ConfigError: If the file is damaged or one part of several, if the package gguf is missing,
            or if transformers cannot read the architecture or all that the file holds.
    """
    try:
        header = read_header(path)
    except (GGUFError, OSError, ValueError) as error:
        raise damaged(path, str(error)) from error
    _check_parts(path, header)
    check_package(path)
    _check_architecture(path, header)
    _check_length(path, header)
    _check_rope(path, header)
    return header


def damaged(path: Path, why: str) -> ConfigError:
    """Return the error for a file that is not a whole GGUF file."""
    return ConfigError(
        f"{OPTION}: not a whole GGUF file ({why})",
        value=str(path),
        expected="a GGUF file as llama.cpp writes it",
        next_step="Download or convert the file again.",
    )


def check_package(path: Path) -> None:
    """Refuse to go on without the package gguf.

    Args:
        path: The file that needs it, for the message.

    Raises:
        ConfigError: If it is not installed; the message has the command that installs it.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ConfigError(
            f"{OPTION}: the package gguf, which reads such files, is not installed",
            value=str(path),
            expected="the package gguf beside a GGUF file",
            next_step='Install it with: pip install "arcflow[gguf]"',
        )


def readable_architectures() -> set[str]:
    """Return the architectures of GGUF files that transformers reads as causal language models."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as MODELS

    names = {name for name in GGUF_SUPPORTED_ARCHITECTURES if name in MODELS}
    names |= {theirs for theirs, ours in _SPELLED_OTHERWISE.items() if ours in names}
    try:  # a second reader, of some of its versions
        from transformers.integrations.gguf import GGUF_CONFIG_ARCHS
    except ImportError:
        return names
    return names | set(GGUF_CONFIG_ARCHS)


def _check_parts(path: Path, header: GGUFHeader) -> None:
    parts = header.metadata.get("split.count", 1)
    if parts not in (0, 1):
        raise ConfigError(
            f"{OPTION}: the file is one part of several",
            value={"file": str(path), "parts": parts},
            expected="a GGUF file with all weights",
            next_step="Join the parts with llama.cpp's tool: llama-gguf-split --merge",
        )


def _check_architecture(path: Path, header: GGUFHeader) -> None:
    known = readable_architectures()
    if header.architecture not in known:
        raise ConfigError(
            f"{OPTION}: transformers cannot read GGUF files of the architecture "
            f"{header.architecture or 'without a name'}",
            value=str(path),
            expected=f"one of {', '.join(sorted(known))}",
            next_step="Give the folder of the same model in safetensors.",
        )


def _check_length(path: Path, header: GGUFHeader) -> None:
    """Refuse a file that ends before its last tensor does."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    for name, entry in header.tensors.items():
        try:
            block, size = GGML_QUANT_SIZES[GGMLQuantizationType(entry.number_type)]
        except (KeyError, ValueError) as error:
            raise damaged(
                path, f"{name} has the unknown number type {entry.number_type}"
            ) from error
        end = header.data_start + entry.offset + math.prod(entry.shape) // block * size
        if end > header.size:
            raise damaged(path, f"cut off: {header.size} bytes, but {name} ends at {end}")


def _check_rope(path: Path, header: GGUFHeader) -> None:
    """Refuse rotary embeddings that are scaled; transformers would read them as unscaled."""
    scaling: Any = header.metadata.get(f"{header.architecture}.rope.scaling.type", "none")
    factors = sorted(name for name in header.tensors if name.startswith("rope_"))
    scaled = scaling != "none" and header.architecture != "gpt-oss"
    known = not factors or (factors == [FACTORS] and rope_parameters(path, header) is not None)
    if scaled or not known:
        raise ConfigError(
            f"{OPTION}: transformers does not read how this file scales its rotary embeddings",
            value={"file": str(path), "rope.scaling.type": scaling, "tensors": factors},
            expected="embeddings that are not scaled, or scaled as Llama 3.1's",
            next_step="Give the folder of the same model in safetensors.",
        )

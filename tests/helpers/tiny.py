"""Very small models for tests: saved folders and batches."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen2Config

from arcflow.modules.backbone import BackboneConfig, load_backbone

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 0.2,  # so that an adapter alone can move the logits
}
VOCABULARY = 60

LIGHTNING_WARNINGS = [
    # torch's own notice about a helper that Lightning calls.
    r"ignore:.*treespec.*:FutureWarning",
    r"ignore:.*treespec.*:DeprecationWarning",
    r"ignore:The '\w+' does not have many workers",
    r"ignore:.*your dataloader is not resumable",
    r"ignore:Checkpoint directory .* exists and is not empty",
]


def tiny(seed: int = 0, **options: Any) -> PreTrainedModel:
    """A two-layer Qwen2 from random weights."""
    return load_backbone(BackboneConfig(config=SIZES, **options), VOCABULARY, seed)


def save_tiny(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, **sizes: int) -> str:
    """The folder of a saved two-layer Qwen2."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        options = {"vocab_size": VOCABULARY, "tie_word_embeddings": True} | SIZES | sizes
        config = Qwen2Config(**options)
        AutoModelForCausalLM.from_config(config, dtype=dtype).save_pretrained(folder)
    return str(folder)


def packed(lengths: tuple[int, ...] = (9, 14), seed: int = 0) -> dict[str, torch.Tensor]:
    """A packed row; every token but the first of each segment is scored."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, VOCABULARY, (1, sum(lengths)), generator=generator)
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    return {
        "input_ids": ids,
        "labels": ids.masked_fill(positions == 0, -100),
        "position_ids": positions,
    }

"""Models and batches of random tokens, and short trainings of them, for several parts."""

from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.modules.optim import OptimizerConfig, ScheduleConfig
from gpu_parts.row import Place

QWEN: dict[str, Any] = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
VOCABULARY = 151_936
SMALL: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}


def shape_name(place: Place) -> str:
    """What the models of this run are called in the table."""
    return "a tiny model" if place.small else "Qwen2.5-0.5B's shape"


class Losses(Callback):
    """The loss of each step, as it was trained on."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        self.seen.append(float(outputs["loss"]))


def row(lengths: list[int], vocabulary: int, seed: int = 0) -> dict[str, Tensor]:
    """A packed row of random tokens; the last quarter of each sample is scored."""
    ids = torch.randint(
        0, vocabulary, (1, sum(lengths)), generator=torch.Generator().manual_seed(seed)
    )
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    ends = torch.cat([torch.full((n,), n - n // 4) for n in lengths])[None]
    labels = ids.masked_fill(positions < ends, -100)
    return {"input_ids": ids, "labels": labels, "position_ids": positions}


def make_module(
    sizes: dict[str, Any], vocabulary: int, lora: LoRAConfig | None, lr: float, dtype: Any = "auto"
) -> LoRAModule:
    """A model from random weights."""
    return LoRAModule(
        BackboneConfig(config=sizes, dtype=dtype),
        lora,
        OptimizerConfig(lr=lr, weight_decay=0.0),
        ScheduleConfig("constant"),
        vocab_size=vocabulary,
    )


def repeated(batch: dict[str, Tensor], steps: int) -> DataLoader[Any]:
    """A loader of the same batch. (Lightning takes a plain list for a list of loaders.)"""
    return DataLoader([batch] * steps, batch_size=None)  # type: ignore[arg-type]


def fit(
    module: LoRAModule, batch: dict[str, Tensor], steps: int, device: str, precision: Any
) -> list[float]:
    """Train on the same batch again and again; the loss of each step."""
    losses = Losses()
    trainer = Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_steps=steps,
        precision=precision,
        gradient_clip_val=1.0,
        callbacks=[losses],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, repeated(batch, steps))
    return losses.seen

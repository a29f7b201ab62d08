"""The share of the device's measured matrix rate that a training step reaches."""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from gpu_parts.row import Place, Row, measured, now, seconds_of
from gpu_parts.training import QWEN, SMALL, VOCABULARY, make_module, repeated, row, shape_name

STEPS, UNCOUNTED = 12, 4


class Clock(Callback):
    """When the steps that count began, and when the last one ended."""

    def __init__(self, device: str) -> None:
        self.device, self.began, self.ended = device, 0.0, 0.0

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        if index == UNCOUNTED:
            self.began = now(self.device)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.ended = now(self.device)


def operations(module: LoRAModule, batch: dict[str, Tensor], lengths: list[int]) -> float:
    """Floating-point operations of the products that a step's loss and gradients need.

    6 a trained weight and token, 4 a frozen one; the last layer's feed-forward part and the head
    at scored tokens alone; attention's two products thrice, over half of each sample's square.
    """
    config = module.model.config
    scored = int((batch["labels"] != -100).sum())
    work = 0.0
    for name, weight in module.model.named_parameters():
        if weight.ndim < 2 or "embed_tokens" in name:
            continue  # the head has the embedding's weight, and is counted below
        last = f"layers.{config.num_hidden_layers - 1}.mlp" in name
        each = 6 if weight.requires_grad else 4
        work += each * weight.numel() * (scored if last or "lm_head" in name else sum(lengths))
    each = 4 if module.lora else 6
    if config.tie_word_embeddings:
        work += each * config.vocab_size * config.hidden_size * scored
    width = config.num_attention_heads * (config.hidden_size // config.num_attention_heads)
    return work + config.num_hidden_layers * sum(6 * width * n * n for n in lengths)


def matrix_rate(place: Place, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a square product."""
    n = 256 if place.small else 8192
    a = torch.randn(n, n, device=place.device, dtype=dtype)
    return 2 * n**3 / seconds_of(lambda: a @ a, place.device, 10)


def rows(place: Place) -> Iterator[Row]:
    """All weights in mixed precision, and LoRA on a bfloat16 base."""
    peak = matrix_rate(place, torch.bfloat16)
    yield measured("matrix rate, bfloat16", f"{peak / 1e12:,.2f} TFLOP/s")
    sizes, vocabulary = (SMALL, 112) if place.small else (QWEN, VOCABULARY)
    lengths = [60, 40] if place.small else [1024] * 32
    for name, lora, dtype, precision in (
        ("all weights", None, "auto", "bf16-mixed"),
        ("LoRA of rank 16", LoRAConfig(rank=16), "bfloat16", "bf16-mixed"),
    ):
        module = make_module(sizes, vocabulary, lora, 1e-4, dtype)
        batch, clock = row(lengths, vocabulary), Clock(place.device)
        trainer = Trainer(
            accelerator="gpu" if place.device == "cuda" else "cpu",
            devices=1,
            max_steps=STEPS,
            precision=precision,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, repeated(batch, STEPS))
        seconds = (clock.ended - clock.began) / (STEPS - UNCOUNTED)
        share = operations(module, batch, lengths) / seconds / peak
        memory = ""
        if place.device == "cuda":
            memory = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most"
            torch.cuda.reset_peak_memory_stats()
        yield measured(
            f"training step, {shape_name(place)}, {name}, {precision}",
            f"{sum(lengths) / seconds:,.0f} tokens/s, {share:.1%} of the matrix rate{memory}",
        )

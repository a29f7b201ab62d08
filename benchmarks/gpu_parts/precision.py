"""Training in each number type: losses are finite and fall, with all weights and with LoRA."""

import math
from collections.abc import Iterator

from arcflow.modules.lora.adapters import LoRAConfig
from gpu_parts.row import Place, Row, judged
from gpu_parts.training import QWEN, SMALL, fit, make_module, row

STEPS = 30


def rows(place: Place) -> Iterator[Row]:
    """A row for each number type and kind of training."""
    sizes = SMALL if place.small else QWEN | {"num_hidden_layers": 4}
    vocabulary = 112 if place.small else 8192
    batch = row([20, 40] if place.small else [300, 700, 1000], vocabulary)
    kinds = ["32-true", "bf16-mixed"] if place.small else ["32-true", "16-mixed", "bf16-mixed"]
    for name, lora, lr in (("all weights", None, 1e-3), ("LoRA", LoRAConfig(rank=16), 5e-3)):
        for precision in kinds + (["bf16-true"] if lora else []):
            module = make_module(sizes, vocabulary, lora, lr)
            losses = fit(module, batch, STEPS, place.device, precision)
            right = all(map(math.isfinite, losses)) and losses[-1] < 0.95 * losses[0]
            yield judged(
                f"training in {precision}, {name}, {STEPS} steps on one batch",
                f"loss {losses[0]:.3f} to {losses[-1]:.3f}",
                "finite, and 5 % lower at the end",
                right and len(losses) == STEPS,
            )

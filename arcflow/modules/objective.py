"""The loss of a batch: next-token cross entropy, logits only where the loss needs them."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.modules.last_layer import read_only_scored
from arcflow.modules.loss import linear_cross_entropy, scored_positions

_plain_heads: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def causal_loss(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """Mean cross entropy of the scored tokens.

    Args:
        model: a causal language model, with or without adapters.
        batch: ``input_ids`` and ``labels`` of shape (B, L), labels aligned with the ids and -100
            where not scored; ``position_ids`` and, in padded batches only, ``attention_mask``.

    Returns:
        The mean in nats over the scored tokens (a scalar, float32), and their number. Without a
        scored token the loss is 0 and carries a gradient of zeros.
    """
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    if _has_plain_head(model, inputs):
        inputs = read_only_scored(model, inputs, batch["labels"])
        hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
        head = model.get_output_embeddings()
        chosen, targets = scored_positions(hidden, batch["labels"])
        return linear_cross_entropy(chosen, head.weight, targets, head.bias), len(targets)
    logits = model(**inputs, use_cache=False).logits
    chosen, targets = scored_positions(logits, batch["labels"])
    total = nn.functional.cross_entropy(chosen.float(), targets, reduction="sum")
    return total / max(1, len(targets)), len(targets)


def _has_plain_head(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the logits are the head's linear layer alone; tried once a model.

    Some models cap or scale their logits (Gemma 2, Cohere, Granite) or have an adapter on the
    head; a look at what comes out covers them all.
    """
    if model not in _plain_heads:
        head = model.get_output_embeddings()
        _plain_heads[model] = (
            type(head) is nn.Linear
            and model.base_model is not model
            and _logits_are_linear(model, head, inputs)
        )
    return _plain_heads[model]


@torch.no_grad()
def _logits_are_linear(
    model: PreTrainedModel, head: nn.Linear, inputs: Mapping[str, Tensor]
) -> bool:
    seen: list[Tensor] = []
    handle = model.base_model.register_forward_hook(
        lambda _module, _args, output: seen.append(output.last_hidden_state)
    )
    devices = [head.weight.device] if head.weight.is_cuda else []
    try:
        # Dropout draws here must not shift those of the training step.
        with torch.random.fork_rng(devices=devices):
            logits = model(**{k: v[:1, :8] for k, v in inputs.items()}, use_cache=False).logits
    finally:
        handle.remove()
    plain = head(seen[0])
    return torch.allclose(logits.float(), plain.float(), rtol=1e-2, atol=1e-2)

"""The loss of a batch: next-token cross entropy, logits only where the loss needs them."""

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from arcflow.modules.loss.base import LossFunction
from arcflow.modules.loss.fused_cross_entropy import (
    linear_cross_entropy,
    scored_positions,
    weighted_cross_entropy,
)
from arcflow.modules.loss.skip_unscored import restrict_to_scored

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
    chosen, targets, head = _scored(model, batch)
    if head is not None:
        return linear_cross_entropy(chosen, head.weight, targets, head.bias), len(targets)
    total = nn.functional.cross_entropy(chosen.float(), targets, reduction="sum")
    return total / max(1, len(targets)), len(targets)


class CrossEntropy(LossFunction):
    """The default loss: :func:`causal_loss`, which computes logits only where they are scored."""

    def __call__(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """Return the mean cross entropy in nats over the scored tokens, and their number."""
        return causal_loss(model, batch)


def causal_losses(
    model: PreTrainedModel, batch: Mapping[str, Tensor], counts: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """The sum of several groups' mean cross entropies: each one's gradient is what it is alone.

    Args:
        model: as for :func:`causal_loss`, which must have seen it (:func:`probe_head`).
        batch: a packed row, group after group.
        counts: scored tokens of each group, none of them 0.

    Returns:
        The sum of the groups' means in nats (a scalar), and the means (G,), without gradient.
    """
    chosen, targets, head = _scored(model, batch)
    each = torch.tensor(counts, device=targets.device)
    weights = (1.0 / each).repeat_interleave(each, output_size=len(targets))
    if head is not None:
        total, losses = weighted_cross_entropy(
            chosen, head.weight, targets, weights, head.bias, counts=counts
        )
    else:
        losses = nn.functional.cross_entropy(chosen.float(), targets, reduction="none")
        total, losses = (losses * weights).sum(), losses.detach()
    return total, torch.stack([group.mean() for group in losses.split(list(counts))])


def probe_head(model: PreTrainedModel) -> None:
    """Find out, with a few tokens, how the model's logits are made; later calls do not ask."""
    ids = torch.zeros(1, 8, dtype=torch.int64, device=model.device)
    _has_plain_head(model, {"input_ids": ids, "position_ids": torch.arange(8).to(ids)[None]})


def _scored(
    model: PreTrainedModel, batch: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor, nn.Linear | None]:
    """Hidden states that predict a scored token, those tokens, and the head that is to be applied;
    logits and no head where the head does more than a product."""
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    if _has_plain_head(model, inputs):
        inputs = restrict_to_scored(model, inputs, batch["labels"])
        hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
        return *scored_positions(hidden, batch["labels"]), model.get_output_embeddings()
    logits = model(**inputs, use_cache=False).logits
    return *scored_positions(logits, batch["labels"]), None


def _has_plain_head(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the logits are the head's linear layer alone; its output is tried once a model.

    Some models cap or scale their logits (Gemma 2, Cohere, Granite) or have an adapter on the
    head; a look at what comes out covers them all.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or model.base_model is model:
        return False  # asked each time: an adapter on the head comes and goes
    if model not in _plain_heads:
        _plain_heads[model] = _logits_are_linear(model, head, inputs)
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

"""The loss of a batch: next-token cross entropy, logits only where the loss needs them."""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

try:
    from arcflow.modules.loss import linear_cross_entropy
except ImportError:

    def linear_cross_entropy(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(nn.functional.linear(hidden, weight).float(), labels)


IGNORED = -100

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
    labels = batch["labels"][:, 1:]
    rows, places = torch.nonzero(labels != IGNORED, as_tuple=True)
    targets = labels[rows, places]
    inputs = {k: v for k, v in batch.items() if k != "labels"}
    if _has_plain_head(model, inputs):
        hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
        head = model.get_output_embeddings()
        # One row is enough to reach every weight when nothing is scored (DDP waits for all).
        if len(targets) == 0:
            return head(hidden[0, :1]).sum() * 0.0, 0
        return linear_cross_entropy(hidden[rows, places], head.weight, targets), len(targets)
    logits = model(**inputs, use_cache=False).logits
    if len(targets) == 0:
        return logits[0, 0].sum() * 0.0, 0
    return nn.functional.cross_entropy(logits[rows, places].float(), targets), len(targets)


def _has_plain_head(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> bool:
    """Whether the logits are exactly ``hidden @ weight.T``; tried once a model.

    Some models cap or scale their logits (Gemma 2, Cohere, Granite) or have a bias or an adapter
    on the head; a look at what comes out covers them all.
    """
    if model not in _plain_heads:
        head = model.get_output_embeddings()
        _plain_heads[model] = (
            type(head) is nn.Linear
            and head.bias is None
            and model.base_model is not model
            and _logits_are_linear(model, head.weight, inputs)
        )
    return _plain_heads[model]


@torch.no_grad()
def _logits_are_linear(
    model: PreTrainedModel, weight: Tensor, inputs: Mapping[str, Tensor]
) -> bool:
    seen: list[Tensor] = []
    handle = model.base_model.register_forward_hook(
        lambda _module, _args, output: seen.append(output.last_hidden_state)
    )
    devices = [weight.device] if weight.is_cuda else []
    try:
        # Dropout draws here must not shift those of the training step.
        with torch.random.fork_rng(devices=devices):
            logits = model(**{k: v[:1, :8] for k, v in inputs.items()}, use_cache=False).logits
    finally:
        handle.remove()
    plain = nn.functional.linear(seen[0], weight)
    return torch.allclose(logits.float(), plain.float(), rtol=1e-2, atol=1e-2)

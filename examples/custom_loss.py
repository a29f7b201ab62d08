"""A loss of your own: focal cross entropy, which looks away from tokens that are easy.

Usage, from the folder above this one:

    arcflow fit -c configs/quickstart.yaml \
        --model.loss_fn examples.custom_loss.FocalLoss --model.loss_fn.gamma 2

Training, validation and test-time fine-tuning then minimise or measure this loss; give the same
options to ``arcflow validate``.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from arcflow.modules.loss.base import LossFunction


class FocalLoss(LossFunction):
    """The cross entropy of each token times (1 - its probability) to a power.

    After Lin et al. 2017, "Focal loss for dense object detection", arXiv:1708.02002.

    Args:
        gamma: the power; 0 gives the cross entropy.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """Return the mean loss over the scored tokens, and their number."""
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**inputs, use_cache=False).logits
        # The logits of one place predict the token at the next.
        targets = batch["labels"][:, 1:]
        scored = targets != -100
        log_probs = torch.log_softmax(logits[:, :-1][scored].float(), dim=-1)
        right = log_probs.gather(-1, targets[scored][:, None])[:, 0]
        losses = -right * (1 - right.exp()) ** self.gamma
        n = int(scored.sum())
        return losses.sum() / max(1, n), n

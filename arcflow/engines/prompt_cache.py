"""The beginning of a batch: prompts padded on the left, and the cache of what they share."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from arcflow.engines.base import Request
from arcflow.engines.prefix import PromptGroup


@dataclass(frozen=True, slots=True)
class BatchStart:
    """What a model is given first.

    Attributes:
        rest: The token ids that are still to be computed, int64 of shape (B, L).
        mask: A mask over the cached columns and ``rest``, 0 at padding, of shape (B, P + L).
        cache: The cache of P columns of common beginnings, or None if nothing is shared.
    """

    rest: Tensor
    mask: Tensor
    cache: DynamicCache | None


class PromptCache:
    """A function from batches of prompts to their beginning, computed once where it is shared.

    Args:
        model: A transformers causal language model.
        pad_id: The token id that pads batches.
    """

    def __init__(self, model: Any, pad_id: int) -> None:
        self.model, self.pad_id = model, pad_id
        forward = inspect.signature(model.forward).parameters
        self._last_logits = {"logits_to_keep": 1} if "logits_to_keep" in forward else {}

    def begin(self, batch: Sequence[PromptGroup], requests: Sequence[Request]) -> BatchStart:
        """Compute the common beginnings of a batch.

        Args:
            batch: The groups of the batch, one row after the other.
            requests: All requests, by the groups' numbers.

        Returns:
            What is left to compute, with the cache of the rest.
        """
        sharing = any(len(group.rows) > 1 and group.shared > 0 for group in batch)
        shared = [group.shared if sharing else 0 for group in batch]
        rest, mask = self._left_padded(
            [
                requests[i].prompt_ids[start:]
                for start, group in zip(shared, batch, strict=True)
                for i, _ in group.rows
            ]
        )
        if not sharing:
            return BatchStart(rest, mask, None)
        beginnings = [
            requests[group.rows[0][0]].prompt_ids[:start]
            for start, group in zip(shared, batch, strict=True)
        ]
        owner = torch.tensor([g for g, group in enumerate(batch) for _ in group.rows])
        cache, beginning_mask = self._prefill(beginnings, owner.to(self.model.device))
        return BatchStart(rest, torch.cat([beginning_mask, mask], dim=1), cache)

    def finish(self, start: BatchStart) -> tuple[DynamicCache, Tensor]:
        """Compute what is left of the prompts.

        Args:
            start: The beginning of the batch; its cache grows.

        Returns:
            The cache of the whole prompts, and the logits after them, shape (B, V).
        """
        cache = start.cache
        if cache is None:
            cache = DynamicCache(config=self.model.config)
        return cache, self._forward(start.rest, start.mask, cache)

    def _prefill(
        self, beginnings: Sequence[Sequence[int]], owner: Tensor
    ) -> tuple[DynamicCache, Tensor]:
        """Return each beginning's cache, repeated for its rows, and the mask (B, P) over it."""
        ids, mask = self._left_padded(beginnings)
        cache = DynamicCache(config=self.model.config)
        self._forward(ids, mask, cache)
        cache.batch_select_indices(owner)
        return cache, mask[owner]

    def _forward(self, ids: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """Compute ids (B, L) after what is cached, and return the last logits (B, V)."""
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        logits: Tensor = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **self._last_logits,
        ).logits
        return logits[:, -1]

    def _left_padded(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return token ids and mask, int64 of shape (B, L), with padding on the left."""
        length = max(len(row) for row in rows)
        ids = torch.tensor([[self.pad_id] * (length - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        return ids.to(self.model.device), mask.to(self.model.device)

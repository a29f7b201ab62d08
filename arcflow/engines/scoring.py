"""Log-probabilities of given completions: one pass over each prompt, then over what follows it."""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from arcflow.engines.base import ScoreRequest
from arcflow.engines.prefix import PromptGroup, plan_batches

_MOST_LOGITS = 2**28
"""The bound on the number of logits that are held at a time: 1 GiB in float32."""

Row = tuple[int, int]
"""The request number and the completion number of a row."""


class CompletionScorer:
    """Scores completions with a transformers causal language model, by teacher forcing.

    The key-value cache of a prompt, all but its last token, is computed once and repeated for its
    completions, which are padded on the right; the prompt's last token goes with each of them.

    Args:
        model: A transformers causal language model in evaluation mode.
        pad_id: The token id that pads batches.
        max_batch_tokens: The bound on rows x (padded prompt + completion) of a batch.
        share_prefix: Whether a prompt is computed once; otherwise each row is a whole text.
    """

    def __init__(self, model: Any, pad_id: int, max_batch_tokens: int, share_prefix: bool) -> None:
        self.model, self.pad_id = model, pad_id
        self.max_batch_tokens, self.share_prefix = max_batch_tokens, share_prefix
        forward = inspect.signature(model.forward).parameters
        self._last_logits = {"logits_to_keep": 1} if "logits_to_keep" in forward else {}

    def score(
        self, requests: Sequence[ScoreRequest], expired: Callable[[], bool]
    ) -> dict[Row, float]:
        """Return the log-probability in nats of each completion, by request and its number.

        Args:
            requests: The prompts with their completions, all for the adapter that is active.
            expired: Asked before each forward pass over completions; once it is true, nothing more
                is scored.

        Returns:
            The sums over all tokens of each completion that was scored.
        """
        found: dict[Row, float] = {}
        for batch in plan_batches(self._groups(requests), 0, self.max_batch_tokens):
            if expired():
                break
            cache, owner, lengths, mask = self._prompts(batch, requests)
            rows = [row for group in batch for row in group.rows]
            for part in self._parts(rows, requests):
                if expired():
                    break
                of = owner[part]
                beginnings = None if cache is None else _selected(cache, of)
                scores = self._batch(
                    [rows[r] for r in range(part.start, part.stop)],
                    requests,
                    beginnings,
                    lengths[of],
                    mask[of],
                )
                found |= dict(zip(rows[part], scores, strict=True))
        return found

    def _groups(self, requests: Sequence[ScoreRequest]) -> list[PromptGroup]:
        groups = []
        for i, request in enumerate(requests):
            shared = len(request.prompt_ids) - 1 if self.share_prefix else 0
            # Of similar length together, for little padding; the longest come first.
            order = sorted(
                range(len(request.completions)), key=lambda k: -len(request.completions[k])
            )
            if order:
                longest = len(request.prompt_ids) + len(request.completions[order[0]]) - 1
                groups.append(PromptGroup(shared, tuple((i, k) for k in order), longest))
        return groups

    def _prompts(
        self, batch: Sequence[PromptGroup], requests: Sequence[ScoreRequest]
    ) -> tuple[DynamicCache | None, Tensor, Tensor, Tensor]:
        """Compute the prompts of a batch.

        Returns:
            Their cache, or None without shared beginnings; the group (R,) of each row; and of each
            group the tokens (G,) and the mask (G, P) of what the cache holds.
        """
        device = self.model.device
        owner = torch.tensor([g for g, group in enumerate(batch) for _ in group.rows]).to(device)
        lengths = torch.tensor([group.shared for group in batch])
        width = int(lengths.max())
        if width == 0:
            return None, owner, lengths.to(device), torch.ones(len(batch), 0, device=device)
        ids = torch.full((len(batch), width), self.pad_id)
        for g, group in enumerate(batch):
            shared = requests[group.rows[0][0]].prompt_ids[: group.shared]
            ids[g, width - group.shared :] = torch.tensor(shared, dtype=torch.int64)
        mask = (torch.arange(width) >= width - lengths[:, None]).long().to(device)
        cache = DynamicCache(config=self.model.config)
        self.model(
            input_ids=ids.to(device),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            **self._last_logits,
        )
        return cache, owner, lengths.to(device), mask

    def _parts(self, rows: Sequence[Row], requests: Sequence[ScoreRequest]) -> Iterator[slice]:
        """Yield slices of the rows whose logits fit the bound."""
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        start, widest = 0, 0
        for r, (i, k) in enumerate(rows):
            width = len(requests[i].completions[k])
            width += 0 if self.share_prefix else len(requests[i].prompt_ids)
            if r > start and (r + 1 - start) * max(widest, width) * vocabulary > _MOST_LOGITS:
                yield slice(start, r)
                start, widest = r, 0
            widest = max(widest, width)
        yield slice(start, len(rows))

    def _batch(
        self,
        rows: Sequence[Row],
        requests: Sequence[ScoreRequest],
        cache: DynamicCache | None,
        before: Tensor,
        mask: Tensor,
    ) -> list[float]:
        """Return the log-probability of each row's completion.

        Args:
            rows: The rows, R of them.
            requests: The prompts with their completions.
            cache: What was computed of the rows' prompts, or None.
            before: The number of tokens (R,) in the cache.
            mask: The mask (R, P) over the cache.
        """
        device = self.model.device
        starts = before.tolist()
        texts = [
            (*requests[i].prompt_ids[start:], *requests[i].completions[k])
            for (i, k), start in zip(rows, starts, strict=True)
        ]
        scored = [len(requests[i].completions[k]) for i, k in rows]
        width = max(map(len, texts))
        ids = torch.full((len(texts), width), self.pad_id)
        ours = torch.zeros(len(texts), width, dtype=torch.int64)
        answer = torch.zeros(len(texts), width, dtype=torch.bool)
        for r, (text, count) in enumerate(zip(texts, scored, strict=True)):
            ids[r, : len(text)] = torch.tensor(text)
            ours[r, : len(text)] = 1
            answer[r, len(text) - count : len(text)] = True
        ids, ours, answer = ids.to(device), ours.to(device), answer.to(device)
        logits = self.model(
            input_ids=ids[:, :-1],
            attention_mask=torch.cat([mask.to(ours.dtype), ours[:, :-1]], dim=1),
            position_ids=before[:, None] + torch.arange(width - 1, device=device),
            past_key_values=cache,
            use_cache=cache is not None,
        ).logits.float()
        gained = logits.gather(-1, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)
        sums: list[float] = torch.where(answer[:, 1:], gained.double(), 0.0).sum(-1).tolist()
        return sums


def _selected(cache: DynamicCache, rows: Tensor) -> DynamicCache:
    """Return a cache with these rows of another, which stays as it is."""
    # The layers' tensors are replaced, never written to, so they need no copies of their own.
    chosen = copy.copy(cache)
    chosen.layers = [copy.copy(layer) for layer in cache.layers]
    chosen.batch_select_indices(rows)
    return chosen

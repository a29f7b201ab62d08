"""Depth-first search of many requests at once: their current tokens share each forward pass."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from arcflow.engines.depth_first import DepthFirst, Scored
from arcflow.engines.row_cache import RowCache

# A first selection in float32 is this much too wide; the search decides in float64.
_SLACK = 1e-3
_FIRST_RANKS = 16


def search_batch(
    model: Any,
    cache: RowCache,
    logits: Tensor,
    searches: Sequence[DepthFirst],
    stop_ids: Sequence[int],
    expired: Callable[[], bool],
) -> None:
    """Search all rows of a batch until each is done or the time is over.

    Every forward pass computes one token of each row: a row that goes back takes its next token at
    an earlier column of the cache. Rows that are done ride along until half of all are.

    Args:
        model: A transformers causal language model.
        cache: The cache of the B prompts.
        logits: The logits after the prompts, shape (B, V).
        searches: The search of each row; they hold the results.
        stop_ids: The token ids that end a completion.
        expired: Whether the time is over; asked before every forward pass.
    """
    stops = torch.tensor(list(stop_ids), dtype=torch.int64, device=logits.device)
    searches, running = list(searches), [True] * len(searches)
    while True:
        _expand(logits.float().log_softmax(-1), stops, searches, running)
        tokens = [
            search.advance() if on else None for search, on in zip(searches, running, strict=True)
        ]
        running = [token is not None for token in tokens]
        if not any(running):
            return
        if expired():
            for search, on in zip(searches, running, strict=True):
                if on:
                    search.expire()
            return
        if 2 * sum(running) <= len(running):
            kept = [i for i, on in enumerate(running) if on]
            cache.keep(torch.tensor(kept, device=logits.device))
            searches, tokens = [searches[i] for i in kept], [tokens[i] for i in kept]
            running = [True] * len(kept)
        depths = [
            len(search.path) - 1 if on else 0 for search, on in zip(searches, running, strict=True)
        ]
        mask, positions = cache.move(torch.tensor(depths, device=logits.device))
        ids = torch.tensor([[token or 0] for token in tokens], device=logits.device)
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]


def _expand(
    log_probs: Tensor, stops: Tensor, searches: Sequence[DepthFirst], running: Sequence[bool]
) -> None:
    """Hand each running search the tokens that may follow, from log-probabilities (B, V)."""
    bounds = torch.tensor(
        [s.bound - _SLACK if on else torch.inf for s, on in zip(searches, running, strict=True)],
        dtype=log_probs.dtype,
        device=log_probs.device,
    )
    hits = (log_probs >= bounds[:, None]).nonzero()
    values = log_probs[hits[:, 0], hits[:, 1]].double()
    # Without stop tokens the sum is empty: minus infinity.
    ends = log_probs[:, stops].double().logsumexp(-1).tolist()
    children: list[list[Scored]] = [[] for _ in searches]
    for (row, token), value in zip(hits.tolist(), values.tolist(), strict=True):
        children[row].append((token, value))
    for row, (search, on) in enumerate(zip(searches, running, strict=True)):
        if on:
            search.expand(children[row], ends[row], _ranking(log_probs[row]))


def _ranking(log_probs: Tensor) -> Iterator[Scored]:
    """Yield all tokens with their log-probabilities (V,), the most probable first."""
    first = log_probs.topk(min(_FIRST_RANKS, len(log_probs)))
    yield from zip(first.indices.tolist(), first.values.tolist(), strict=True)
    rest = log_probs.sort(descending=True, stable=True)
    yield from zip(
        rest.indices[len(first.indices) :].tolist(),
        rest.values[len(first.indices) :].tolist(),
        strict=True,
    )

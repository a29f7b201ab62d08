"""Causal attention of one short sample, in blocks of queries, with a backward pass by hand.

The weights of attention are kept for the backward pass, in place of making them again as kernels
for long sequences do: at a few hundred tokens that is the cheaper way. Each block of queries meets
only the keys up to its end. Products of several heads are one call where all that they write is
contiguous, as a block's own tensors are.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

LONGEST = 512
"""Tokens up to which samples are short: the weights take the square of it."""

_BLOCK = 64


def attend(q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> list[Tensor]:
    """Write ``softmax(q k' + causal mask) v``.

    Args:
        q: (H, m, g, D), the last m tokens' queries, already scaled; g of them for each of H keys.
        k: (H, n, D).
        v: (H, n, D).
        out: as ``q``, in any memory.

    Returns:
        What :func:`attend_backward` needs: the blocks' weights, (H, b g, e) for b queries that see
        e keys.
    """
    heads, tokens, group, width = q.shape
    rows, kept = q.flatten(1, 2), []
    for begin, end, seen in _blocks(tokens, k.shape[1]):
        scores = torch.bmm(rows[:, begin * group : end * group], k[:, :seen].mT)
        scores[:, :, seen - (end - begin) :].add_(_mask(end - begin, group, q.device))
        weights = torch.softmax(scores, -1)
        found = torch.bmm(weights, v[:, :seen])
        out[:, begin:end].copy_(found.view(heads, end - begin, group, width))
        kept.append(weights)
    return kept


def attend_backward(
    kept: Sequence[Tensor],
    q: Tensor,
    k: Tensor,
    v: Tensor,
    grad: Tensor,
    grads: tuple[Tensor, Tensor, Tensor],
) -> None:
    """The gradients of :func:`attend`.

    Args:
        kept: what it returned.
        q: as it was given, so too ``k`` and ``v``.
        k: see ``q``.
        v: see ``q``.
        grad: of ``out``, (H, m, g, D), contiguous in each head.
        grads: the places for those of ``q``, ``k`` and ``v``.
    """
    grad_q, grad_k, grad_v = grads
    tokens, group = q.shape[1:3]
    if tokens == 0:
        grad_k.zero_()
        grad_v.zero_()
        return
    blocks = list(_blocks(tokens, k.shape[1]))
    queries, of_out, of_queries = q.flatten(1, 2), grad.flatten(1, 2), grad_q.flatten(1, 2)
    # The last block sees all keys: it writes what the others add to.
    for place in reversed(range(len(blocks))):
        (begin, end, seen), weights = blocks[place], kept[place]
        rows, keep = slice(begin * group, end * group), place < len(blocks) - 1
        dv, dk, mine = grad_v[:, :seen], grad_k[:, :seen], of_out[:, rows]
        of_weights = torch.bmm(mine, v[:, :seen].mT)
        scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        if keep:
            torch.baddbmm(dv, weights.mT, mine, out=dv)
            torch.baddbmm(dk, scores.mT, queries[:, rows], out=dk)
        else:
            torch.bmm(weights.mT, mine, out=dv)
            torch.bmm(scores.mT, queries[:, rows], out=dk)
        torch.bmm(scores, k[:, :seen], out=of_queries[:, rows])


def count_blocks(tokens: int) -> int:
    """How many tensors :func:`attend` keeps for ``tokens`` queries."""
    return 0 if tokens == 0 else max(1, round(tokens / _BLOCK))


def _blocks(tokens: int, keys: int) -> list[tuple[int, int, int]]:
    """First and last query of each block, and the keys that it sees."""
    number = count_blocks(tokens)
    bounds = [tokens * i // number for i in range(number + 1)] if number else []
    return [(a, b, keys - tokens + b) for a, b in pairwise(bounds)]


@lru_cache(maxsize=256)
def _mask(tokens: int, group: int, device: torch.device) -> Tensor:
    """(tokens group, tokens): minus infinity at keys after the query."""
    square = torch.full((tokens, tokens), float("-inf"), device=device).triu_(1)
    return square.repeat_interleave(group, 0)

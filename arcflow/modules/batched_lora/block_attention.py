"""Causal attention of one short sample, in blocks of queries, with a hand-written backward pass.

The attention weights are kept for the backward pass; kernels for long sequences compute them
again instead, but at a few hundred tokens keeping them is cheaper. Each block of queries is
multiplied only with the keys up to its own end. The products of several heads are one call if the
memory that they write is contiguous, as it is for a block's own tensors.

Shapes: H heads of keys, g queries for each of them, n keys, of which the last m ask, D numbers a
head. A block holds b of the m queries, which see the first e keys. In every head, with the block's
b g rows of queries side by side:

Forward (:func:`attend`)::

    S = Q K_e^T + M            ``scores``   (b g, e)   Q is scaled already; M is 0, or -inf at
                                                       keys that come after the query
    P = softmax(S)             ``weights``  (b g, e)   by row
    O = P V_e                  ``found``    (b g, D)

Backward (:func:`attend_backward`), for the gradient dO of O (b g, D)::

    dV_e += P^T dO             (e, D)
    dP = dO V_e^T              (b g, e)   ``of_weights``
    dS = P (dP - sum_e P dP)   (b g, e)   ``scores``; elementwise, the sum over each row
    dK_e += dS^T Q             (e, D)
    dQ = dS K_e                (b g, D)

dK and dV are sums over blocks; the last block sees all keys, so it is done first and overwrites.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

LONGEST = 512
"""The longest sample, in tokens, that counts as short; its weights take the square of that."""

_BLOCK = 64


def attend(q: Tensor, k: Tensor, v: Tensor, out: Tensor) -> list[Tensor]:
    """Write ``softmax(q k^T + causal mask) v`` into ``out``.

    Args:
        q: The queries of the sample's last m tokens, already scaled, shape (H, m, g, D).
        k: The keys, shape (H, n, D).
        v: The values, shape (H, n, D).
        out: A tensor of the shape of ``q`` with any strides, which is overwritten.

    Returns:
        The blocks' attention weights, which :func:`attend_backward` needs: shape (H, b g, e) for
        a block of b queries that see e keys.
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
    """Write the gradients of the queries, keys and values of :func:`attend`.

    Args:
        kept: The attention weights that :func:`attend` returned.
        q: The queries that :func:`attend` was given, shape (H, m, g, D).
        k: The keys that it was given, shape (H, n, D).
        v: The values that it was given, shape (H, n, D).
        grad: The gradient of ``out``, shape (H, m, g, D), contiguous in each head.
        grads: Tensors of the shapes of ``q``, ``k`` and ``v``, which are overwritten with their
            gradients.
    """
    grad_q, grad_k, grad_v = grads
    tokens, group = q.shape[1:3]
    if tokens == 0:
        grad_k.zero_()
        grad_v.zero_()
        return
    blocks = list(_blocks(tokens, k.shape[1]))
    queries, of_out, of_queries = q.flatten(1, 2), grad.flatten(1, 2), grad_q.flatten(1, 2)
    # The last block sees all keys: it overwrites dK and dV, and the others add to them.
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
    """Return how many tensors :func:`attend` keeps for ``tokens`` queries."""
    return 0 if tokens == 0 else max(1, round(tokens / _BLOCK))


def _blocks(tokens: int, keys: int) -> list[tuple[int, int, int]]:
    """Return the first query, the end and the number of visible keys of each block."""
    number = count_blocks(tokens)
    bounds = [tokens * i // number for i in range(number + 1)] if number else []
    return [(a, b, keys - tokens + b) for a, b in pairwise(bounds)]


@lru_cache(maxsize=256)
def _mask(tokens: int, group: int, device: torch.device) -> Tensor:
    """Return a mask of shape (tokens group, tokens): minus infinity at keys after the query."""
    square = torch.full((tokens, tokens), float("-inf"), device=device).triu_(1)
    return square.repeat_interleave(group, 0)

"""Cross entropy computed straight from hidden states, a chunk of positions at a time.

The logits of all tokens never exist at once; see ``_LinearCrossEntropy`` for the equations.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcflow.text.encode import IGNORED_LABEL


def scored_positions(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the hidden states that predict a scored token, and those tokens.

    Args:
        hidden: Hidden states of shape (B, L, d); the state at t predicts the token at t + 1.
        labels: Labels of shape (B, L), aligned with the inputs; a token that is not scored has
            the label :data:`arcflow.text.encode.IGNORED_LABEL` (-100).

    Returns:
        The states, shape (N, d), and the tokens, int64 of shape (N,). N is the number of scored
        labels; labels at position 0 do not count, because nothing predicts them.
    """
    targets = labels[:, 1:]
    rows, places = torch.nonzero(targets != IGNORED_LABEL, as_tuple=True)
    return hidden[rows, places], targets[rows, places]


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    bias: Tensor | None = None,
    *,
    reduction: Literal["mean", "sum"] = "mean",
    chunk: int | None = None,
) -> Tensor:
    """Compute ``cross_entropy(hidden @ weight.T + bias, labels)`` in chunks of positions.

    The gradients are computed together with the loss, so that a chunk's logits are made once and
    then dropped: the memory is that of ``chunk`` rows of logits. Products run in autocast's number
    type if autocast is on, the softmax runs in float32. The loss can be differentiated once.

    Args:
        hidden: Hidden states of shape (N, d).
        weight: The weight of the output layer, shape (V, d).
        labels: Integers 0..V - 1 of shape (N,), for scored positions only; see
            :func:`scored_positions`.
        bias: The bias of the output layer, shape (V,), or None.
        reduction: "mean" divides the sum by N. With N = 0 the loss is 0, with gradients of 0.
        chunk: Number of positions computed at a time; None takes as many as make 32 million
            logits (128 MB in float32). Each chunk adds to the whole gradient of ``weight``, so
            small chunks are slow.

    Returns:
        The loss in nats, a scalar in float32 (float64 for such states).
    """
    if chunk is None:
        chunk = max(32, 2**25 // weight.shape[0])
    factor = 1.0 if reduction == "sum" else 1.0 / max(1, len(labels))
    loss: Tensor = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, labels, None, [len(labels)], chunk, factor
    )[0]
    return loss


def weighted_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    weights: Tensor,
    bias: Tensor | None = None,
    *,
    counts: Sequence[int] | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the weighted sum of the positions' cross entropies, and each position's own.

    It is computed like :func:`linear_cross_entropy`, but each position has a weight of its own.

    Args:
        hidden: Hidden states of shape (N, d).
        weight: The weight of the output layer, shape (V, d).
        labels: Integers 0..V - 1 of shape (N,).
        weights: The factor of each position's loss, float32 of shape (N,).
        bias: The bias of the output layer, shape (V,), or None.
        counts: Numbers of positions of groups that follow one another; their sum is N. No matrix
            product mixes two groups, so that the numbers of each group equal, to the last bit,
            those it has when it is computed alone. None makes one group of all positions.
        chunk: Number of positions computed at a time; None chooses as in
            :func:`linear_cross_entropy`.

    Returns:
        The weighted sum in nats, a scalar, and each position's loss in nats, shape (N,), without
        its weight and without a gradient.
    """
    if chunk is None:
        chunk = max(32, 2**25 // weight.shape[0])
    found: tuple[Tensor, Tensor] = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, labels, weights, counts or [len(labels)], chunk, 1.0
    )
    return found


class _LinearCrossEntropy(torch.autograd.Function):
    """The weighted cross entropy of a linear layer's outputs, with gradients made on the way.

    Shapes: h ``hidden`` (N, d), W ``weight`` (V, d), b ``bias`` (V,), t ``labels`` (N,),
    w ``weights`` (N,), all 1 if they are None, and the number c ``factor``.

    Forward, for each position i and token j:
        z = h W^T + b                               ``logits``    (N, V)
        p_ij = exp(z_ij) / sum_k exp(z_ik)          exp(``log_probs``)
        l_i = -log p_i,t_i                          ``losses``    (N,)
        L = c sum_i w_i l_i                         the loss, a scalar

    Backward, for the incoming gradient G of L:
        E_ij = w_i (p_ij - [j = t_i])               ``errors``    (N, V)
        dh = G c E W                                (N, d)
        dW = G c E^T h                              (V, d)
        db = G c sum_i E_i                          (V,)

    The forward pass computes E W, E^T h and sum_i E_i chunk by chunk and saves them, because
    they do not depend on G; the backward pass only multiplies them by G c. ``losses`` are given
    out for reports and have no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        weights: Tensor | None,
        counts: Sequence[int],
        chunk: int,
        factor: float,
    ) -> tuple[Tensor, Tensor]:
        device = hidden.device.type
        dtype = hidden.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        states, matrix = hidden.to(dtype), weight.to(dtype)
        of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
        # The softmax, and sums over many chunks, lose digits in 16 bits.
        wide = torch.promote_types(dtype, torch.float32)
        grad_hidden = torch.empty_like(states) if of_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=wide) if of_weight else None
        grad_bias = torch.zeros_like(weight[:, 0], dtype=wide) if of_bias else None
        losses = torch.empty(len(labels), dtype=wide, device=hidden.device)
        for start, end in _chunks(counts, chunk):
            part, targets = states[start:end], labels[start:end, None]
            logits = (part @ matrix.T).to(wide)
            if bias is not None:
                logits += bias
            log_probs = torch.log_softmax(logits, dim=-1)
            losses[start:end] = log_probs.gather(1, targets)[:, 0].neg_()
            if not (of_hidden or of_weight or of_bias):
                continue
            # E = w (softmax - one-hot), in the memory of the logits, which are no longer needed.
            errors = torch.exp(log_probs, out=logits)
            errors.scatter_add_(1, targets, errors.new_full((1, 1), -1.0).expand_as(targets))
            if weights is not None:
                errors *= weights[start:end, None]
            if grad_bias is not None:
                grad_bias += errors.sum(0)
            errors = errors.to(dtype)
            if grad_hidden is not None:
                torch.mm(errors, matrix, out=grad_hidden[start:end])
            if grad_weight is not None and dtype == wide:
                grad_weight.addmm_(errors.T, part)
            elif grad_weight is not None:
                grad_weight += errors.T @ part
        ctx.factor = factor
        ctx.dtypes = (hidden.dtype, weight.dtype, None if bias is None else bias.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        ctx.mark_non_differentiable(losses)
        loss = (losses if weights is None else losses * weights).sum()
        return loss * factor, losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        scale = grad * ctx.factor
        grads = (
            # In float32: the factor 1 / N alone can take a float16 gradient below its range.
            None if saved is None else (saved * scale).to(dtype)
            for saved, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*grads, None, None, None, None, None)


def _chunks(counts: Sequence[int], chunk: int) -> Iterator[tuple[int, int]]:
    """Yield the first position and the end of each chunk; no chunk spans two groups."""
    begin = 0
    for count in counts:
        for start in range(begin, begin + count, chunk):
            yield start, min(start + chunk, begin + count)
        begin += count

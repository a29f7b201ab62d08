"""Cross entropy straight from hidden states: the logits of all tokens never exist at once."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcflow.text.encode import IGNORED_LABEL


def scored_positions(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden states that predict a scored token, and those tokens.

    Args:
        hidden: (B, L, d); the state at t predicts the token at t + 1.
        labels: (B, L), aligned with the inputs, -100 where not scored.

    Returns:
        (N, d) and int64 (N,), N the number of labels that are not -100, those at position 0
        aside, which nothing predicts.
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
    """``cross_entropy(hidden @ weight.T + bias, labels)`` in chunks of positions.

    The gradients are computed beside the loss, so that a chunk's logits are made once and
    forgotten: the memory is that of ``chunk`` rows of logits. Products run in autocast's number
    type where it is on, the softmax in float32. Can be differentiated once.

    Args:
        hidden: (N, d).
        weight: (V, d).
        labels: (N,) integers 0..V - 1: scored positions only, see :func:`scored_positions`.
        bias: (V,).
        reduction: "mean" divides the sum by N. With N = 0 the loss is 0, with gradients of 0.
        chunk: positions at a time; by default as many as make 32 million logits (128 MB). Each
            chunk adds to the whole gradient of ``weight``: small ones are slow.

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
    """A sum of the positions' losses, each with a weight of its own; otherwise as
    :func:`linear_cross_entropy`.

    Args:
        hidden: (N, d).
        weight: (V, d).
        labels: (N,) integers 0..V - 1.
        weights: (N,), float32.
        bias: (V,).
        counts: positions of groups one after the other, none of which shares a product with
            another: each one's numbers are then, to the last bit, what they are alone.
        chunk: positions at a time.

    Returns:
        The weighted sum in nats, a scalar, and each position's loss (N,), without weight and
        without gradient.
    """
    if chunk is None:
        chunk = max(32, 2**25 // weight.shape[0])
    found: tuple[Tensor, Tensor] = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, labels, weights, counts or [len(labels)], chunk, 1.0
    )
    return found


class _LinearCrossEntropy(torch.autograd.Function):
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
            # d loss / d logits = softmax - one-hot
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
    """First and last position of each chunk, which is of one group."""
    begin = 0
    for count in counts:
        for start in range(begin, begin + count, chunk):
            yield start, min(start + chunk, begin + count)
        begin += count

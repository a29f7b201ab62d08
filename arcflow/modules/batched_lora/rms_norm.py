"""RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467) with a frozen weight.

Because the weight needs no gradient, the backward pass below makes a third of the passes over
memory that autograd makes of the written-out formula.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def frozen_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Return ``x / sqrt(mean(x^2) + eps) * weight``, with the mean over the last dimension.

    Args:
        x: The states, shape (..., d).
        weight: The frozen weight, shape (d,); it gets no gradient.
        eps: A small number that keeps the root above 0.

    Returns:
        The normalized states, shape (..., d).
    """
    out: Tensor = _FrozenNorm.apply(x, weight, eps)  # type: ignore[no-untyped-call]
    return out


class _FrozenNorm(torch.autograd.Function):
    """RMSNorm whose weight gets no gradient.

    Forward, for x (..., d), w ``weight`` (d,) and means over the last dimension:
        f = (mean(x^2) + eps)^(-1/2)     ``factor``   (..., 1)
        y = f x w                        elementwise  (..., d)

    Backward, for dy ``grad`` (..., d):
        g = dy w                         ``inner``    (..., d)
        dx = f g - f^3 mean(g x) x       (..., d)

    The second term is the gradient through f: df / dx_j = -f^3 x_j / d, and
    sum_i g_i x_i = d mean(g x).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        factor = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, factor)
        return (x * factor).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, factor = ctx.saved_tensors
        inner = grad * weight
        # -f^3 mean(g x): the dot product divided by d is the mean.
        along = torch.linalg.vecdot(inner, x)[..., None]
        along.mul_(factor.pow(3)).div_(-x.shape[-1])
        return inner.mul_(factor).addcmul_(x, along), None, None

"""RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467) with a frozen weight.

Without a gradient of the weight its backward pass needs a third of the passes over memory that
autograd makes of the written-out formula.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def frozen_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight``, for x (..., d), mean over d, weight (d,)."""
    out: Tensor = _FrozenNorm.apply(x, weight, eps)  # type: ignore[no-untyped-call]
    return out


class _FrozenNorm(torch.autograd.Function):
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
        # With f the factor and g = grad * weight: f g - f^3 x mean(g x).
        inner = grad * weight
        along = torch.linalg.vecdot(inner, x)[..., None]
        along.mul_(factor.pow(3)).div_(-x.shape[-1])
        return inner.mul_(factor).addcmul_(x, along), None, None

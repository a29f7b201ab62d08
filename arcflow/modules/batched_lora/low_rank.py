"""The low-rank part of many adapters at once: each slice of a row has its own A and B.

LoRA (Hu et al. 2021, arXiv:2106.09685) computes ``x W' + s (x A') B'``. Here the rows of x belong
to k adapters, slice after slice; the product with W is made once for all of them, and each
slice's low-rank part is added to it in place. Gradients of A and B go straight into their
buffers, since every use of a layer adds to the same ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from arcflow.modules.batched_lora.stacked_weights import new_rows

Strategy = Literal["loop", "padded"]


class Slices(Protocol):
    """How the rows of a matrix are shared among k adapters."""

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """``out_i = scale * x_i M_i'``, or ``out_i += ...`` with ``add``.

        Args:
            x: (N, a).
            matrices: (k, b, a), of x's number type.
            out: (N, b), of x's number type unless ``add``.
            scale: a factor.
            add: keep what is there.
        """
        ...

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """``out_i += scale * left_i' right_i``, for left (N, b), right (N, a), out (k, b, a)."""
        ...

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """``out = x W'``, or ``out += ...`` with ``add``, for W' (a, b), one for all slices."""
        ...


class LoopSlices:
    """One matrix product a slice, without copies: right where calls are cheap, as on the CPU."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = list(lengths)

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """See :class:`Slices`."""
        parts = x.split(self.lengths), matrices.mT.unbind(), out.split(self.lengths)
        same, beta = out.dtype == x.dtype, float(add)
        for rows, matrix, place in zip(*parts, strict=True):
            if same:
                torch.addmm(place, rows, matrix, beta=beta, alpha=scale, out=place)
            else:
                place.add_(torch.mm(rows, matrix), alpha=scale)

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """See :class:`Slices`."""
        parts = left.split(self.lengths), right.split(self.lengths), out.unbind()
        same = out.dtype == left.dtype
        for a, b, place in zip(*parts, strict=True):
            if same:
                torch.addmm(place, a.T, b, alpha=scale, out=place)
            else:
                place.add_(torch.mm(a.T, b), alpha=scale)

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """See :class:`Slices`; slice by slice, which keeps each one's bits what they are alone."""
        for rows, place in zip(x.split(self.lengths), out.split(self.lengths), strict=True):
            torch.addmm(place, rows, turned, beta=float(add), out=place)


class PaddedSlices:
    """One batched product for all slices, filled up to the longest: right on a GPU."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        # Made on the CPU: a GPU is not waited for.
        counts = torch.tensor(list(lengths))
        self._k, self._longest = len(lengths), max(lengths)
        place = torch.arange(self._longest)
        begins = counts.cumsum(0) - counts
        real = place < counts[:, None]
        # Fill reads any row: what comes of it is dropped, or multiplied by zero.
        read = (begins[:, None] + place).clamp_(max=sum(lengths) - 1).flatten()
        self._real, self._from = real[..., None].to(device), read.to(device)
        self._to = real.flatten().nonzero()[:, 0].to(device)

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """See :class:`Slices`."""
        found = torch.bmm(self._pad(x), matrices.mT).flatten(0, 1).index_select(0, self._to)
        if add:
            out.add_(found, alpha=scale)
        else:
            torch.mul(found, scale, out=out)

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """See :class:`Slices`."""
        out.add_(torch.bmm((self._pad(left) * self._real).mT, self._pad(right)), alpha=scale)

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """See :class:`Slices`."""
        torch.addmm(out, x, turned, beta=float(add), out=out)

    def _pad(self, rows: Tensor) -> Tensor:
        return rows.index_select(0, self._from).view(self._k, self._longest, -1)


def make_slices(strategy: Strategy, lengths: Sequence[int], device: torch.device) -> Slices:
    """The slices of N rows: ``lengths`` of each adapter, in order."""
    return LoopSlices(lengths) if strategy == "loop" else PaddedSlices(lengths, device)


@dataclass(frozen=True, eq=False)
class LowRank:
    """The adapters' matrices at layers that read the same input.

    Attributes:
        down: (k, n r, d), the layers' A one below the other, in the number type of the products.
        ups: for each of the n layers (k, o, r), its B.
        grad_down: float32, the gradient of ``down`` is added to it.
        grad_ups: likewise.
        scale: of the low-rank part.
        bases: the layers themselves, where their products can be made here; None where they are
            called as modules.
        keep: whether gradients are there to be added to; asked once a backward pass.
    """

    down: Tensor
    ups: Sequence[Tensor]
    grad_down: Tensor
    grad_ups: Sequence[Tensor]
    scale: float
    bases: Sequence[nn.Linear] | None
    keep: Callable[[], bool]


def add_low_rank(
    x: Tensor, outs: Sequence[Tensor], part: LowRank, slices: Slices, anchor: Tensor
) -> tuple[Tensor, ...]:
    """The layers' outputs, low-rank part included.

    Args:
        x: (N, d), the layers' input.
        outs: for each layer (N, o), its own output, which is changed in place; empty where
            ``part.bases`` is given.
        part: the adapters' matrices.
        slices: whose the rows are.
        anchor: any tensor that requires a gradient, so that the outputs do: gradients go into
            ``part``'s buffers when the outputs are differentiated.
    """
    found: tuple[Tensor, ...] = _AddLowRank.apply(x, anchor, part, slices, *outs)  # type: ignore[no-untyped-call]
    return found


class _AddLowRank(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, anchor: Tensor, part: LowRank, slices: Slices, *outs: Tensor
    ) -> tuple[Tensor, ...]:
        if part.bases is None:
            ctx.mark_dirty(*outs)
        else:
            outs = tuple(_linear(x, base.weight, base.bias, slices) for base in part.bases)
        inner = x.to(part.down.dtype)
        hidden = new_rows(inner, len(x), part.down.shape[1])
        slices.product(inner, part.down, hidden)
        rank = part.ups[0].shape[-1]
        for out, up, h in zip(outs, part.ups, hidden.split(rank, 1), strict=True):
            slices.product(h, up, out, part.scale, add=True)
        ctx.part, ctx.slices = part, slices
        ctx.save_for_backward(x, hidden)
        return outs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        part, slices = ctx.part, ctx.slices
        x, hidden = ctx.saved_tensors
        kind, rank = hidden.dtype, part.ups[0].shape[-1]
        grad_hidden = new_rows(hidden, *hidden.shape)
        if None in grads:
            grad_hidden.zero_()
        if not part.keep():
            part.grad_down.zero_()
            for grad_up in part.grad_ups:
                grad_up.zero_()
        layers = zip(
            grads,
            part.ups,
            part.grad_ups,
            hidden.split(rank, 1),
            grad_hidden.split(rank, 1),
            strict=True,
        )
        for grad, up, grad_up, h, grad_h in layers:
            if grad is not None:
                inner = grad.to(kind)
                slices.product(inner, up.mT, grad_h, part.scale)
                slices.outer(inner, h, grad_up, part.scale)
        slices.outer(grad_hidden, x.to(kind), part.grad_down)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = _through(grads, part.bases, slices) if part.bases is not None else None
            if grad_x is None:
                grad_x = x.new_empty(x.shape, dtype=kind)
                slices.product(grad_hidden, part.down.mT, grad_x)
                grad_x = grad_x.to(x.dtype)
            else:
                slices.product(grad_hidden, part.down.mT, grad_x, add=True)
        passed = grads if part.bases is None else ()
        return (grad_x, None, None, None, *passed)


def slice_linear(x: Tensor, weight: Tensor, bias: Tensor | None, slices: Slices) -> Tensor:
    """``x W' + bias`` of a frozen layer for x (N, d), W (o, d), each slice a product of its own."""
    out: Tensor = _SliceLinear.apply(x, weight, bias, slices)  # type: ignore[no-untyped-call]
    return out


class _SliceLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, slices: Slices) -> Tensor:
        ctx.rest = weight, slices
        return _linear(x, weight, bias, slices)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, slices = ctx.rest
        grad_x = grad.new_empty(len(grad), weight.shape[1])
        slices.shared(grad, weight, grad_x)
        return grad_x, None, None, None


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None, slices: Slices) -> Tensor:
    out = x.new_empty(len(x), len(weight))
    if bias is not None:
        out.copy_(bias.expand_as(out))
    slices.shared(x, weight.T, out, add=bias is not None)
    return out


def _through(
    grads: Sequence[Tensor | None], bases: Sequence[nn.Linear], slices: Slices
) -> Tensor | None:
    """The gradient of the input through the layers themselves."""
    found: Tensor | None = None
    for grad, base in zip(grads, bases, strict=True):
        if grad is None:
            continue
        add = found is not None
        if found is None:
            found = grad.new_empty(len(grad), base.weight.shape[1])
        slices.shared(grad, base.weight, found, add)
    return found

"""The gated feed-forward part of a joint row, adapter by adapter, with a backward pass by hand.

``down(silu(gate(x)) * up(x))`` with low-rank parts in all three. A slice goes through all of it
before the next one begins, so that what one product writes the next one reads from the cache; the
backward pass makes the product of the two halves again, and needs no other memory than for one
slice.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcflow.modules.slice_views import SliceViews, add_up, through_up

_silu = torch.ops.aten.silu.out
_silu_backward = torch.ops.aten.silu_backward.grad_input


def joint_mlp(
    x: Tensor,
    anchor: Tensor,
    lengths: Sequence[int],
    weights: Sequence[Tensor],
    inner: SliceViews,
    outer: SliceViews,
) -> Tensor:
    """The layer's output, (N, d).

    Args:
        x: (N, d), float32.
        anchor: any tensor that requires a gradient, so that the output does.
        lengths: rows of each adapter, in order.
        weights: of gate (f, d), up (f, d) and down (d, f); frozen, without bias.
        inner: the adapters of gate and up.
        outer: the adapters of down.
    """
    out: Tensor = _JointMLP.apply(x, anchor, lengths, weights, inner, outer)  # type: ignore[no-untyped-call]
    return out


class _JointMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        anchor: Tensor,
        lengths: Sequence[int],
        weights: Sequence[Tensor],
        inner: SliceViews,
        outer: SliceViews,
    ) -> Tensor:
        gate_weight, up_weight, down_weight = weights
        rows, width, rank = len(x), len(gate_weight), inner.rank
        gate, up = x.new_empty(rows, width), x.new_empty(rows, width)
        hidden = x.new_empty(rows, 2 * rank)
        last = x.new_empty(rows, outer.rank)
        out = x.new_empty(rows, len(down_weight))
        scratch = x.new_empty(max(lengths), width)
        tensors = (x, gate, up, hidden, *hidden.split(rank, 1), last, out)
        parts = zip(*(tensor.split(lengths) for tensor in tensors), strict=True)
        for i, (x_i, g, u, h, h_gate, h_up, h_down, y) in enumerate(parts):
            torch.mm(x_i, inner.downs[i].T, out=h)
            torch.mm(x_i, gate_weight.T, out=g)
            add_up(g, h_gate, inner.ups[0][i], inner.scale)
            torch.mm(x_i, up_weight.T, out=u)
            add_up(u, h_up, inner.ups[1][i], inner.scale)
            s = scratch[: len(x_i)]
            _silu(g, out=s)
            s.mul_(u)
            torch.mm(s, outer.downs[i].T, out=h_down)
            torch.mm(s, down_weight.T, out=y)
            add_up(y, h_down, outer.ups[0][i], outer.scale)
        ctx.lengths, ctx.weights, ctx.inner, ctx.outer = lengths, weights, inner, outer
        ctx.save_for_backward(x, gate, up, hidden, last)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gate, up, hidden, last = ctx.saved_tensors
        lengths, inner, outer = ctx.lengths, ctx.inner, ctx.outer
        gate_weight, up_weight, down_weight = ctx.weights
        rank, longest = inner.rank, max(lengths)
        grad_x = torch.empty_like(x)
        a, b, c = (gate.new_empty(longest, gate.shape[1]) for _ in range(3))
        of_hidden, of_last = x.new_empty(longest, 2 * rank), x.new_empty(longest, outer.rank)
        tensors = (grad.contiguous(), grad_x, x, gate, up, *hidden.split(rank, 1), last)
        parts = zip(*(tensor.split(lengths) for tensor in tensors), strict=True)
        for i, (dy, dx, x_i, g, u, h_gate, h_up, h_down) in enumerate(parts):
            n = len(x_i)
            ds, activated, product, dh, dh_down = a[:n], b[:n], c[:n], of_hidden[:n], of_last[:n]
            _silu(g, out=activated)
            torch.mul(activated, u, out=product)
            through_up(dy, h_down, outer.ups[0][i], outer.grad_ups[0][i], dh_down, outer.scale)
            torch.addmm(outer.grad_downs[i], dh_down.T, product, out=outer.grad_downs[i])
            torch.mm(dy, down_weight, out=ds)
            torch.addmm(ds, dh_down, outer.downs[i], out=ds)
            du = activated.mul_(ds)
            dg = _silu_backward(ds.mul_(u), g, grad_input=product)
            dh_gate, dh_up = dh.split(rank, 1)
            through_up(dg, h_gate, inner.ups[0][i], inner.grad_ups[0][i], dh_gate, inner.scale)
            through_up(du, h_up, inner.ups[1][i], inner.grad_ups[1][i], dh_up, inner.scale)
            torch.addmm(inner.grad_downs[i], dh.T, x_i, out=inner.grad_downs[i])
            torch.mm(dg, gate_weight, out=dx)
            torch.addmm(dx, du, up_weight, out=dx)
            torch.addmm(dx, dh, inner.downs[i], out=dx)
        return grad_x, None, None, None, None, None

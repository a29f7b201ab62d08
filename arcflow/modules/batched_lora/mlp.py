"""The gated feed-forward layer of many adapters, one by one, with a hand-written backward pass.

It computes ``down(silu(gate(x)) * up(x))`` with low-rank parts in all three layers. Each adapter's
rows go through the whole layer before the next adapter's begin, so that what one product writes is
still in the cache when the next one reads it. The backward pass computes ``silu(gate) * up`` again
instead of keeping it, and needs scratch memory for one adapter's rows only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcflow.modules.batched_lora.stacked_weights import StackedWeights, new_rows

_silu = torch.ops.aten.silu.out
_silu_backward = torch.ops.aten.silu_backward.grad_input


def batched_mlp(
    x: Tensor,
    anchor: Tensor,
    lengths: Sequence[int],
    weights: Sequence[Tensor],
    inner: StackedWeights,
    outer: StackedWeights,
) -> Tensor:
    """Return the layer's output.

    Args:
        x: The layer's input, float32 of shape (N, d).
        anchor: Any tensor that requires a gradient, so that the output requires one even if ``x``
            does not.
        lengths: The number of rows of each adapter, in order.
        weights: The frozen weights of gate (f, d), up (f, d) and down (d, f), which have no bias.
        inner: The adapters' matrices of gate and up.
        outer: The adapters' matrices of down.

    Returns:
        The output, shape (N, d). Differentiating it writes the adapters' gradients into the
        buffers of ``inner`` and ``outer``.
    """
    out: Tensor = _BatchedMLP.apply(x, anchor, lengths, weights, inner, outer)  # type: ignore[no-untyped-call]
    return out


class _BatchedMLP(torch.autograd.Function):
    """The gated feed-forward layer; the equations hold for each adapter's n rows on their own.

    Shapes: x (n, d); Wg, Wu (f, d) and Wd (d, f) the frozen ``weights``; A (2 r, d)
    ``inner.downs``, Bg and Bu (f, r) ``inner.ups``, s ``inner.scale``; A' (r', f)
    ``outer.downs``, B' (d, r') ``outer.ups``, s' ``outer.scale``. Products marked * are
    elementwise.

    Forward:
        [hg | hu] = x A^T                  ``h_gate``, ``h_up``   (n, r) each
        g = x Wg^T + s hg Bg^T             ``g``                  (n, f)
        u = x Wu^T + s hu Bu^T             ``u``                  (n, f)
        p = silu(g) * u                    ``s``, ``product``     (n, f)   silu(g) = g sigmoid(g)
        h' = p A'^T                        ``h_down``             (n, r')
        y = p Wd^T + s' h' B'^T            ``y``                  (n, d)

    Backward, for dy (n, d):
        dh' = s' dy B'                     ``dh_down``            (n, r')
        dB' += s' dy^T h'                  ``outer.grad_ups``     (d, r')
        dA' += dh'^T p                     ``outer.grad_downs``   (r', f)
        dp = dy Wd + dh' A'                ``ds``                 (n, f)
        du = dp * silu(g)                  ``du``                 (n, f)
        dg = dp * u * silu'(g)             ``dg``                 (n, f)
             with silu'(g) = sigmoid(g) (1 + g (1 - sigmoid(g)))
        dhg = s dg Bg,  dhu = s du Bu      ``dh``                 (n, 2 r) side by side
        dBg += s dg^T hg,  dBu += s du^T hu    ``inner.grad_ups`` (f, r) each
        dA += [dhg | dhu]^T x              ``inner.grad_downs``   (2 r, d)
        dx = dg Wg + du Wu + [dhg | dhu] A     ``dx``             (n, d)
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        anchor: Tensor,
        lengths: Sequence[int],
        weights: Sequence[Tensor],
        inner: StackedWeights,
        outer: StackedWeights,
    ) -> Tensor:
        gate_turned, up_turned, down_turned = (weight.T for weight in weights)
        rows, width, rank = len(x), len(weights[0]), inner.rank
        gate, up = x.new_empty(rows, width), x.new_empty(rows, width)
        hidden, last = new_rows(x, rows, 2 * rank), new_rows(x, rows, outer.rank)
        out = x.new_empty(rows, len(weights[2]))
        scratch = x.new_empty(max(lengths), width)
        tensors = (x, gate, up, hidden, *hidden.split(rank, 1), last, out)
        parts = zip(
            lengths,
            *(tensor.split(lengths) for tensor in tensors),
            inner.downs_turned,
            *inner.ups_turned,
            outer.downs_turned,
            outer.ups_turned[0],
            strict=True,
        )
        for n, x_i, g, u, h, h_gate, h_up, h_down, y, down, up_gate, up_up, down_s, up_s in parts:
            torch.mm(x_i, down, out=h)
            torch.mm(x_i, gate_turned, out=g)
            torch.addmm(g, h_gate, up_gate, alpha=inner.scale, out=g)
            torch.mm(x_i, up_turned, out=u)
            torch.addmm(u, h_up, up_up, alpha=inner.scale, out=u)
            s = scratch[:n]
            _silu(g, out=s)
            s.mul_(u)
            torch.mm(s, down_s, out=h_down)
            torch.mm(s, down_turned, out=y)
            torch.addmm(y, h_down, up_s, alpha=outer.scale, out=y)
        ctx.rest = lengths, weights, inner, outer
        ctx.save_for_backward(x, gate, up, hidden, last)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gate, up, hidden, last = ctx.saved_tensors
        lengths, (gate_weight, up_weight, down_weight), inner, outer = ctx.rest
        longest, rank, scale = max(lengths), inner.rank, inner.scale
        grad, grad_x = grad.contiguous(), torch.empty_like(x)
        scratch = [gate.new_empty(longest, gate.shape[1]) for _ in range(3)]
        scratch += [new_rows(x, longest, 2 * rank), new_rows(x, longest, outer.rank)]
        keep, keep_outer = float(inner.keep()), float(outer.keep())
        tensors = (grad, grad_x, x, gate, up, *hidden.split(rank, 1), last)
        parts = zip(
            lengths,
            grad.T.split(lengths, 1),
            *(tensor.split(lengths) for tensor in tensors),
            strict=True,
        )
        for i, (n, dy_turned, dy, dx, x_i, g, u, h_gate, h_up, h_down) in enumerate(parts):
            ds, activated, product, dh, dh_down = (tensor[:n] for tensor in scratch)
            _silu(g, out=activated)
            torch.mul(activated, u, out=product)
            torch.addmm(dh_down, dy, outer.ups[0][i], beta=0.0, alpha=outer.scale, out=dh_down)
            place = outer.grad_ups[0][i]
            torch.addmm(place, dy_turned, h_down, beta=keep_outer, alpha=outer.scale, out=place)
            place = outer.grad_downs[i]
            torch.addmm(place, dh_down.T, product, beta=keep_outer, out=place)
            torch.mm(dy, down_weight, out=ds)
            torch.addmm(ds, dh_down, outer.downs[i], out=ds)
            du = activated.mul_(ds)
            dg = _silu_backward(ds.mul_(u), g, grad_input=product)
            halves = zip((dg, du), (h_gate, h_up), dh.split(rank, 1), strict=True)
            for j, (d, h, dh_j) in enumerate(halves):
                torch.addmm(dh_j, d, inner.ups[j][i], beta=0.0, alpha=scale, out=dh_j)
                place = inner.grad_ups[j][i]
                torch.addmm(place, d.T, h, beta=keep, alpha=scale, out=place)
            place = inner.grad_downs[i]
            torch.addmm(place, dh.T, x_i, beta=keep, out=place)
            torch.mm(dg, gate_weight, out=dx)
            torch.addmm(dx, du, up_weight, out=dx)
            torch.addmm(dx, dh, inner.downs[i], out=dx)
        return grad_x, None, None, None, None, None

"""The low-rank part of many adapters at once: each slice of a row has its own A and B.

LoRA (Hu et al. 2021, arXiv:2106.09685) computes ``x W^T + s (x A^T) B^T``. Here the rows of x
belong to k adapters, slice after slice. The product with W is made once for all of them, and each
slice's low-rank part is added to it in place. The gradients of A and B are written straight into
the adapters' own buffers, because every use of a layer adds to the same ones.
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
    """The way in which the rows of a matrix are shared among k adapters.

    ``x_i`` is the i-th slice of the rows of ``x``: those that belong to adapter i.
    """

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """Write ``scale * x_i M_i^T`` into ``out_i``, or add it with ``add``.

        Args:
            x: Rows of shape (N, a).
            matrices: One matrix M_i for each adapter, shape (k, b, a), of the dtype of ``x``.
            out: The result's place, shape (N, b), of the dtype of ``x`` unless ``add`` is set.
            scale: A factor of the product.
            add: Whether to add to what ``out`` holds instead of overwriting it.
        """
        ...

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Add ``scale * left_i^T right_i`` to ``out_i``.

        Args:
            left: Rows of shape (N, b).
            right: Rows of shape (N, a).
            out: One matrix for each adapter, shape (k, b, a).
            scale: A factor of the product.
        """
        ...

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """Write ``x W^T`` into ``out``, or add it with ``add``; W is one matrix for all slices.

        Args:
            x: Rows of shape (N, a).
            turned: The transposed matrix W^T, shape (a, b).
            out: The result's place, shape (N, b).
            add: Whether to add to what ``out`` holds instead of overwriting it.
        """
        ...


class LoopSlices:
    """Slices that are multiplied one by one, without copies.

    It suits devices on which calls are cheap, such as the CPU.

    Args:
        lengths: The number of rows of each adapter, in order.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = list(lengths)

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """Multiply as :meth:`Slices.product` says, one slice after the other."""
        parts = x.split(self.lengths), matrices.mT.unbind(), out.split(self.lengths)
        same, beta = out.dtype == x.dtype, float(add)
        for rows, matrix, place in zip(*parts, strict=True):
            if same:
                torch.addmm(place, rows, matrix, beta=beta, alpha=scale, out=place)
            else:
                place.add_(torch.mm(rows, matrix), alpha=scale)

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Multiply as :meth:`Slices.outer` says, one slice after the other."""
        parts = left.split(self.lengths), right.split(self.lengths), out.unbind()
        same = out.dtype == left.dtype
        for a, b, place in zip(*parts, strict=True):
            if same:
                torch.addmm(place, a.T, b, alpha=scale, out=place)
            else:
                place.add_(torch.mm(a.T, b), alpha=scale)

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """Multiply as :meth:`Slices.shared` says, one slice after the other.

        One product of all rows would be faster, but the bits of a product depend on its size:
        slice by slice, they are those that an adapter has when it is trained alone.
        """
        for rows, place in zip(x.split(self.lengths), out.split(self.lengths), strict=True):
            torch.addmm(place, rows, turned, beta=float(add), out=place)


class PaddedSlices:
    """Slices that are padded to the longest and multiplied in one batched product.

    It suits GPUs, on which many small calls are slow.

    Args:
        lengths: The number of rows of each adapter, in order.
        device: The device of the rows.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        # Made on the CPU, so that nothing here has to wait for the GPU.
        counts = torch.tensor(list(lengths))
        self._k, self._longest = len(lengths), max(lengths)
        place = torch.arange(self._longest)
        begins = counts.cumsum(0) - counts
        real = place < counts[:, None]
        # Padding reads any row: what comes of it is dropped, or multiplied by zero.
        read = (begins[:, None] + place).clamp_(max=sum(lengths) - 1).flatten()
        self._real, self._from = real[..., None].to(device), read.to(device)
        self._to = real.flatten().nonzero()[:, 0].to(device)

    def product(
        self, x: Tensor, matrices: Tensor, out: Tensor, scale: float = 1.0, add: bool = False
    ) -> None:
        """Multiply as :meth:`Slices.product` says, in one batched product."""
        found = torch.bmm(self._pad(x), matrices.mT).flatten(0, 1).index_select(0, self._to)
        if add:
            out.add_(found, alpha=scale)
        else:
            torch.mul(found, scale, out=out)

    def outer(self, left: Tensor, right: Tensor, out: Tensor, scale: float = 1.0) -> None:
        """Multiply as :meth:`Slices.outer` says, in one batched product."""
        out.add_(torch.bmm((self._pad(left) * self._real).mT, self._pad(right)), alpha=scale)

    def shared(self, x: Tensor, turned: Tensor, out: Tensor, add: bool = False) -> None:
        """Multiply as :meth:`Slices.shared` says, in one product of all rows."""
        torch.addmm(out, x, turned, beta=float(add), out=out)

    def _pad(self, rows: Tensor) -> Tensor:
        return rows.index_select(0, self._from).view(self._k, self._longest, -1)


def make_slices(strategy: Strategy, lengths: Sequence[int], device: torch.device) -> Slices:
    """Return the slices of a matrix's rows.

    Args:
        strategy: "loop" multiplies slice by slice, "padded" all slices in one batched product.
        lengths: The number of rows of each adapter, in order.
        device: The device of the rows.

    Returns:
        The slices, which serve every matrix that has this many rows.
    """
    return LoopSlices(lengths) if strategy == "loop" else PaddedSlices(lengths, device)


@dataclass(frozen=True, eq=False)
class LowRank:
    """The matrices of k adapters at n layers that read the same input.

    Attributes:
        down: The layers' A one below the other, shape (k, n r, d), in the products' dtype.
        ups: The B of each layer, shape (k, o, r), in the products' dtype.
        grad_down: A float32 buffer of the shape of ``down``, to which its gradient is added.
        grad_ups: Float32 buffers of the shapes of ``ups``, to which their gradients are added.
        scale: The factor s of the low-rank part.
        bases: The layers themselves, if their products can be computed here; None if they have
            been called as modules.
        keep: A function that is called once in a backward pass and says whether the buffers hold
            gradients of this step to add to; otherwise they are overwritten.
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
    """Return the layers' outputs with the adapters' low-rank parts added.

    Args:
        x: The layers' input, shape (N, d).
        outs: Each layer's own output, shape (N, o), which is changed in place; empty if
            ``part.bases`` is given.
        part: The adapters' matrices.
        slices: The slices of the N rows, which say which adapter each row belongs to.
        anchor: Any tensor that requires a gradient, so that the outputs require one even if ``x``
            does not. The adapters' gradients are written into ``part``'s buffers when the outputs
            are differentiated.

    Returns:
        The output of each layer, shape (N, o).
    """
    found: tuple[Tensor, ...] = _AddLowRank.apply(x, anchor, part, slices, *outs)  # type: ignore[no-untyped-call]
    return found


class _AddLowRank(torch.autograd.Function):
    """Linear layers with frozen weights, each row with the low-rank part of its own adapter.

    Shapes, for adapter i with N_i rows and layer j of n: x_i (N_i, d), W_j (o_j, d), b_j (o_j,),
    A_i ``part.down[i]`` (n r, d), B_ij ``part.ups[j][i]`` (o_j, r), and the number s
    ``part.scale``.

    Forward:
        h_i = x_i A_i^T                             ``hidden``       (N_i, n r)
        h_ij = columns j r ... (j + 1) r of h_i     ``h``            (N_i, r)
        y_ij = x_i W_j^T + b_j + s h_ij B_ij^T      ``outs``         (N_i, o_j)

    Backward, for dy_ij ``grads``:
        dh_ij = s dy_ij B_ij                        ``grad_h``       (N_i, r)
        dB_ij += s dy_ij^T h_ij                     ``grad_up``      (o_j, r)
        dA_i += dh_i^T x_i                          ``grad_down``    (n r, d)
        dx_i = sum_j dy_ij W_j + dh_i A_i           ``grad_x``       (N_i, d)

    With one layer this is dB = s dy^T (x A^T), dA = s (dy B)^T x and dx = dy W + s (dy B) A.
    If the layers were called as modules (``part.bases`` is None), x W^T + b comes in as ``outs``:
    then dy_ij is passed back to them unchanged, autograd makes the sum over dy_ij W_j there, and
    ``grad_x`` is dh_i A_i alone. A layer whose output is not used has None as its gradient.
    """

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
    """Return ``x W^T + bias`` of a frozen layer, made slice by slice as ``slices`` says.

    Args:
        x: The layer's input, shape (N, d).
        weight: The layer's weight W, shape (o, d); it gets no gradient.
        bias: The layer's bias, shape (o,), or None; it gets no gradient.
        slices: The slices of the N rows.

    Returns:
        The layer's output, shape (N, o).
    """
    out: Tensor = _SliceLinear.apply(x, weight, bias, slices)  # type: ignore[no-untyped-call]
    return out


class _SliceLinear(torch.autograd.Function):
    """A linear layer with a frozen weight W (o, d) and bias b (o,).

    Forward, for x (N, d):        y = x W^T + b    (N, o)
    Backward, for dy (N, o):      dx = dy W        (N, d)
    """

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
    """Return the input's gradient through the layers' own weights, sum_j dy_j W_j, shape (N, d).

    Returns:
        The gradient, or None if no layer's output is used.
    """
    found: Tensor | None = None
    for grad, base in zip(grads, bases, strict=True):
        if grad is None:
            continue
        add = found is not None
        if found is None:
            found = grad.new_empty(len(grad), base.weight.shape[1])
        slices.shared(grad, base.weight, found, add)
    return found

"""The matrices of many adapters, one by one, and the projections made of them.

The hand-written layers share them. The bits of a matrix product depend on its size, and on where
in a cache line its rows begin. Since an adapter's numbers must not depend on the adapters beside
it, each product is made of one adapter's rows alone, and the rows of every buffer begin where a
cache line begins.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_LINE = 16
"""The number of float32 values in a cache line of 64 bytes."""


@dataclass(frozen=True, eq=False)
class StackedWeights:
    """The matrices of n layers that read the same input, as lists with one entry per adapter.

    All are views of the adapters' own memory, made once, so that an optimizer that changes the
    numbers in place changes the views too.

    Attributes:
        downs: The A of the n layers one below the other, shape (n r, d).
        downs_turned: The transposes of ``downs``, shape (d, n r).
        grad_downs: The gradients of ``downs``, shape (n r, d).
        ups: The B of each layer, shape (o, r); the outer list has one entry per layer.
        ups_turned: The transposes of ``ups``, shape (r, o).
        grad_ups: The gradients of ``ups``, shape (o, r).
        scale: The factor s of the low-rank part.
        rank: The rank r of each adapter.
        keep: A function that is called once in a backward pass and says whether gradients are
            added to those that are there; otherwise they are overwritten.
    """

    downs: Sequence[Tensor]
    downs_turned: Sequence[Tensor]
    grad_downs: Sequence[Tensor]
    ups: Sequence[Sequence[Tensor]]
    ups_turned: Sequence[Sequence[Tensor]]
    grad_ups: Sequence[Sequence[Tensor]]
    scale: float
    rank: int
    keep: Callable[[], bool]


def stack_weights(
    down: Tensor,
    grad_down: Tensor,
    ups: Sequence[Tensor],
    grad_ups: Sequence[Tensor],
    scale: float,
    keep: Callable[[], bool],
) -> StackedWeights:
    """Return the views of each adapter's matrices in stacks of k adapters.

    Args:
        down: The A of n layers one below the other, shape (k, n r, d).
        grad_down: The gradient of ``down``, of its shape.
        ups: The B of each layer, shape (k, o, r).
        grad_ups: The gradients of ``ups``, of their shapes.
        scale: The factor of the low-rank part.
        keep: See :class:`StackedWeights`.

    Returns:
        The views, which share the stacks' memory.
    """
    return StackedWeights(
        down.unbind(),
        down.mT.unbind(),
        grad_down.unbind(),
        [up.unbind() for up in ups],
        [up.mT.unbind() for up in ups],
        [up.unbind() for up in grad_ups],
        scale,
        ups[0].shape[-1],
        keep,
    )


def aligned(width: int) -> int:
    """Return the stride of rows of ``width`` float32 numbers that each begin a cache line."""
    return -(-width // _LINE) * _LINE


def new_rows(like: Tensor, rows: int, width: int) -> Tensor:
    """Return an uninitialized tensor (rows, width) whose rows each begin a cache line.

    Args:
        like: A tensor with the dtype and device to use.
        rows: The number of rows.
        width: The number of columns.
    """
    return like.new_empty(rows, aligned(width))[:, :width]


def project(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    views: StackedWeights,
    lengths: Sequence[int],
) -> tuple[list[Tensor], Tensor]:
    """Compute the outputs of layers with their low-rank parts, adapter by adapter.

    For each adapter's rows x (n, d), its stacked A (n_layers r, d), and layer j with W_j (o, d),
    b_j (o,), B_j (o, r) and the scale s::

        h = x A^T, of which h_j are the r columns of layer j
        y_j = x W_j^T + b_j + s h_j B_j^T

    Args:
        x: The layers' input, shape (N, d).
        weights: The frozen weight W_j of each layer, shape (o, d).
        biases: The bias of each layer, shape (o,), or None.
        views: The adapters' matrices.
        lengths: The number of rows of each adapter, in order.

    Returns:
        Each layer's output, shape (N, o), and h, shape (N, n_layers r), which
        :func:`project_back` needs.
    """
    hidden = new_rows(x, len(x), len(views.downs[0]))
    outs = [x.new_empty(len(x), len(weight)) for weight in weights]
    layers = list(zip([weight.T for weight in weights], biases, views.ups_turned, strict=True))
    scale, rank = views.scale, views.rank
    parts = zip(
        x.split(lengths),
        hidden.split(lengths),
        zip(*(part.split(lengths) for part in hidden.split(rank, 1)), strict=True),
        zip(*(out.split(lengths) for out in outs), strict=True),
        views.downs_turned,
        strict=True,
    )
    for i, (rows, h, hs, places, down) in enumerate(parts):
        torch.mm(rows, down, out=h)
        for (turned, bias, ups), h_j, place in zip(layers, hs, places, strict=True):
            if bias is None:
                torch.mm(rows, turned, out=place)
            else:
                torch.addmm(bias, rows, turned, out=place)
            torch.addmm(place, h_j, ups[i], alpha=scale, out=place)
    return outs, hidden


def project_back(
    grads: Sequence[Tensor],
    x: Tensor,
    hidden: Tensor,
    grad_x: Tensor | None,
    weights: Sequence[Tensor],
    views: StackedWeights,
    lengths: Sequence[int],
) -> None:
    """Write the gradients of :func:`project`: of x into ``grad_x``, of A and B into ``views``.

    With the names of :func:`project`, and dy_j (n, o) the gradient of y_j, for each adapter:
        dh_j = s dy_j B_j                      (n, r)
        dB_j += s dy_j^T h_j                   (o, r)
        dA += dh^T x                           (n_layers r, d)
        dx = sum_j dy_j W_j + dh A             (n, d)

    Args:
        grads: The gradient of each layer's output, shape (N, o).
        x: The input that :func:`project` was given, shape (N, d).
        hidden: The h that it returned, shape (N, n_layers r).
        grad_x: A tensor of the shape of ``x`` that is overwritten with its gradient, or None if
            that is not needed.
        weights: The frozen weights that it was given.
        views: The adapters' matrices that it was given.
        lengths: The number of rows of each adapter, in order.
    """
    keep, scale, rank = float(views.keep()), views.scale, views.rank
    scratch = new_rows(x, max(lengths), hidden.shape[1])
    layers = list(zip(weights, views.ups, views.grad_ups, strict=True))
    wanted = [None] * len(lengths) if grad_x is None else grad_x.split(lengths)
    parts = zip(
        lengths,
        x.split(lengths),
        zip(*(part.split(lengths) for part in hidden.split(rank, 1)), strict=True),
        zip(*(grad.split(lengths) for grad in grads), strict=True),
        views.downs,
        views.grad_downs,
        wanted,
        strict=True,
    )
    for i, (n, rows, hs, dys, down, grad_down, dx) in enumerate(parts):
        dh, beta = scratch[:n], 0.0
        places = dh.split(rank, 1)
        for (weight, ups, grad_ups), h, dy, dh_j in zip(layers, hs, dys, places, strict=True):
            torch.addmm(dh_j, dy, ups[i], beta=0.0, alpha=scale, out=dh_j)
            torch.addmm(grad_ups[i], dy.T, h, beta=keep, alpha=scale, out=grad_ups[i])
            if dx is not None:
                torch.addmm(dx, dy, weight, beta=beta, out=dx)
                beta = 1.0
        torch.addmm(grad_down, dh.T, rows, beta=keep, out=grad_down)
        if dx is not None:
            torch.addmm(dx, dh, down, out=dx)

"""What the hand-written layers of a joint row share: each adapter's matrices, one by one.

Which bits a matrix product gives depends on its size, and on where in a cache line its rows begin.
An adapter's numbers must not depend on its neighbours: each product is made of its own rows alone,
and rows of every buffer begin where a cache line does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_LINE = 16
"""Numbers of float32 in a cache line."""


@dataclass(frozen=True, eq=False)
class StackedWeights:
    """The matrices of layers that read the same input, as lists with an entry an adapter.

    All are views of the adapters' own memory, made once: an optimizer that changes the numbers in
    place changes them too.

    Attributes:
        downs: (n r, d), the A of the n layers one below the other.
        downs_turned: their transposes.
        grad_downs: their gradients.
        ups: for each layer, its B, (o, r).
        ups_turned: their transposes.
        grad_ups: their gradients.
        scale: of the low-rank part.
        rank: r.
        keep: whether gradients are to be added to what is there; asked once a backward pass.
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
    """Views of stacks: (k, n r, d), and for each of the n layers (k, o, r)."""
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
    """The numbers from one row of ``width`` to the next, so that each begins a cache line."""
    return -(-width // _LINE) * _LINE


def new_rows(like: Tensor, rows: int, width: int) -> Tensor:
    """(rows, width), not filled, each row beginning a cache line."""
    return like.new_empty(rows, aligned(width))[:, :width]


def project(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    views: StackedWeights,
    lengths: Sequence[int],
) -> tuple[list[Tensor], Tensor]:
    """Each layer's output, (N, o), for x (N, d), and ``x A'``, (N, n r)."""
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
    """:func:`project`'s gradients: of x into its place, of A and B into the adapters'.

    Args:
        grads: of the outputs.
        x: as it was given, so too ``weights``, ``views`` and ``lengths``.
        hidden: as it was returned.
        grad_x: a place, or None where it is not wanted.
        weights: see ``x``.
        views: see ``x``.
        lengths: see ``x``.
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

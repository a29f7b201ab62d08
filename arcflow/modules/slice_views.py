"""What the hand-written layers of a joint row share: each adapter's matrices, one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class SliceViews:
    """The matrices of layers that read the same input, as lists with an entry an adapter.

    All are views of the adapters' own memory, made once: an optimizer that changes the numbers in
    place changes them too.

    Attributes:
        downs: (n r, d), the A of the n layers one below the other.
        downs_turned: their transposes.
        grad_downs: their gradients, which are added to.
        ups: for each layer, its B, (o, r).
        ups_turned: their transposes.
        grad_ups: their gradients.
        scale: of the low-rank part.
        rank: r.
    """

    downs: Sequence[Tensor]
    downs_turned: Sequence[Tensor]
    grad_downs: Sequence[Tensor]
    ups: Sequence[Sequence[Tensor]]
    ups_turned: Sequence[Sequence[Tensor]]
    grad_ups: Sequence[Sequence[Tensor]]
    scale: float
    rank: int


def make_views(
    down: Tensor, grad_down: Tensor, ups: Sequence[Tensor], grad_ups: Sequence[Tensor], scale: float
) -> SliceViews:
    """Views of stacks: (k, n r, d), and for each of the n layers (k, o, r)."""
    return SliceViews(
        down.unbind(),
        down.mT.unbind(),
        grad_down.unbind(),
        [up.unbind() for up in ups],
        [up.mT.unbind() for up in ups],
        [up.unbind() for up in grad_ups],
        scale,
        ups[0].shape[-1],
    )


def project_down(x: Tensor, views: SliceViews, lengths: Sequence[int]) -> Tensor:
    """``x A'``, (N, n r), for x (N, d)."""
    hidden = x.new_empty(len(x), len(views.downs[0]))
    parts = zip(x.split(lengths), views.downs_turned, hidden.split(lengths), strict=True)
    for rows, down, place in parts:
        torch.mm(rows, down, out=place)
    return hidden


def add_ups(
    out: Tensor, hidden: Tensor, ups: Sequence[Tensor], lengths: Sequence[int], scale: float
) -> None:
    """``out += scale * hidden B'``, for out (N, o), hidden (N, r), B' (r, o)."""
    for place, rows, up in zip(out.split(lengths), hidden.split(lengths), ups, strict=True):
        torch.addmm(place, rows, up, alpha=scale, out=place)


def through_ups(
    grad: Tensor,
    hidden: Tensor,
    ups: Sequence[Tensor],
    grad_ups: Sequence[Tensor],
    grad_hidden: Tensor,
    lengths: Sequence[int],
    scale: float,
) -> None:
    """:func:`add_ups`'s gradients: of ``hidden`` into its place, of B added to its own."""
    parts = zip(
        grad.split(lengths),
        grad.T.split(lengths, 1),
        hidden.split(lengths),
        ups,
        grad_ups,
        grad_hidden.split(lengths),
        strict=True,
    )
    for rows, turned, h, up, grad_up, place in parts:
        torch.addmm(place, rows, up, beta=0.0, alpha=scale, out=place)
        torch.addmm(grad_up, turned, h, alpha=scale, out=grad_up)


def through_downs(
    grad_hidden: Tensor, x: Tensor, views: SliceViews, grad_x: Tensor | None, lengths: Sequence[int]
) -> None:
    """:func:`project_down`'s gradients, of A and, where wanted, of x, added to their places."""
    hidden, turned = grad_hidden.split(lengths), grad_hidden.T.split(lengths, 1)
    for rows, own, grad_down in zip(turned, x.split(lengths), views.grad_downs, strict=True):
        torch.addmm(grad_down, rows, own, out=grad_down)
    if grad_x is not None:
        for rows, down, place in zip(hidden, views.downs, grad_x.split(lengths), strict=True):
            torch.addmm(place, rows, down, out=place)

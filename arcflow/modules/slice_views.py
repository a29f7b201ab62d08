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
        grad_downs: its gradient, which is added to.
        ups: for each layer, its B, (o, r).
        grad_ups: likewise.
        scale: of the low-rank part.
    """

    downs: Sequence[Tensor]
    grad_downs: Sequence[Tensor]
    ups: Sequence[Sequence[Tensor]]
    grad_ups: Sequence[Sequence[Tensor]]
    scale: float

    @property
    def rank(self) -> int:
        """r."""
        return self.ups[0][0].shape[1]


def add_up(out: Tensor, hidden: Tensor, up: Tensor, scale: float) -> None:
    """``out += scale * hidden B'``, for out (n, o), hidden (n, r), B (o, r)."""
    torch.addmm(out, hidden, up.T, alpha=scale, out=out)


def through_up(
    grad: Tensor, hidden: Tensor, up: Tensor, grad_up: Tensor, grad_hidden: Tensor, scale: float
) -> None:
    """:func:`add_up`'s gradients: of ``hidden`` into its place, of B added to its own."""
    torch.addmm(grad_hidden, grad, up, beta=0.0, alpha=scale, out=grad_hidden)
    torch.addmm(grad_up, grad.T, hidden, alpha=scale, out=grad_up)

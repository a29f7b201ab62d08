"""The attention layer of a joint row, with a backward pass by hand.

Projections with their low-rank parts, rotation by position (Su et al. 2021, arXiv:2104.09864) in
the half-split order of Llama and Qwen, causal attention within each sample, and the output
projection. Products are made slice by slice, or sample by sample; what goes element by element is
done for the whole row at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from arcflow.modules.attention import RowSegments
from arcflow.modules.batched_lora.block_attention import attend, attend_backward, count_blocks
from arcflow.modules.batched_lora.stacked_weights import StackedWeights, project, project_back


@dataclass(frozen=True, eq=False)
class AttentionWeights:
    """A layer's own, frozen.

    Attributes:
        weights: of q (H g D, d), k (H D, d), v (H D, d) and o (d, H g D), for H heads of keys, g
            of queries each, of D numbers.
        biases: theirs, or None.
        width: D.
        scale: of the scores.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor | None]
    width: int
    scale: float

    @property
    def heads(self) -> int:
        """H."""
        return len(self.weights[1]) // self.width


def batched_attention(
    x: Tensor,
    anchor: Tensor,
    rotation: tuple[Tensor, Tensor],
    row: RowSegments,
    lengths: Sequence[int],
    own: AttentionWeights,
    inner: StackedWeights,
    outer: StackedWeights,
) -> Tensor:
    """The layer's output for the tokens that ask, (M, d), in their order.

    Args:
        x: (N, d), float32.
        anchor: any tensor that requires a gradient, so that the output does.
        rotation: cosines and sines, (N, D).
        row: the samples, and which tokens of each ask: its last ones.
        lengths: tokens of each adapter, in order: whole samples.
        own: the layer's weights.
        inner: the adapters of q, k and v.
        outer: the adapters of o.
    """
    arguments = (x, anchor, *rotation, row, lengths, own, inner, outer)
    out: Tensor = _BatchedAttention.apply(*arguments)  # type: ignore[no-untyped-call]
    return out


class _BatchedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        anchor: Tensor,
        cos: Tensor,
        sin: Tensor,
        row: RowSegments,
        lengths: Sequence[int],
        own: AttentionWeights,
        inner: StackedWeights,
        outer: StackedWeights,
    ) -> Tensor:
        heads, width = own.heads, own.width
        raws, hidden = project(x, own.weights[:3], own.biases[:3], inner, lengths)
        q_raw, k_raw, v = (raw.view(len(x), heads, -1, width) for raw in raws)
        # Queries of one key's heads side by side: the rows of one matrix.
        q = _rotate(q_raw, cos * own.scale, sin * own.scale).transpose(0, 1)
        q = (q if row.places is None else q.index_select(1, row.places)).contiguous()
        k, v = _rotate(k_raw, cos, sin)[:, :, 0], v[:, :, 0]
        mixed = x.new_empty(q.shape[1], len(own.weights[0]))
        answers = mixed.view(-1, heads, *q.shape[2:]).transpose(0, 1)
        kept: list[Tensor] = []
        for q_s, answer, k_s, v_s in _samples(row, (q, answers), (k, v)):
            kept += attend(q_s, k_s, v_s, answer)
        asking = row.asked_of(lengths)
        (out,), last = project(mixed, own.weights[3:], own.biases[3:], outer, asking)
        ctx.rest = row, lengths, asking, own, inner, outer
        ctx.save_for_backward(x, cos, sin, hidden, q, k, v, mixed, last, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, cos, sin, hidden, q, k, v, mixed, last, *kept = ctx.saved_tensors
        row, lengths, asking, own, inner, outer = ctx.rest
        d_mixed = torch.empty_like(mixed)
        project_back([grad.contiguous()], mixed, last, d_mixed, own.weights[3:], outer, asking)
        d_answers = d_mixed.view(len(mixed), *q.shape[:1], *q.shape[2:]).transpose(0, 1)
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        views = _samples(row, (q, d_answers.contiguous(), dq), (k, v, dk, dv))
        done = 0
        for asked, (q_s, answer, dq_s, k_s, v_s, dk_s, dv_s) in zip(row.asking, views, strict=True):
            blocks = kept[done : done + count_blocks(asked)]
            attend_backward(blocks, q_s, k_s, v_s, answer, (dq_s, dk_s, dv_s))
            done += len(blocks)
        if row.places is not None:
            dq = dq.new_zeros(len(dq), len(x), *dq.shape[2:]).index_copy_(1, row.places, dq)
        turned = _rotate_back(dq.transpose(0, 1), cos * own.scale, sin * own.scale)
        raws = [turned.flatten(1), _rotate_back(dk[:, :, None], cos, sin).flatten(1), dv.flatten(1)]
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        project_back(raws, x, hidden, grad_x, own.weights[:3], inner, lengths)
        return grad_x, *[None] * 8


def _samples(
    row: RowSegments, asking: Sequence[Tensor], seen: Sequence[Tensor]
) -> Iterator[tuple[Tensor, ...]]:
    """Views of each sample, of each tensor.

    Args:
        row: the samples.
        asking: (H, M, g, D), of which (H, m, g, D) are given.
        seen: (N, H, D), of which (H, n, D) are given.
    """
    parts = [tensor.split(row.asking, 1) for tensor in asking]
    parts += [tensor.transpose(0, 1).split(row.lengths, 1) for tensor in seen]
    return zip(*parts, strict=True)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """``x cos + (-x2, x1) sin`` for x (N, H, g, D), cos and sin (N, D)."""
    cos, sin = cos[:, None, None], sin[:, None, None]
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1.0)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return out


def _rotate_back(grad: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """:func:`_rotate`'s gradient, contiguous."""
    cos, sin = cos[:, None, None], sin[:, None, None]
    half = grad.shape[-1] // 2
    out = torch.mul(grad, cos, out=grad.new_empty(grad.shape))
    out[..., :half].addcmul_(grad[..., half:], sin[..., half:])
    out[..., half:].addcmul_(grad[..., :half], sin[..., :half], value=-1.0)
    return out

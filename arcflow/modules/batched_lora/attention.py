"""The attention layer of many adapters' samples in one row, with a hand-written backward pass.

It consists of the projections with their low-rank parts, the rotation by position (Su et al. 2021,
arXiv:2104.09864) in the half-split order of Llama and Qwen, causal attention within each sample,
and the output projection. Matrix products are made adapter by adapter, or sample by sample;
elementwise operations are done for the whole row at once.
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
    """The frozen weights of an attention layer itself, without adapters.

    Attributes:
        weights: The weights of q (H g D, d), k (H D, d), v (H D, d) and o (d, H g D), for H heads
            of keys, g heads of queries for each of them, and D numbers a head.
        biases: The biases of q, k, v and o, each a vector or None.
        width: The number D.
        scale: The factor of the attention scores.
    """

    weights: Sequence[Tensor]
    biases: Sequence[Tensor | None]
    width: int
    scale: float

    @property
    def heads(self) -> int:
        """The number H of heads of keys."""
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
    """Return the layer's output for the tokens that are asked for.

    Args:
        x: The layer's input, float32 of shape (N, d).
        anchor: Any tensor that requires a gradient, so that the output requires one even if ``x``
            does not.
        rotation: The cosines and the sines of each position, shape (N, D) each.
        row: The samples of the row, and how many of each one's last tokens are asked for.
        lengths: The number of tokens of each adapter, in order; each has whole samples.
        own: The layer's own weights.
        inner: The adapters' matrices of q, k and v.
        outer: The adapters' matrices of o.

    Returns:
        The output of the M tokens that are asked for, in their order, shape (M, d).
        Differentiating it writes the adapters' gradients into the buffers of ``inner`` and
        ``outer``.
    """
    arguments = (x, anchor, *rotation, row, lengths, own, inner, outer)
    out: Tensor = _BatchedAttention.apply(*arguments)  # type: ignore[no-untyped-call]
    return out


class _BatchedAttention(torch.autograd.Function):
    """The attention layer with low-rank parts; see :func:`project` for those of the projections.

    Shapes: x (N, d); c and s the cosines and sines (N, D); a the scale ``own.scale``; R the
    rotation, with z1 and z2 the halves of a head's D numbers and c1, c2, s1, s2 those of c and s:
        R(z) = [z1 c1 - z2 s1 | z2 c2 + z1 s2]            :func:`_rotate`
        R^T(d) = [d1 c1 + d2 s2 | d2 c2 - d1 s1]          :func:`_rotate_back`

    Forward:
        [q' | k' | v] = project(x)         ``q_raw``, ``k_raw``, ``v``   (N, H, g or 1, D)
        q = a R(q'), k = R(k')             queries of the M asking tokens only
        m = softmax(q k^T + mask) v        ``mixed``, sample by sample   (M, H g D)
        y = m Wo^T + bo + s' (m Ao^T) Bo^T    ``out``                    (M, d)

    Backward, for dy ``grad`` (M, d):
        dm = dy Wo + s' (dy Bo) Ao         ``d_mixed``, by :func:`project_back` with dAo and dBo
        dq, dk, dv of each sample          by :func:`attend_backward`, whose module has the formulas
        dq is 0 at tokens that do not ask
        dq' = a R^T(dq), dk' = R^T(dk)     ``raws``
        dx = sum of dq', dk', dv through their projections    ``grad_x``, by :func:`project_back`
                                           with the gradients of the A and B of q, k and v
    """

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
        # The queries of the g heads that share a key head lie side by side, as rows of one matrix.
        # The scale goes into the cosines and sines, which are smaller than the queries.
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
    """Yield views of each sample's part of each tensor.

    Args:
        row: The samples of the row.
        asking: Tensors of shape (H, M, g, D); views have shape (H, m, g, D).
        seen: Tensors of shape (N, H, D); views have shape (H, n, D).
    """
    parts = [tensor.split(row.asking, 1) for tensor in asking]
    parts += [tensor.transpose(0, 1).split(row.lengths, 1) for tensor in seen]
    return zip(*parts, strict=True)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return ``x cos + [-x2 | x1] sin`` for x (N, H, g, D) with halves x1, x2; cos, sin (N, D)."""
    cos, sin = cos[:, None, None], sin[:, None, None]
    half = x.shape[-1] // 2
    out = x * cos
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1.0)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return out


def _rotate_back(grad: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return the gradient of :func:`_rotate`'s input, contiguous, shape (N, H, g, D)."""
    cos, sin = cos[:, None, None], sin[:, None, None]
    half = grad.shape[-1] // 2
    out = torch.mul(grad, cos, out=grad.new_empty(grad.shape))
    out[..., :half].addcmul_(grad[..., half:], sin[..., half:])
    out[..., half:].addcmul_(grad[..., :half], sin[..., :half], value=-1.0)
    return out

"""Attention that keeps the samples of a packed row apart, registered with transformers.

Where state is kept, and why: transformers calls the attention of every layer and hands it only
its own arguments. What is found once for a forward pass (the segments, and the tokens whose
outputs are used) is therefore kept as attributes of the ``position_ids`` tensor, the one object
that every layer is given; it goes when that tensor goes, and the segments are found again if the
tensor is changed in place. Which layer is the last is an attribute of the layer, set once by
:func:`mark_last`. The module itself keeps the registration and the found kernel, and nothing else.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from arcflow.core.errors import ConfigError

NAME = "arcflow_segments"
"""The value of transformers' ``attn_implementation`` after :func:`register`."""

_MEMO = "_arcflow_segments"
_READ = "_arcflow_read"
_LAST = "_arcflow_last"


def register() -> None:
    """Register ``attn_implementation="arcflow_segments"`` with transformers; may be repeated."""
    AttentionInterface.register(NAME, segment_attention)
    AttentionMaskInterface.register(NAME, segment_mask)


def segment_mask(
    *,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int = 0,
    attention_mask: Tensor | None = None,
    **options: Any,
) -> Tensor | None:
    """Return no mask for whole sequences without padding, and otherwise transformers' own.

    No (T, T) mask is made for a packed row, because :func:`segment_attention` reads its segments
    from the positions. Padding and steps with a key-value cache get the mask of sdpa.

    Args:
        q_length: The number of queries.
        kv_length: The number of keys.
        q_offset: The position of the first query.
        kv_offset: The position of the first key.
        attention_mask: A mask (B, kv_length), 0 at padding, or None without padding.
        options: Further arguments of transformers' ``sdpa_mask``.

    Returns:
        None, or a bool mask (B, 1, q_length, kv_length).
    """
    whole = q_length == kv_length and kv_offset == 0 and int(q_offset) == 0
    if whole and attention_mask is None:
        return None
    mask: Tensor | None = sdpa_mask(
        q_length=q_length,
        kv_length=kv_length,
        q_offset=q_offset,
        kv_offset=kv_offset,
        attention_mask=attention_mask,
        **options,
    )
    return mask


def segment_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    position_ids: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Compute causal attention within each segment of the rows.

    A new segment begins wherever a position is not its predecessor plus 1. With a mask, that is
    with padding or a cache, this is transformers' sdpa attention.

    Args:
        module: The attention layer.
        query: The queries, shape (B, H, T, D).
        key: The keys, shape (B, H_kv, T_kv, D), H a multiple of H_kv.
        value: The values, of the shape of ``key``.
        attention_mask: The mask that :func:`segment_mask` returned.
        dropout: The probability of dropping an attention weight.
        scaling: The factor of the scores; None takes 1 / sqrt(D).
        sliding_window: How many tokens each token sees, itself included; None means all before it.
        position_ids: The positions, shape (B, T) or (1, T).
        options: Further arguments of transformers' sdpa attention.

    Returns:
        The output, shape (B, T, H, D), and None in place of the attention weights.

    Raises:
        ConfigError: If the model does not hand its positions to the attention; its samples would
            see each other unnoticed.
    """
    batch, heads, tokens, _ = query.shape
    if attention_mask is not None or key.shape[2] != tokens or tokens == 1:
        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **options
        )
        return out, None
    if position_ids is None or position_ids.ndim != 2:
        raise _no_positions(module, position_ids)
    segments = _segments(position_ids, batch)
    if batch > 1:
        query, key, value = _one_row(query), _one_row(key), _one_row(value)
    window = sliding_window if sliding_window and sliding_window < segments.longest else None
    read = getattr(position_ids, _READ, None) if getattr(module, _LAST, False) else None
    asking = segments if read is None else read.segments
    if read is not None:
        query = query.index_select(2, read.places)
    if dropout == 0.0 and _has_kernel(query):
        out = _varlen(query, key, value, asking, segments, window, scaling)
    else:
        out = _loop(query, key, value, asking, segments, window, scaling, dropout)
    if read is not None:
        out = out.new_zeros(1, tokens, *out.shape[2:]).index_copy(1, read.places, out)
    return out.reshape(batch, tokens, heads, -1), None


def _no_positions(module: nn.Module, position_ids: Tensor | None) -> ConfigError:
    return ConfigError(
        f"attention {NAME}: {type(module).__name__} does not tell the positions of its tokens",
        value=None if position_ids is None else tuple(position_ids.shape),
        expected="position_ids of shape (batch, tokens)",
        next_step="Use attention: sdpa with packing: padded for this model.",
    )


def mark_last(layer: nn.Module) -> None:
    """Mark an attention layer as the model's last, the one :func:`ask_from_first_read` is about.

    Args:
        layer: The attention layer, which is changed in place.
    """
    setattr(layer, _LAST, True)


def ask_from_first_read(position_ids: Tensor, read: Tensor) -> None:
    """Let the last attention layer compute outputs only from each segment's first read token on.

    Its other outputs, which are not used, become 0; every token is still seen as a key. This
    holds for forward passes that are given this very ``position_ids`` tensor.

    Args:
        position_ids: The positions of a packed row, shape (1, T), in a tensor object that belongs
            to the caller alone; it is marked.
        read: The tokens whose outputs are used, bool of shape (T,); at least one of them.
    """
    lengths = _segments(position_ids, 1).lengths
    segment = torch.repeat_interleave(torch.tensor(lengths, device=read.device))
    sums = read.long().cumsum(0)
    # Reads in this segment so far: those before its first token are taken off.
    before = (sums - read.long())[_segments(position_ids, 1).bounds[:-1].long()]
    kept = sums > before[segment]
    counts = torch.bincount(segment[kept], minlength=len(lengths))
    bounds = nn.functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
    sizes = counts.tolist()
    asking = _Segments(sizes, max(sizes), bounds)
    setattr(position_ids, _READ, _Read(kept.nonzero()[:, 0], asking))


@dataclass(frozen=True, slots=True)
class RowSegments:
    """The segments of a packed row, and the tokens whose outputs are computed (that "ask").

    Attributes:
        lengths: The length of each segment, in tokens.
        asking: How many of each segment's last tokens ask.
        places: The indices of these tokens in the row, ascending; None if all tokens ask.
    """

    lengths: list[int]
    asking: list[int]
    places: Tensor | None

    def asked_of(self, lengths: Sequence[int]) -> list[int]:
        """Return how many tokens ask in each part of the row.

        Args:
            lengths: The number of tokens of each part, in order; each part has whole segments.

        Returns:
            The number of asking tokens of each part.
        """
        if self.places is None:
            return list(lengths)
        segments, asked = zip(self.lengths, self.asking, strict=True), []
        for length in lengths:
            held = count = 0
            while held < length:
                tokens, asks = next(segments)
                held, count = held + tokens, count + asks
            asked.append(count)
        return asked


def packed_row(module: nn.Module, position_ids: Tensor) -> RowSegments:
    """Return the segments that an attention layer sees in a packed row.

    Args:
        module: The attention layer.
        position_ids: The positions, shape (1, T), as the layer is given them.
    """
    lengths = _segments(position_ids, 1).lengths
    read = getattr(position_ids, _READ, None) if getattr(module, _LAST, False) else None
    if read is None:
        return RowSegments(lengths, lengths, None)
    return RowSegments(lengths, read.segments.lengths, read.places)


@dataclass(frozen=True, slots=True)
class _Segments:
    """The segments of a batch's rows, which are laid one after the other."""

    lengths: list[int]
    longest: int
    bounds: Tensor
    """Where each segment begins, and the end: int32, shape (segments + 1,), on their device."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The indices of the tokens that ask, ascending, and their segments: ends of the row's."""

    places: Tensor
    segments: _Segments


def _segments(position_ids: Tensor, batch: int) -> _Segments:
    """Return the segments, which are found once per forward pass and kept on the tensor."""
    version = None if position_ids.is_inference() else position_ids._version
    memo = getattr(position_ids, _MEMO, None)
    if memo is not None and memo[0] == (version, batch):
        found: _Segments = memo[1]
        return found
    begins = torch.ones_like(position_ids, dtype=torch.bool)
    begins[:, 1:] = position_ids[:, 1:] != position_ids[:, :-1] + 1
    starts = begins.expand(batch, -1).reshape(-1).nonzero()[:, 0]
    bounds = nn.functional.pad(starts, (0, 1), value=batch * position_ids.shape[1])
    lengths = bounds.diff().tolist()
    segments = _Segments(lengths, max(lengths), bounds.to(torch.int32))
    setattr(position_ids, _MEMO, ((version, batch), segments))
    return segments


def _one_row(states: Tensor) -> Tensor:
    """Lay the rows of states (B, H, T, D) one after the other: (1, H, B T, D)."""
    return states.transpose(0, 1).flatten(1, 2)[None]


def _loop(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    asking: _Segments,
    segments: _Segments,
    window: int | None,
    scaling: float | None,
    dropout: float,
) -> Tensor:
    """Attend with one call per segment, so that the cost is the sum of the lengths' squares."""
    grouped = query.shape[1] != key.shape[1]
    outs = []
    # split, not slices: its backward pass joins the gradients once, while that of each slice
    # would fill a whole row with zeros.
    parts = (
        torch.split(query, asking.lengths, dim=2),
        torch.split(key, segments.lengths, dim=2),
        torch.split(value, segments.lengths, dim=2),
    )
    for q, k, v in zip(*parts, strict=True):
        n, seen = q.shape[2], k.shape[2]
        mask = None if window is None and n == seen else _band(n, seen, window, q.device)
        out = scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            dropout_p=dropout,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=grouped,
        )
        outs.append(out.transpose(1, 2))
    return torch.cat(outs, dim=1)


def _band(n: int, seen: int, window: int | None, device: torch.device) -> Tensor:
    """Return the bool mask (n, seen) of what the last n of ``seen`` tokens see."""
    mask = torch.ones(n, seen, dtype=torch.bool, device=device).tril_(seen - n)
    return mask if window is None else mask.triu_(seen - n + 1 - window)


@cache
def _kernel() -> Callable[..., Any] | None:
    """Return torch's variable-length attention, or None if this torch lacks what is needed."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    return varlen_attn if {"window_size", "scale", "enable_gqa"} <= known.keys() else None


def _has_kernel(query: Tensor) -> bool:
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] % 8 == 0
        and query.shape[-1] <= 256
        and torch.cuda.get_device_capability(query.device) >= (8, 0)
        and _kernel() is not None
    )


def _varlen(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    asking: _Segments,
    segments: _Segments,
    window: int | None,
    scaling: float | None,
) -> Tensor:
    """Attend with torch's kernel, which aligns queries with the ends of their segments."""
    kernel = _kernel()
    assert kernel is not None
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    out: Tensor = kernel(
        q,
        k,
        v,
        asking.bounds,
        segments.bounds,
        asking.longest,
        segments.longest,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out[None]

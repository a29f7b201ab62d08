"""Attention that keeps the samples of a packed row apart, registered with transformers."""

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
    """Make ``attn_implementation="arcflow_segments"`` known to transformers; may be repeated."""
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
    """None for whole sequences without padding, packed or not; otherwise transformers' mask.

    No (T, T) mask is made for a packed row: :func:`segment_attention` reads its segments from
    the positions. Padding and steps with a key-value cache get the mask that sdpa would.
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
    """Causal attention within each segment; a segment begins where positions do not go on by 1.

    Args:
        module: the attention layer; its class is named when it does not tell the positions.
        query: (B, H, T, D).
        key: (B, H_kv, T_kv, D), H a multiple of H_kv.
        value: as ``key``.
        attention_mask: transformers' mask where there is padding or a cache: then this is its
            sdpa attention.
        dropout: probability of a dropped weight.
        scaling: factor of the scores; None for 1 / sqrt(D).
        sliding_window: tokens that each token sees, itself included; None for all before it.
        position_ids: (B, T) or (1, T).
        options: passed on to transformers' sdpa attention.

    Returns:
        (B, T, H, D), and None for the weights.

    Raises:
        ConfigError: a model that does not hand its positions to the attention, in which samples
            would see each other unnoticed.
    """
    batch, heads, tokens, _ = query.shape
    if attention_mask is not None or key.shape[2] != tokens or tokens == 1:
        out, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **options
        )
        return out, None
    if position_ids is None or position_ids.ndim != 2:
        raise ConfigError(
            f"attention {NAME}: {type(module).__name__} does not tell the positions of its tokens",
            value=None if position_ids is None else tuple(position_ids.shape),
            expected="position_ids of shape (batch, tokens)",
            next_step="Use attention: sdpa with packing: padded for this model.",
        )
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


def mark_last(layer: nn.Module) -> None:
    """Note on an attention layer that it is the last: the one :func:`ask_from_first_read` means."""
    setattr(layer, _LAST, True)


def ask_from_first_read(position_ids: Tensor, read: Tensor) -> None:
    """Let the last attention layer answer only from each segment's first read token on.

    Nobody uses its other outputs: they become 0. Every token is still
    seen. Holds for forward passes that are given this very ``position_ids`` tensor.

    Args:
        position_ids: (1, T), a tensor of the caller's own.
        read: bool, (T,), the tokens whose output is used.
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
    """What :func:`segment_attention` would do with a packed row.

    Attributes:
        lengths: of the segments, in tokens.
        asking: how many of each one's last tokens are to be answered.
        places: of those tokens in the row, in ascending order; None where all are.
    """

    lengths: list[int]
    asking: list[int]
    places: Tensor | None

    def asked_of(self, lengths: Sequence[int]) -> list[int]:
        """How many tokens ask in each part of the row; ``lengths`` of parts, whole segments."""
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
    """The segments that an attention layer sees, for ``position_ids`` (1, T)."""
    lengths = _segments(position_ids, 1).lengths
    read = getattr(position_ids, _READ, None) if getattr(module, _LAST, False) else None
    if read is None:
        return RowSegments(lengths, lengths, None)
    return RowSegments(lengths, read.segments.lengths, read.places)


@dataclass(frozen=True, slots=True)
class _Segments:
    """Where the segments of a batch's rows, one after the other, are."""

    lengths: list[int]
    longest: int
    bounds: Tensor
    """int32, shape (number of segments + 1,), on the device of the positions."""


@dataclass(frozen=True, slots=True)
class _Read:
    """The tokens that ask, in ascending order, and their segments: ends of the row's."""

    places: Tensor
    segments: _Segments


def _segments(position_ids: Tensor, batch: int) -> _Segments:
    """Found once a forward pass: every layer is given the same tensor, which keeps the answer."""
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
    """(B, H, T, D) to (1, H, B T, D)."""
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
    """One causal call a segment: the cost is the sum of the squares, not the square of the sum."""
    grouped = query.shape[1] != key.shape[1]
    outs = []
    # split, not slices: its backward pass joins the gradients, each slice's fills a whole row.
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
    """What the last n of ``seen`` tokens see."""
    mask = torch.ones(n, seen, dtype=torch.bool, device=device).tril_(seen - n)
    return mask if window is None else mask.triu_(seen - n + 1 - window)


@cache
def _kernel() -> Callable[..., Any] | None:
    """torch's variable-length attention, where this torch has it with all that is needed here."""
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
    """The kernel aligns queries with the ends of their segments, as :func:`_band` does."""
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

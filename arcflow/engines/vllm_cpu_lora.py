"""Adapters in vLLM's CPU build: right for rows without one, and several times as fast.

vLLM 0.32's CPU build gathers a copy of an adapter's matrices for every token, and takes the last
adapter in memory for rows that have none. These functions take their place: one product for each
adapter of a batch, and nothing for the other rows.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_FEW = 1_500_000
"""Numbers (rows x matrix) up to which every row times every matrix is faster than a loop over
adapters: the steps that write answers."""


def install() -> None:
    """Replace vLLM's functions.

    Raises:
        AttributeError: this vLLM has no such functions.
    """
    from vllm.lora.punica_wrapper import punica_cpu

    for function in (bgmv_shrink, bgmv_expand, bgmv_expand_slice):
        for name, made in (
            (function.__name__, function),
            (function.__name__.replace("bgmv", "sgmv"), _of_sequences(function)),
        ):
            getattr(punica_cpu, name)
            setattr(punica_cpu, name, made)


def bgmv_shrink(
    inputs: Tensor, weights: Tensor, output: Tensor, slots: Tensor, scaling: float = 1.0
) -> None:
    """``output[t] = scaling * A inputs[t]`` with each row's own A.

    Args:
        inputs: (T, d).
        weights: (adapters, 1, r, d), every A in memory.
        output: (T, r), zero where a row has no adapter.
        slots: int64 (T,), the number of each row's adapter; -1 for none.
        scaling: factor.
    """
    for rows, product in _products(inputs, weights, slots, output.dtype):
        output[rows, : product.shape[1]] = scaling * product


def bgmv_expand(
    inputs: Tensor, weights: Tensor, output: Tensor, slots: Tensor, add_inputs: bool = True
) -> None:
    """``output[t] += B inputs[t]`` with each row's own B; as :func:`bgmv_shrink`."""
    width = min(weights.shape[-2], output.shape[1])
    bgmv_expand_slice(inputs, weights, output, slots, 0, width, add_inputs)


def bgmv_expand_slice(
    inputs: Tensor,
    weights: Tensor,
    output: Tensor,
    slots: Tensor,
    offset: int,
    width: int,
    add_inputs: bool = True,
) -> None:
    """:func:`bgmv_expand` into ``output[:, offset : offset + width]``."""
    part = output[:, offset : offset + width]
    if not add_inputs:
        part.zero_()
    for rows, product in _products(inputs, weights, slots, output.dtype):
        part[rows] += product[:, :width]


def _of_sequences(function: Any) -> Any:
    """The same for whole sequences, which say their length and adapter once."""

    def sgmv(
        inputs: Tensor,
        weights: Tensor,
        output: Tensor,
        starts: Tensor,
        lengths: Tensor,
        slots: Tensor,
        batches: int,
        longest: int,
        tokens: int,
        *rest: Any,
    ) -> None:
        function(inputs, weights, output, torch.repeat_interleave(slots, lengths), *rest)

    return sgmv


def _products(
    inputs: Tensor, weights: Tensor, slots: Tensor, dtype: torch.dtype
) -> Iterator[tuple[Tensor | slice, Tensor]]:
    """Rows, and their inputs times the transposed matrix of their adapter."""
    matrices = weights.flatten(0, -3).to(dtype)
    present = slots.unique().tolist()
    if len(present) > 1 and len(slots) * matrices[0].numel() <= _FEW:
        rows = (slots >= 0).nonzero()[:, 0]
        yield rows, _every_matrix(inputs[rows].to(dtype), matrices, slots[rows])
        return
    for slot in present:
        if slot >= 0:
            of = slice(len(slots)) if len(present) == 1 else (slots == slot).nonzero()[:, 0]
            yield of, inputs[of].to(dtype) @ matrices[slot].T


def _every_matrix(inputs: Tensor, matrices: Tensor, slots: Tensor) -> Tensor:
    """Rows (T, i) times each one's transposed matrix of (adapters, o, i), in one product."""
    (n, wide), (many, out, _) = inputs.shape, matrices.shape
    at = torch.arange(n)
    if out <= wide:
        return (inputs @ matrices.reshape(many * out, wide).T).view(n, many, out)[at, slots]
    spread = inputs.new_zeros(n, many, wide)
    spread[at, slots] = inputs
    return spread.view(n, many * wide) @ matrices.transpose(1, 2).reshape(many * wide, out)

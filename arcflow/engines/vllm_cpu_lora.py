"""Replacements for the LoRA functions of vLLM's CPU build, which are slow and partly wrong.

vLLM 0.32's CPU build gathers a copy of an adapter's matrices for every token, and uses the last
adapter in memory for rows that have none. The functions here make one product for each adapter of
a batch, and leave rows without an adapter alone.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_FEW = 1_500_000
"""The bound on rows x numbers of a matrix up to which multiplying every row with every matrix is
faster than a loop over adapters. The steps that write answers are below it."""


def install() -> None:
    """Replace vLLM's functions by those of this module.

    Raises:
        AttributeError: If this vLLM has no such functions.
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
    """Write ``scaling * A inputs[t]`` into ``output[t]``, with each row's own A.

    Args:
        inputs: The rows, shape (T, d).
        weights: Every A in memory, shape (adapters, 1, r, d).
        output: The result's place, shape (T, r); rows without an adapter are left as they are.
        slots: The index of each row's adapter, int64 of shape (T,); -1 for none.
        scaling: A factor of the product.
    """
    for rows, product in _products(inputs, weights, slots, output.dtype):
        output[rows, : product.shape[1]] = scaling * product


def bgmv_expand(
    inputs: Tensor, weights: Tensor, output: Tensor, slots: Tensor, add_inputs: bool = True
) -> None:
    """Add ``B inputs[t]`` to ``output[t]``, with each row's own B.

    Args:
        inputs: The rows, shape (T, r).
        weights: Every B in memory, shape (adapters, 1, o, r).
        output: The place to add to, shape (T, o); rows without an adapter get nothing added.
        slots: The index of each row's adapter, int64 of shape (T,); -1 for none.
        add_inputs: Whether to keep what ``output`` holds; otherwise it is set to 0 first.
    """
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
    """Do what :func:`bgmv_expand` does, in some columns of the output.

    Args:
        inputs: The rows, shape (T, r).
        weights: Every B in memory, shape (adapters, 1, width, r).
        output: The tensor of which ``output[:, offset : offset + width]`` is changed.
        slots: The index of each row's adapter, int64 of shape (T,); -1 for none.
        offset: The first column to change.
        width: The number of columns to change.
        add_inputs: Whether to keep what these columns hold; otherwise they are set to 0 first.
    """
    part = output[:, offset : offset + width]
    if not add_inputs:
        part.zero_()
    for rows, product in _products(inputs, weights, slots, output.dtype):
        part[rows] += product[:, :width]


def _of_sequences(function: Any) -> Any:
    """Return the same function for whole sequences, which give their length and adapter once.

    Its arguments are those of vLLM's function that it replaces.
    """

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
    """Yield rows, and the product of their inputs with the transposed matrix of their adapter."""
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
    """Return rows (T, i) times each one's transposed matrix of (adapters, o, i), in one product."""
    (n, wide), (many, out, _) = inputs.shape, matrices.shape
    at = torch.arange(n)
    if out <= wide:
        return (inputs @ matrices.reshape(many * out, wide).T).view(n, many, out)[at, slots]
    spread = inputs.new_zeros(n, many, wide)
    spread[at, slots] = inputs
    return spread.view(n, many * wide) @ matrices.transpose(1, 2).reshape(many * wide, out)

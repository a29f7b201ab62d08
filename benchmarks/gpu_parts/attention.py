"""Attention within the samples of a packed row, against a reference in float64 and its loop."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from arcflow.modules import attention
from gpu_parts.row import Place, Row, judged, measured, seconds_of

HEADS, KEY_HEADS, WIDTH = 14, 2, 64
"""Those of Qwen2.5-0.5B."""
WINDOW = 100


def rows(place: Place) -> Iterator[Row]:
    """Values and gradients in each number type, with and without a window, and the speed."""
    lengths = [5, 70, 33, 1] if place.small else [700, 1500, 33, 1, 4000, 129]
    kinds = [torch.float32] if place.device == "cpu" else [torch.bfloat16, torch.float16]
    for dtype in kinds:
        for window in (None, WINDOW if not place.small else 20):
            yield compare(place, lengths, dtype, window)
    if place.device == "cuda":
        yield speed(place)


def inputs(place: Place, lengths: list[int], dtype: torch.dtype) -> tuple[list[Tensor], Tensor]:
    """Queries, keys and values (1, H, T, D) with gradients, and the positions (1, T)."""
    generator = torch.Generator().manual_seed(0)
    states = []
    for heads in (HEADS, KEY_HEADS, KEY_HEADS):
        drawn = torch.randn(1, heads, sum(lengths), WIDTH, generator=generator)
        states.append(drawn.to(place.device, dtype).requires_grad_())
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    return states, positions.to(place.device)


def attend(states: list[Tensor], positions: Tensor, window: int | None) -> Tensor:
    """arcflow's attention, as transformers calls it."""
    layer: Any = SimpleNamespace(is_causal=True)
    out, _ = attention.segment_attention(
        layer, *states, None, sliding_window=window, position_ids=positions
    )
    return out


def reference(states: list[Tensor], lengths: list[int], window: int | None) -> Tensor:
    """Softmax attention as it is written down, sample by sample, in the states' number type."""
    outs = []
    for q, k, v in zip(*(state.split(lengths, 2) for state in states), strict=True):
        k, v = (x.repeat_interleave(HEADS // KEY_HEADS, 1) for x in (k, v))
        n = q.shape[2]
        seen = torch.ones(n, n, dtype=torch.bool, device=q.device).tril()
        if window is not None:
            seen &= seen.triu(1 - window)
        scores = (q @ k.mT / WIDTH**0.5).masked_fill(~seen, float("-inf"))
        outs.append((torch.softmax(scores, -1) @ v).transpose(1, 2))
    return torch.cat(outs, 1)


def compare(place: Place, lengths: list[int], dtype: torch.dtype, window: int | None) -> Row:
    """The largest difference of outputs and gradients, relative to the largest value of each."""
    states, positions = inputs(place, lengths, dtype)
    exact = [state.detach().double().requires_grad_() for state in states]
    out, wanted = attend(states, positions, window), reference(exact, lengths, window)
    pull = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out)
    torch.autograd.backward(out, pull)
    torch.autograd.backward(wanted, pull.double())
    pairs = [(out, wanted)] + [(a.grad, b.grad) for a, b in zip(states, exact, strict=True)]
    apart = max(float((a.double() - b).abs().max() / b.abs().max()) for a, b in pairs)
    most = {torch.bfloat16: 2e-2, torch.float16: 4e-3, torch.float32: 1e-5}[dtype]
    path = "torch's kernel" if attention._has_kernel(states[0]) else "a call for each sample"
    name = f"attention in {str(dtype).removeprefix('torch.')}, {path}"
    name += ", with a window" if window else ""
    return judged(
        f"{name}: values and gradients", f"{apart:.1e}", f"at most {most:g}", apart < most
    )


def speed(place: Place) -> Row:
    """Forward and backward pass of many short samples: the kernel to one call for each."""
    states, positions = inputs(place, [500] * 64, torch.bfloat16)

    def work() -> None:
        attend(states, positions, None).sum().backward()

    fast = seconds_of(work, place.device)
    if not attention._has_kernel(states[0]):
        return measured("attention, 64 samples of 500 tokens", f"{1e3 * fast:.1f} ms, no kernel")
    kernel, attention._has_kernel = attention._has_kernel, lambda query: False
    slow = seconds_of(work, place.device)
    attention._has_kernel = kernel
    return measured(
        "attention, 64 samples of 500 tokens, kernel to a call for each",
        f"{1e3 * fast:.1f} to {1e3 * slow:.1f} ms, ratio {slow / fast:.1f}",
    )

"""Choose the next token of each row, inside transformers' generate loop."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from arcflow.core.seeds import rng
from arcflow.engines.base import SamplingParams


def draw_uniforms(rows: Sequence[tuple[int, int]], max_tokens: int) -> Tensor:
    """One number in [0, 1) for every token that may be drawn.

    Args:
        rows: (request seed, sample number) of each of B rows.
        max_tokens: tokens a row may draw, T.

    Returns:
        float64 (B, T). A row depends on its own seed and sample number only, so a draw does
        not change with the rest of the batch; a longer T continues a shorter one.
    """
    numbers = [rng(seed, "sample", sample).random(max_tokens) for seed, sample in rows]
    return torch.from_numpy(np.stack(numbers))


def sample_tokens(log_probs: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Draw one token a row by inverting the cumulative distribution.

    Args:
        log_probs: (B, V) log-probabilities at temperature 1.
        uniform: float64 (B,) in [0, 1).
        temperature: > 0.
        top_p: keep the smallest set of most probable tokens with at least this total.

    Returns:
        int64 (B,). One number a row decides, in the order of the vocabulary, so rounding
        in the logits moves a draw only where the number lies on the very edge of a token's
        interval.
    """
    probs = (log_probs.double() / temperature).softmax(-1)
    if top_p < 1.0:
        ranked, order = probs.sort(dim=-1, descending=True, stable=True)
        outside = ranked.cumsum(-1) - ranked >= top_p
        probs = probs.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), 0.0)
    cumulative = probs.cumsum(-1)
    target = uniform[:, None] * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, target, right=True)[:, 0]
    # Logits that are not numbers have no such index.
    return chosen.clamp(max=log_probs.shape[-1] - 1)


class TokenChooser(LogitsProcessor):
    """Chooses, scores and counts tokens step by step; leaves generate only one to pick.

    Keeps sums for each row, never the logits of past steps.

    Args:
        sampling: temperature, top_p and stop tokens.
        uniforms: float64 (B, T) from ``draw_uniforms``; None takes the most probable token.
        n_rows: B.
        device: where the logits are.

    Attributes:
        log_prob: float64 (B,), sum of the chosen tokens' log-probabilities at temperature 1,
            in nats, the stop token included.
        n_tokens: int64 (B,), tokens summed.
        alive: bool (B,), True where no stop token was chosen yet.
    """

    def __init__(
        self, sampling: SamplingParams, uniforms: Tensor | None, n_rows: int, device: torch.device
    ) -> None:
        self.temperature, self.top_p = sampling.temperature, sampling.top_p
        self.uniforms = None if uniforms is None else uniforms.to(device)
        self.stop_ids = torch.tensor(sampling.stop_ids, dtype=torch.int64, device=device)
        self.log_prob = torch.zeros(n_rows, dtype=torch.float64, device=device)
        self.n_tokens = torch.zeros(n_rows, dtype=torch.int64, device=device)
        self.alive = torch.ones(n_rows, dtype=torch.bool, device=device)
        self.step = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores (B, V) in; out, the same shape with 0 at the chosen token, -inf elsewhere."""
        log_probs = scores.float().log_softmax(-1)
        if self.uniforms is None:
            chosen = scores.argmax(-1)
        else:
            uniform = self.uniforms[:, self.step]
            chosen = sample_tokens(log_probs, uniform, self.temperature, self.top_p)
        self.step += 1
        gained = log_probs.gather(1, chosen[:, None])[:, 0].double()
        self.log_prob += torch.where(self.alive, gained, 0.0)
        self.n_tokens += self.alive
        self.alive &= ~torch.isin(chosen, self.stop_ids)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

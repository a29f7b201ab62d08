"""The choice of each row's next token, inside transformers' generate loop."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from arcflow.core.seeds import rng
from arcflow.engines.base import SamplingParams


def draw_uniforms(rows: Sequence[tuple[int, int]], max_tokens: int) -> Tensor:
    """Draw one number in [0, 1) for every token that may be sampled.

    Args:
        rows: The (request seed, sample number) of each of B rows.
        max_tokens: The number T of tokens that a row may sample.

    Returns:
        The numbers, float64 of shape (B, T). A row of them depends on its own seed and sample
        number only, not on the other rows of the batch; a longer T continues a shorter one.
    """
    numbers = [rng(seed, "sample", sample).random(max_tokens) for seed, sample in rows]
    return torch.from_numpy(np.stack(numbers))


def sample_tokens(log_probs: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Sample one token per row by inverting the cumulative distribution.

    One number per row decides, with tokens in the order of the vocabulary: rounding in the logits
    changes the token only if the number lies at the very edge of a token's interval.

    Args:
        log_probs: Log-probabilities at temperature 1, shape (B, V).
        uniform: The numbers that decide, float64 of shape (B,) in [0, 1).
        temperature: The temperature, above 0.
        top_p: The total probability of the smallest set of most probable tokens that is kept.

    Returns:
        The token ids, int64 of shape (B,).
    """
    probs = (log_probs.double() / temperature).softmax(-1)
    if top_p < 1.0:
        ranked, order = probs.sort(dim=-1, descending=True, stable=True)
        outside = ranked.cumsum(-1) - ranked >= top_p
        probs = probs.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), 0.0)
    cumulative = probs.cumsum(-1)
    target = uniform[:, None] * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, target, right=True)[:, 0]
    # If logits are NaN, the search ends behind the last token.
    return chosen.clamp(max=log_probs.shape[-1] - 1)


class TokenChooser(LogitsProcessor):
    """A logits processor that chooses each row's token and leaves generate only that one to pick.

    It keeps sums for each row, never the logits of past steps.

    Args:
        sampling: The temperature, top_p and stop tokens.
        uniforms: Numbers from :func:`draw_uniforms`, float64 of shape (B, T); None takes the most
            probable token.
        n_rows: The number B of rows.
        device: The device of the logits.

    Attributes:
        log_prob: The sum of the chosen tokens' log-probabilities at temperature 1, in nats, the
            stop token included; float64 of shape (B,).
        n_tokens: The number of tokens in that sum, int64 of shape (B,).
        alive: Whether a row has no stop token yet, bool of shape (B,).
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
        """Choose the next token of each row.

        Args:
            input_ids: The token ids so far, which are not used.
            scores: The logits of the next token, shape (B, V).

        Returns:
            New scores of the same shape: 0 at the chosen token, minus infinity elsewhere.
        """
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

"""An engine of your own: greedy decoding, one prompt and one token at a time, with no cache.

Usage, from the folder above this one:

    arcflow validate -c configs/quickstart.yaml --ckpt_path last \
        --pass_n.engine examples.custom_engine.GreedyEngine
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch

from arcflow.engines.base import Answers, Completion, Engine, Request, SamplingParams


class GreedyEngine(Engine):
    """The most probable token each time; slow, and short enough to start from.

    Args:
        model: the trained model.
        use_adapter: switches to a request's adapter and back.
        clock: seconds, for time limits.
        others: what this engine has no use for.
    """

    in_background = False

    def __init__(self, model: Any, use_adapter: Any, clock: Any = time.time, **others: Any) -> None:
        self.model, self.use_adapter, self.clock = model, use_adapter, clock

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Complete every request at once, in this process."""
        end = float("inf") if seconds is None else self.clock() + seconds
        answers = []
        for request in requests:
            switch = self.use_adapter or (lambda _: nullcontext())
            with torch.no_grad(), switch(request.adapter):
                answers.append([self.complete(request, sampling, end)] * sampling.n)
        return lambda: answers

    def complete(self, request: Request, sampling: SamplingParams, end: float) -> Completion:
        """Return one completion, cut off where it is too long or too late."""
        prompt, written, log_prob = list(request.prompt_ids), list[int](), 0.0
        while len(written) < (request.max_tokens or sampling.max_tokens) and self.clock() < end:
            ids = torch.tensor([prompt + written], device=self.model.device)
            log_probs = self.model(input_ids=ids).logits[0, -1].float().log_softmax(-1)
            token = int(log_probs.argmax())
            log_prob += float(log_probs[token])
            if token in sampling.stop_ids:
                return Completion(tuple(written), log_prob, len(written) + 1, finished=True)
            written.append(token)
        return Completion(tuple(written), log_prob, len(written), finished=False)
